import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Capture } from "../capture.ts";
import { eventually } from "../namespaces.ts";
import { Frr } from "../peers/frr.ts";
import { COLLECTOR, type Field, type Line } from "./field.ts";
import type { Rival, RivalReport, Uplink, Watch } from "./target.ts";

const INTERVAL_MS: Readonly<Record<Exclude<Watch, "none">, number>> = { fast: 50, steady: 300 };
const DETECT_MULT = 3;
const MULTIHOP_PORT = 4784;
/** Fields 14 and 15 of proc(5)'s stat count in these. */
const TICK_MS = 10;
/** RFC 5880 §4.1 as tshark prints it. */
const STATE = { down: 1, up: 3 } as const;
const DETECTION_EXPIRED = 1;

/**
 * FRR's bfdd beside ours: multihop sessions from the gateway's address on each uplink to a bfdd at the collector, which
 * the same cut hits. When it says Down is taken from the wire, as is the last packet that it had got.
 */
export class FrrRival implements Rival {
  readonly name = "FRR";
  readonly #lines: readonly Line[];
  readonly #near: Frr;
  readonly #captures: ReadonlyMap<Uplink, Capture>;
  readonly #processorMs: number;
  readonly #sinceMs = performance.now();

  private constructor(lines: readonly Line[], near: Frr, captures: ReadonlyMap<Uplink, Capture>) {
    this.#lines = lines;
    this.#near = near;
    this.#captures = captures;
    this.#processorMs = processorMsOf(near.pid());
  }

  static async start({ lab, gateway, collector, lines }: Field, watch: Exclude<Watch, "none">): Promise<FrrRival> {
    const all = Object.values(lines);
    const captures = new Map<Uplink, Capture>();
    for (const { uplink, device } of all) {
      const file = join(lab.directory, `frr-${uplink}.pcapng`);
      captures.set(uplink, await Capture.start(gateway, device, `udp port ${MULTIHOP_PORT}`, file));
    }
    const far = new Frr(collector, join(lab.directory, "frr-far"));
    far.start(all.map((line) => peer(hostOf(line), COLLECTOR, INTERVAL_MS[watch])).join(""));
    // bfdd draws its discriminators from the second in which it starts.
    const second = Math.floor(Date.now() / 1000);
    await eventually("another second begins", () => Math.floor(Date.now() / 1000) !== second);
    const near = new Frr(gateway, join(lab.directory, "frr-near"));
    near.start(all.map((line) => peer(COLLECTOR, hostOf(line), INTERVAL_MS[watch])).join(""));
    if (watch === "fast") {
      for (const each of [far, near]) execFileSync("chrt", ["-f", "-p", "50", String(each.pid())]);
    }
    return new FrrRival(all, near, captures);
  }

  isUp(uplink: Uplink): boolean {
    const host = hostOf(this.#lines.find((line) => line.uplink === uplink)!);
    const said = this.#near
      .log()
      .split("\n")
      .findLast((line) => line.includes("state-change") && line.includes(host));
    return said !== undefined && /-> up\b/.test(said);
  }

  async finish(): Promise<RivalReport> {
    const processorMs = processorMsOf(this.#near.pid()) - this.#processorMs;
    const observedMs = performance.now() - this.#sinceMs;
    this.#near.kill();
    const downs: RivalReport["downs"][number][] = [];
    for (const line of this.#lines) {
      const fields = ["frame.time_epoch", "ipv6.src", "bfd.sta", "bfd.diag"];
      const rows = await this.#captures.get(line.uplink)!.finish(fields);
      downs.push(...detectionsOf(rows, line));
    }
    return { downs, processorMs, observedMs };
  }
}

function hostOf({ prefixes }: Line): string {
  return prefixes[0].host;
}

function peer(remote: string, local: string, intervalMs: number): string {
  return [
    ` peer ${remote} multihop local-address ${local}`,
    `  transmit-interval ${intervalMs}`,
    `  receive-interval ${intervalMs}`,
    `  detect-multiplier ${DETECT_MULT}`,
    "  minimum-ttl 1",
    " !\n",
  ].join("\n");
}

/** From the last packet that came in to the first one out that says Down because none came, for each fall from Up. */
function detectionsOf(rows: readonly string[][], { uplink, prefixes }: Line): RivalReport["downs"][number][] {
  const downs: RivalReport["downs"][number][] = [];
  let lastInMs = 0;
  let up = false;
  for (const [epoch, source, state, diagnostic] of rows) {
    const atMs = Number(epoch) * 1000;
    if (source !== prefixes[0].host) {
      lastInMs = atMs;
      continue;
    }
    if (up && Number(state) === STATE.down && Number(diagnostic) === DETECTION_EXPIRED) {
      downs.push({ uplink, atMs, detectedInMs: atMs - lastInMs });
    }
    up = Number(state) === STATE.up;
  }
  return downs;
}

/** User and system time of a process since it started. */
function processorMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}
