import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import type { Dating } from "../sinks/row.ts";

const Line = v.object({
  gateway: v.string(),
  boot: v.pipe(v.number(), v.safeInteger()),
  zero_us: v.pipe(v.number(), v.safeInteger()),
});

export interface ReadBoots {
  readonly datings: readonly Dating[];
  /** Lines that say nothing; the last one may be half, while the sink writes it. */
  readonly unreadable: number;
}

/** When boots of the lake's gateways were, by its boots.ndjson: the last line of a boot counts. */
export function readBoots(lake: string): ReadBoots {
  const datings = new Map<string, Dating>();
  let unreadable = 0;
  const lines = textOf(join(lake, "boots.ndjson")).split("\n");
  // Behind the last line feed stands nothing, or what is being written.
  lines.pop();
  for (const line of lines) {
    const dating = datingOf(line);
    if (dating === undefined) unreadable++;
    else datings.set(`${dating.gateway} ${dating.boot}`, dating);
  }
  return { datings: [...datings.values()], unreadable };
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

function datingOf(line: string): Dating | undefined {
  try {
    const { gateway, boot, zero_us: zeroUs } = v.parse(Line, JSON.parse(line));
    return { gateway, boot, zeroUs };
  } catch {
    return undefined;
  }
}
