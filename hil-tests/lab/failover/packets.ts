import { mkdirSync, existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { eventually } from "../namespaces.ts";
import type { Line } from "./field.ts";

/** Whole headers and the whole of a BFD packet; the rest is TLS. */
const SNAP_BYTES = 256;

/**
 * Captures at the gateway's end of each line into `${filePrefix}-${uplink}.pcapng`. Resolves when all have begun, with
 * what ends them.
 */
export async function keepPackets(lines: readonly Line[], filePrefix: string): Promise<() => Promise<void>> {
  mkdirSync(dirname(filePrefix), { recursive: true });
  const captures = lines.map(({ gateway, device, uplink }) => {
    const file = `${filePrefix}-${uplink}.pcapng`;
    const child = gateway.spawn("dumpcap", ["-q", "-i", device, "-s", String(SNAP_BYTES), "-w", file]);
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    return { file, child, ended };
  });
  for (const { file } of captures) {
    await eventually(`the capture into ${file} has begun`, () => existsSync(file) && statSync(file).size > 0);
  }
  return async () => {
    for (const { child, ended } of captures) {
      child.kill("SIGINT");
      await ended;
    }
  };
}
