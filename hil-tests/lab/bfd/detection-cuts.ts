import { Capture } from "../capture.ts";
import { join } from "node:path";
import { MachineStalls } from "./machine-stalls.ts";
import type { Priority } from "./priority.ts";
import { allDown, allUp, buildSideBySide, CANDIDATES, DETECT_MULT, endSideBySide, PACES } from "./side-by-side.ts";

/** What one candidate did at one pace, judged on the wire: from the last packet in to the first Down out. */
export interface Detections {
  readonly speaker: (typeof CANDIDATES)[number]["name"];
  readonly intervalMs: number;
  /** Detection time in force. */
  readonly detectionTimeMs: number;
  /** Beyond that time, one a cut, ascending. */
  readonly overMs: readonly number[];
  /** The same without the time in which the machine itself stood still. */
  readonly overLessStallsMs: readonly number[];
  /** Downs with another diagnostic than "detection time expired": the far end spoke first. */
  readonly told: number;
}

export interface DetectionReport {
  readonly priority: string;
  readonly detections: readonly Detections[];
  readonly machineWorstStallMs: number;
  readonly ourWorstStallMs: number;
}

/** In the far end's packet filter, so that the candidates' links stay up and their Down can be seen on the wire. */
const CUTS = [
  // One direction: the far end still hears the candidates.
  "chain out { type filter hook output priority 0; udp dport 3784 drop; };",
  // Both, as a cable pulled behind a switch.
  `chain out { type filter hook output priority 0; udp dport 3784 drop; };
   chain in { type filter hook input priority 0; udp dport 3784 drop; };`,
];

/** Cuts both candidates off at once, so many times, by turns in one direction and in both, and measures how long each takes to see it. */
export async function measureDetection(options: { cuts: number; priority: Priority }): Promise<DetectionReport> {
  const side = await buildSideBySide(options.priority);
  const machine = await MachineStalls.start();
  try {
    const captures = [
      await Capture.start(side.us, "d0", "udp port 3784", join(side.lab.directory, "us.pcapng")),
      await Capture.start(side.other, "e0", "udp port 3784", join(side.lab.directory, "other.pcapng")),
    ];
    for (let index = 0; index < options.cuts; index++) {
      await allUp(side);
      // At any moment between two packets of the slower pace.
      await pause(200 + Math.random() * PACES.at(-1)!.intervalMs);
      side.peer.filter(`table inet cut { ${CUTS[index % CUTS.length]} }`);
      // Undisturbed by our own questions.
      await pause(DETECT_MULT * PACES.at(-1)!.intervalMs);
      await allDown(side);
      side.peer.filter("");
    }
    const { stalls } = await side.speaker.report();
    const detections: Detections[] = [];
    for (const [index, { name, prefix }] of CANDIDATES.entries()) {
      const rows = await captures[index]!.finish(["frame.time_epoch", "ipv6.src", "ipv6.dst", "bfd.sta", "bfd.diag"]);
      for (const { intervalMs, suffix } of PACES) {
        detections.push({ speaker: name, intervalMs, ...judge(rows, `${prefix}${suffix}`, intervalMs, machine) });
      }
    }
    return {
      priority: side.prioritiser.words,
      detections,
      machineWorstStallMs: machine.worstMs,
      ourWorstStallMs: stalls.worstMs,
    };
  } finally {
    machine.stop();
    await endSideBySide(side);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

const UP = 3;
const DOWN = 1;
const DETECTION_EXPIRED = 1;

function judge(rows: readonly string[][], self: string, intervalMs: number, machine: MachineStalls) {
  const detectionTimeMs = DETECT_MULT * intervalMs;
  const overMs: number[] = [];
  const overLessStallsMs: number[] = [];
  let told = 0;
  let lastInMs = 0;
  let wasUp = false;
  for (const [epoch, source, destination, state, diagnostic] of rows) {
    const atMs = Number(epoch) * 1000;
    if (destination === self) lastInMs = atMs;
    if (source !== self) continue;
    if (wasUp && Number(state) === DOWN) {
      if (Number(diagnostic) === DETECTION_EXPIRED) {
        const dueMs = lastInMs + detectionTimeMs;
        overMs.push(atMs - dueMs);
        overLessStallsMs.push(atMs - dueMs - machine.between(dueMs, atMs));
      } else told++;
    }
    wasUp = Number(state) === UP;
  }
  return {
    detectionTimeMs,
    overMs: overMs.toSorted(byValue),
    overLessStallsMs: overLessStallsMs.toSorted(byValue),
    told,
  };
}

function byValue(a: number, b: number): number {
  return a - b;
}

/** Median, 99th percentile and worst, as people read them; `ascending` must be in order. */
export function spread(ascending: readonly number[]): string {
  const at = (share: number): string => ascending[Math.ceil(ascending.length * share) - 1]?.toFixed(2) ?? "-";
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, worst ${at(1)} ms`;
}
