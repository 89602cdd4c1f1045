import { isIPv6 } from "node:net";
import { parseConfig, readConfigFile } from "@paddock/base/config.ts";
import { metricsProblem } from "@paddock/base/metrics-listener.ts";
import * as v from "valibot";
import { configFields, type ConfigFields } from "./config/fields.ts";
import { PATH_RULES, RULES } from "./config/rules.ts";
import { bfdProblem } from "./paths/bfd-config.ts";

/**
 * The one JSON document that configures a gateway. The fields and their defaults stand in config/fields.ts, what no field
 * shows alone in config/rules.ts; gateway/config.schema.json is generated from it (`node gateway/config-schema.ts`).
 */

export const GatewayConfigSchema = v.pipe(
  configFields,
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const fields = dataset.value;
    const refuse = (at: readonly (string | number)[], message: string): void => {
      const path = issuePath(fields, at);
      addIssue({ message, path, input: path.at(-1)!.value });
    };
    for (const { at, holds, message } of RULES) if (!holds(fields)) refuse(at, message);
    const metrics = metricsProblem(fields.metrics);
    if (metrics !== undefined) refuse(["metrics", "tokenFile"], metrics);
    for (const [index, uplink] of fields.paths.entries()) {
      for (const { at, holds, message } of PATH_RULES) {
        if (!holds(uplink, fields.paths.slice(0, index))) refuse(["paths", index, at], message);
      }
      const problem = bfdProblem(uplink);
      if (problem !== undefined) refuse(["paths", index, "bfd", problem.scope], problem.message);
    }
  }),
);

export type GatewayConfig = v.InferOutput<typeof GatewayConfigSchema>;

/** Checks a document. Throws PaddockError CONFIG_INVALID that names every field at fault. */
export function parseGatewayConfig(document: unknown, what = "the configuration"): GatewayConfig {
  return parseConfig(GatewayConfigSchema, document, what);
}

/** Reads and checks the file. Throws PaddockError CONFIG_UNREADABLE or CONFIG_INVALID. */
export function readGatewayConfig(file: string): Promise<GatewayConfig> {
  return readConfigFile(GatewayConfigSchema, file);
}

/** An address and port as people write it. */
export function formatAddress(address: string, port: number): string {
  return isIPv6(address.split("%")[0]!) ? `[${address}]:${port}` : `${address}:${port}`;
}

function issuePath(root: ConfigFields, keys: readonly (string | number)[]): [v.IssuePathItem, ...v.IssuePathItem[]] {
  let input: unknown = root;
  const items = keys.map((key): v.IssuePathItem => {
    const value = (input as Record<string, unknown>)[key];
    const place = { origin: "value", key, value } as const;
    const item =
      typeof key === "number"
        ? { ...place, type: "array" as const, key, input: input as unknown[] }
        : { ...place, type: "object" as const, key, input: input as Record<string, unknown> };
    input = value;
    return item;
  });
  return items as [v.IssuePathItem, ...v.IssuePathItem[]];
}
