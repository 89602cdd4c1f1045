import { existsSync } from "node:fs";
import { join } from "node:path";
import type { FrrPrograms } from "./frr.ts";

/** Where hil-tests/setup-frr10.sh unpacks it, unless told otherwise by the variable. */
const DIRECTORY = process.env["PADDOCK_FRR10"] ?? "/var/cache/paddock-hil/frr10";

/** FRR 10, beside the one of this machine. */
export const FRR10: FrrPrograms = { daemons: join(DIRECTORY, "bin"), vtysh: join(DIRECTORY, "bin", "vtysh") };

/** What to do where it is missing; undefined: nothing. */
export const FRR10_MISSING: string | undefined = existsSync(FRR10.vtysh)
  ? undefined
  : "FRR 10 is missing: run hil-tests/setup-frr10.sh, which hil-tests/setup.sh does.";
