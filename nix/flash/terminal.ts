import { createInterface } from "node:readline/promises";
import type { Disk } from "./block-devices.ts";
import { usage } from "./options.ts";
import type { Progress } from "./write-image.ts";

/** What a person sees and is asked. Everything goes to standard error: standard output is for results. */

const STEP_WORDS = { check: "checked", write: "written", "read-back": "read back", compare: "compared" } as const;
export type Step = keyof typeof STEP_WORDS;
const REDRAW_MS = 500;

/** A line that is drawn over itself twice a second; silent where nobody looks at a terminal. */
export function progressLine(step: Step, nowMs: () => number = () => performance.now()): Progress {
  const startMs = nowMs();
  let drawnMs = Number.NEGATIVE_INFINITY;
  return (done, all) => {
    const now = nowMs();
    if (!process.stderr.isTTY || (now - drawnMs < REDRAW_MS && done < all)) return;
    drawnMs = now;
    process.stderr.write(`\r${progressText(step, done, all, now - startMs)}\u001B[K${done === all ? "\n" : ""}`);
  };
}

export function progressText(step: Step, done: number, all: number, ms: number): string {
  const share = all === 0 ? 100 : Math.floor((100 * done) / all);
  const speed = ms <= 0 ? "" : `, ${megabytes((done / ms) * 1000)}/s`;
  return `${STEP_WORDS[step]} ${share} % (${megabytes(done)} of ${megabytes(all)}${speed})`;
}

export function megabytes(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

export function diskLine(disk: Disk): string {
  const what = [megabytes(disk.bytes), disk.transport, disk.model, disk.serial]
    .filter((part) => part !== "")
    .join("  ");
  return `${disk.path}  ${what}${disk.refusal === undefined ? "" : `  (no: ${disk.refusal})`}`;
}

/** Whether a person says yes. Throws USAGE where nobody can be asked. */
export async function confirm(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw usage("Nobody can be asked here; say --yes when you are sure.");
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/iu.test((await lines.question(`${question} [y/N] `)).trim());
  } finally {
    lines.close();
  }
}
