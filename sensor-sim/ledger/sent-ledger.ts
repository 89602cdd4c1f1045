import { hash } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { EXPECTED, type Expectation, type PlannedFrame } from "../plan/planned-frame.ts";
import type { SendOutcome, SentHeader, SentSummary } from "./sent-line.ts";

const FLUSH_CHARACTERS = 64 * 1024;

/**
 * Writes the sent ledger. Lines are made by hand and written in large pieces: at 20,000 frames a second the ledger
 * must not be what the run measures.
 */
export class SentLedger {
  readonly #file: number;
  #pending = "";
  #frames = 0;
  #wrongAnswers = 0;
  #unanswered = 0;
  readonly #outcomes: Record<string, number> = {};
  readonly #kinds: Record<string, number> = {};

  /** `path` is replaced when it exists. Throws USAGE when it cannot be written. */
  constructor(path: string, header: SentHeader) {
    try {
      this.#file = openSync(path, "w");
    } catch (error) {
      throw new PaddockError("USAGE", `--out ${path} cannot be written: ${messageOf(error)}.`, { cause: error });
    }
    this.#pending = `${JSON.stringify(header)}\n`;
    this.flush();
  }

  endpoint(endpoint: string): void {
    this.#pending += `{"endpoint":"${endpoint}"}\n`;
  }

  /**
   * `source` is what the log has to name: a keyed sensor's id, or an endpoint. Ids, kinds and outcomes need no JSON
   * escapes: the scenario's schema sees to it.
   */
  frame(planned: PlannedFrame, source: string, sent: SentFate): void {
    const { atMs, outcome, code, attempts } = sent;
    const expect = expectationOf(planned, outcome);
    this.#frames++;
    this.#outcomes[outcome] = (this.#outcomes[outcome] ?? 0) + 1;
    this.#kinds[planned.kind] = (this.#kinds[planned.kind] ?? 0) + 1;
    if (isWrongAnswer(planned, outcome, code)) this.#wrongAnswers++;
    if (EXPECTED[planned.kind] === "stored" && WITHOUT_ANSWER.has(outcome)) this.#unanswered++;
    this.#pending +=
      `{"n":${planned.n},"sensor":"${planned.sensor}","lane":"${planned.lane}","source":"${source}","format":${planned.format},"sha256":"${hash("sha256", planned.frame)}",` +
      `"atMs":${atMs},"kind":"${planned.kind}","expect":"${expect}","outcome":"${outcome}",` +
      `${code === undefined ? "" : `"code":"${code}",`}"attempts":${attempts}}\n`;
    if (this.#pending.length >= FLUSH_CHARACTERS) this.flush();
  }

  flush(): void {
    if (this.#pending !== "") writeSync(this.#file, this.#pending);
    this.#pending = "";
  }

  /** Writes the summary, which says that the ledger is whole. */
  close(run: { datagrams: number; seconds: number; behindMaxMs: number }): SentSummary["summary"] {
    const summary = {
      frames: this.#frames,
      ...run,
      outcomes: this.#outcomes,
      kinds: this.#kinds,
      wrongAnswers: this.#wrongAnswers,
      unanswered: this.#unanswered,
    };
    this.#pending += `${JSON.stringify({ summary })}\n`;
    this.flush();
    closeSync(this.#file);
    return summary;
  }
}

/** How a frame fared at its sensor. */
export interface SentFate {
  /** Unix ms at which the first datagram left. */
  readonly atMs: number;
  readonly outcome: SendOutcome;
  /** The last error code, such as 4.00. */
  readonly code: string | undefined;
  /** Datagrams that left for this frame. */
  readonly attempts: number;
}

/** Outcomes of a sensor that waited for an answer in vain; `sent` wanted none. */
const WITHOUT_ANSWER: ReadonlySet<SendOutcome> = new Set([
  "timed-out",
  "unanswered",
  "reset",
  "abandoned",
  "unfinished",
]);

/** What has to be found in the log, now that the sensor knows how its frame fared. */
function expectationOf(planned: PlannedFrame, outcome: SendOutcome): Expectation {
  const expected = EXPECTED[planned.kind];
  if (expected !== "stored") return expected;
  if (outcome === "acknowledged") return "stored";
  return outcome === "refused" ? "refused" : "maybe";
}

function isWrongAnswer(planned: PlannedFrame, outcome: SendOutcome, code: string | undefined): boolean {
  const expected = EXPECTED[planned.kind];
  if (expected === "refused") return outcome === "acknowledged";
  return expected === "stored" && outcome === "refused" && !isPressure(code);
}

/** Whether a code asks the sensor to come back later, which is no fault. */
export function isPressure(code: string | undefined): boolean {
  return code === "4.29" || code === "5.03";
}
