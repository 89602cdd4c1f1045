import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { eventually, Lab, type Namespace } from "../namespaces.ts";
import { Frr } from "../peers/frr.ts";
import { SpeakerProcess } from "./speaker-process.ts";

export const PACES = [
  { intervalMs: 50, suffix: "1" },
  { intervalMs: 300, suffix: "2" },
] as const;
/** One wire to the peer per candidate; the same last digits on each. */
export const CANDIDATES = [
  { name: "paddock", prefix: "fd00:bfd:1::", device: "d0" },
  { name: "frr", prefix: "fd00:bfd:2::", device: "e0" },
] as const;

/**
 * Our speaker and FRR, each on a wire of its own to one FRR, at every pace, at the same real-time priority:
 *
 *     us d0 ------ d1 peer e1 ------ e0 other (FRR under test)
 */
export interface SideBySide {
  readonly lab: Lab;
  readonly us: Namespace;
  readonly peer: Namespace;
  readonly other: Namespace;
  readonly speaker: SpeakerProcess;
  /** The FRR that both are judged by. */
  readonly far: Frr;
  readonly allUp: () => Promise<unknown>;
}

export async function buildSideBySide(fifo: boolean): Promise<SideBySide> {
  const lab = new Lab();
  try {
    const [us, peer, other] = [lab.namespace("us"), lab.namespace("peer"), lab.namespace("ot")];
    lab.wire(us, "d0", peer, "d1");
    lab.wire(other, "e0", peer, "e1");
    for (const { suffix } of PACES) {
      us.address("d0", `fd00:bfd:1::${suffix}/64`);
      peer.address("d1", `fd00:bfd:1::f${suffix}/64`);
      other.address("e0", `fd00:bfd:2::${suffix}/64`);
      peer.address("e1", `fd00:bfd:2::f${suffix}/64`);
    }
    const far = new Frr(peer, join(lab.directory, "far"));
    const farPeers = CANDIDATES.flatMap(({ prefix }) =>
      PACES.map(({ intervalMs, suffix }) => frrPeer(`${prefix}${suffix}`, `${prefix}f${suffix}`, intervalMs)),
    );
    far.start(farPeers.join(""));
    // bfdd draws its discriminators from the second in which it starts.
    await new Promise((done) => setTimeout(done, 1200));
    const rival = new Frr(other, join(lab.directory, "rival"));
    const rivalPeers = PACES.map(({ intervalMs, suffix }) =>
      frrPeer(`fd00:bfd:2::f${suffix}`, `fd00:bfd:2::${suffix}`, intervalMs),
    );
    rival.start(rivalPeers.join(""));
    if (fifo) {
      execFileSync("chrt", ["-f", "-p", "60", String(far.pid())]);
      execFileSync("chrt", ["-f", "-p", "50", String(rival.pid())]);
    }
    const speaker = new SpeakerProcess(us, lab.directory);
    await speaker.start({ fifo });
    speaker.set(
      ...PACES.map(({ intervalMs, suffix }) => ({
        name: String(intervalMs),
        kind: "single-hop" as const,
        local: `fd00:bfd:1::${suffix}`,
        remote: `fd00:bfd:1::f${suffix}`,
        intervalMs,
        detectMult: 3,
        adaptive: false,
      })),
    );
    const allUp = () =>
      eventually("all sessions are up", () => far.peers().every((each) => each.status === "up"), 30_000);
    return { lab, us, peer, other, speaker, far, allUp };
  } catch (error) {
    lab.destroy();
    throw error;
  }
}

function frrPeer(remote: string, local: string, intervalMs: number): string {
  return ` peer ${remote} local-address ${local}\ntransmit-interval ${intervalMs}\nreceive-interval ${intervalMs}\ndetect-multiplier 3\n !\n`;
}
