import type { Clock } from "@paddock/base/clock.ts";
import type { ForwardReport } from "@paddock/uplink/forward/forward-state.ts";

/** One thing that happened to a path. */
export interface PathTransition {
  /** Unix ms. */
  readonly wallMs: number;
  readonly what: "up" | "down" | "unknown" | "carries traffic" | "left" | "session lost";
  readonly why: string;
  /** From the failure to its discovery, as its watcher measured it; null where none did. */
  readonly detectedInMs: number | null;
  /** What was in flight on a path that was left; null where nothing was left. */
  readonly framesResent: number | null;
}

const KEPT = 5;

/** The last things that happened to each path, for whoever asks afterwards. */
export class PathHistory {
  readonly #clock: Pick<Clock, "wallMs">;
  readonly #paths = new Map<string, PathTransition[]>();

  constructor(clock: Pick<Clock, "wallMs">) {
    this.#clock = clock;
  }

  /** Newest first. */
  of(path: string): readonly PathTransition[] {
    return this.#paths.get(path) ?? [];
  }

  /** What was found about a path. */
  noteLiveness(
    path: string,
    liveness: "up" | "down" | "unknown",
    detail: { why?: string; detectedInMs?: number },
  ): void {
    this.#note(path, liveness, detail.why ?? "", detail.detectedInMs);
  }

  /** Takes what it needs of a report of the forwarder. */
  noteReport(report: ForwardReport): void {
    if (report.event === "session-lost") this.#note(report.path, "session lost", report.detail);
    if (report.event !== "path-switch") return;
    const { from, to, why, detectedInMs, framesResent } = report;
    if (from !== undefined) this.#note(from, "left", why, detectedInMs, framesResent);
    if (to !== undefined) this.#note(to, "carries traffic", why);
  }

  #note(path: string, what: PathTransition["what"], why: string, detectedInMs?: number, framesResent?: number): void {
    const wallMs = this.#clock.wallMs();
    const noted = { wallMs, what, why, detectedInMs: detectedInMs ?? null, framesResent: framesResent ?? null };
    this.#paths.set(path, [noted, ...this.of(path)].slice(0, KEPT));
  }
}
