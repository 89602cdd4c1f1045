import { join } from "node:path";
import { eventually, Lab, type Namespace } from "../namespaces.ts";
import { Frr, type FrrPeer } from "../peers/frr.ts";
import { type Priority, Prioritiser, setFifo } from "./priority.ts";
import { SpeakerProcess } from "./speaker-process.ts";

export const PACES = [
  { intervalMs: 50, suffix: "1" },
  { intervalMs: 300, suffix: "2" },
] as const;
export const DETECT_MULT = 3;
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
  readonly rival: Frr;
  /** The FRR that both are judged by. */
  readonly far: Frr;
  /** How the two candidates were put before other processes. */
  readonly prioritiser: Prioritiser;
}

/** The far end is put before everything that is measured, whatever priority the candidates get. */
const FAR_FIFO = 60;

export async function buildSideBySide(priority: Priority): Promise<SideBySide> {
  const lab = new Lab();
  const prioritiser = new Prioritiser(priority);
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
    const speaker = new SpeakerProcess(us, lab.directory);
    await speaker.start({ fifo: priority === "fifo" });
    setFifo(far.pid(), FAR_FIFO);
    for (const pid of [rival.pid(), speaker.pid]) prioritiser.apply(pid);
    speaker.set(
      ...PACES.map(({ intervalMs, suffix }) => ({
        name: String(intervalMs),
        kind: "single-hop" as const,
        local: `fd00:bfd:1::${suffix}`,
        remote: `fd00:bfd:1::f${suffix}`,
        intervalMs,
        detectMult: DETECT_MULT,
        adaptive: false,
      })),
    );
    return { lab, us, peer, other, speaker, rival, far, prioritiser };
  } catch (error) {
    lab.destroy();
    await prioritiser.leave();
    throw error;
  }
}

/** All four sessions are Up, and everybody has heard of the final pace. */
export async function allUp({ speaker, rival, far }: SideBySide): Promise<void> {
  await eventually("all sessions are up", () => far.peers().every(isAgreed) && rival.peers().every(isAgreed));
  for (const { intervalMs } of PACES) {
    await eventually("ours are agreed", async () => {
      const { state, detectionTimeMs } = await speaker.session(String(intervalMs));
      return state === "up" && detectionTimeMs === DETECT_MULT * intervalMs;
    });
  }
}

function isAgreed({ status, ...peer }: FrrPeer): boolean {
  return status === "up" && peer["remote-transmit-interval"] === peer["transmit-interval"];
}

/** Both candidates have declared every session Down. */
export async function allDown({ speaker, rival }: SideBySide): Promise<void> {
  await eventually("FRR's sessions are down", () => rival.peers().every(({ status }) => status !== "up"));
  for (const { intervalMs } of PACES) await speaker.inState("down", String(intervalMs));
}

export async function endSideBySide({ lab, speaker, prioritiser }: SideBySide): Promise<void> {
  await speaker.stop("SIGKILL");
  lab.destroy();
  await prioritiser.leave();
}

function frrPeer(remote: string, local: string, intervalMs: number): string {
  return ` peer ${remote} local-address ${local}\ntransmit-interval ${intervalMs}\nreceive-interval ${intervalMs}\ndetect-multiplier ${DETECT_MULT}\n !\n`;
}
