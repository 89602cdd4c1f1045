import { existsSync } from "node:fs";
import { join } from "node:path";
import type { FrrPrograms } from "./frr.ts";

/** Where hil-tests/setup-frr10.sh unpacks it, unless told otherwise by the variable. */
const DIRECTORY = process.env["PADDOCK_FRR10"] ?? "/var/cache/paddock-hil/frr10";

/** FRR 10, beside the one of this machine. */
export const FRR10: FrrPrograms = { daemons: join(DIRECTORY, "bin"), vtysh: join(DIRECTORY, "bin", "vtysh") };

/** Why tests with it are skipped; false: they are not. */
export const FRR10_MISSING: string | false = existsSync(FRR10.vtysh)
  ? false
  : `no FRR 10 in ${DIRECTORY}: hil-tests/setup-frr10.sh unpacks one`;
