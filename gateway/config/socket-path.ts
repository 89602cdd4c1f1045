import { join } from "node:path";
import type { ConfigFields } from "./fields.ts";

/** Where the status server listens, and where its commands ask. */
export function socketPath(config: Pick<ConfigFields, "dataDir" | "status">): string {
  return config.status.socket ?? join(config.dataDir, "status.sock");
}
