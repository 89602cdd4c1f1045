import { systemClock, type Clock, type Timer } from "@paddock/base/clock.ts";
import { messageOf } from "@paddock/base/errors.ts";
import { systemRandom, type Random } from "@paddock/base/random.ts";
import { formatRanges, intersect, subtract, type Ranges } from "@paddock/base/ranges.ts";
import { decodeHeader } from "@paddock/wire/batch-header.ts";
import { encodeBatches, encodedBatchSize, type EncodedBatch } from "@paddock/wire/batch.ts";
import { UPLOAD_BATCHES_MAX } from "@paddock/wire/limits.ts";
import type { PathUsage } from "../paths/metered-budget.ts";
import { advanceForward } from "./forward-policy.ts";
import {
  FORWARD_SETTINGS,
  initialForward,
  type ForwardAction,
  type ForwardEvent,
  type ForwardInput,
  type ForwardReport,
  type ForwardSettings,
  type ForwardState,
} from "./forward-state.ts";
import { statusOf, type ForwarderStatus, type PathCounters } from "./forwarder-status.ts";
import type { BatchSource, ChainBacklog, CollectorLink, OpenLink } from "./ports.ts";
import type { Liveness, PathConfig } from "../paths/path-config.ts";
import { ReceiptQueue } from "./receipt-queue.ts";

export interface ForwarderOptions {
  readonly source: BatchSource;
  /** At least one; names are unique. */
  readonly paths: readonly PathConfig[];
  readonly openLink: OpenLink;
  readonly settings?: Partial<ForwardSettings>;
  /** A freshly signed enrolment request (wire/enrolment.ts). Without it the collector has to know the gateway already. */
  readonly enrolment?: () => Uint8Array;
  readonly onEvent?: (report: ForwardReport) => void;
  /** Bytes that metered paths had used before, as `usage()` returned them. */
  readonly usage?: Readonly<Record<string, PathUsage>>;
  readonly clock?: Clock;
  readonly random?: Random;
}

type SendAction = Extract<ForwardAction, { kind: "send" }>;

interface Session {
  readonly path: string;
  readonly controller: AbortController;
  link: CollectorLink | undefined;
  bytesCounted: number;
}

const SWITCHES_KEPT = 20;

/** Runs the forwarding machine against real links and a real buffer: sends every batch until a receipt holds it. */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #settings: ForwardSettings;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #receipts: ReceiptQueue;
  readonly #sessions = new Map<string, Session>();
  /** Sessions that a successor has replaced, while they have answers to come. */
  readonly #retired = new Set<Session>();
  readonly #flights = new Map<number, AbortController>();
  readonly #configs: Map<string, PathConfig>;
  readonly #counters = new Map<string, PathCounters>();
  readonly #switches: ForwarderStatus["switches"][number][] = [];
  readonly #events: ForwardEvent[] = [];
  #state: ForwardState;
  #dispatching = false;
  #wake: Timer | undefined;
  #stopped: (() => void) | undefined;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#settings = { ...FORWARD_SETTINGS, ...options.settings };
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#receipts = new ReceiptQueue(options.source);
    this.#configs = new Map(options.paths.map((path) => [path.name, path]));
    for (const { name } of options.paths) this.#counters.set(name, { batches: 0, records: 0, bytes: 0 });
    this.#state = initialForward(options.paths, {
      settings: this.#settings,
      enrols: options.enrolment !== undefined,
      ...(options.usage === undefined ? {} : { usage: options.usage }),
    });
  }

  /** Opens the sessions and begins to send. */
  start(): void {
    this.#options.source.onSealed((lane, epoch, seq) => this.#dispatch({ kind: "sealed", lane, epoch, seq }));
    this.#dispatch({ kind: "start" });
  }

  /** What a path's watcher found; `detectedInMs` is how long after the failure, as it measured. Unknown names are ignored. */
  setLiveness(path: string, liveness: Liveness, detail: { why?: string; detectedInMs?: number } = {}): void {
    const { why = "its watcher says so", detectedInMs } = detail;
    this.#dispatch({ kind: "liveness", path, liveness, why, ...(detectedInMs === undefined ? {} : { detectedInMs }) });
  }

  /** What a path is configured as now. Throws RangeError for an unknown name. */
  pathConfig(name: string): PathConfig {
    const config = this.#configs.get(name);
    if (config === undefined) throw new RangeError(`no path is named ${name}`);
    return config;
  }

  /** Takes a changed configuration of a known path, for example a new source address, and opens its session anew. */
  updatePath(config: PathConfig): void {
    this.pathConfig(config.name);
    this.#configs.set(config.name, config);
    this.#dispatch({ kind: "configured", config });
  }

  /** The share of the packets of its watcher that a path lost in the last minute, 0 to 1. Unknown names are ignored. */
  setLoss(path: string, share: number): void {
    this.#dispatch({ kind: "loss", path, share });
  }

  /** Counts bytes that its watcher sent and received over a path against the budget of a metered one. */
  addUsage(path: string, bytes: number): void {
    if (this.#configs.get(path)?.metered !== undefined) this.#dispatch({ kind: "used", path, bytes });
  }

  status(): ForwarderStatus {
    this.#countBytes();
    return statusOf(
      this.#state,
      this.#options.source.backlog(),
      this.#counters,
      this.#switches,
      this.#now(),
      this.#settings,
    );
  }

  /** What metered paths have used in their billing month, to be kept over a restart. */
  usage(): Record<string, PathUsage> {
    this.#countBytes();
    const metered = this.#state.paths.paths.filter((path) => path.config.metered !== undefined);
    return Object.fromEntries(metered.map((path) => [path.config.name, path.usage]));
  }

  /** Starts nothing new, waits for what is in flight up to `limitMs`, then closes every session. */
  async stop(limitMs = 5000): Promise<void> {
    this.#dispatch({ kind: "stop" });
    if (this.#state.flights.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = this.#clock.after(limitMs, resolve);
        this.#stopped = () => {
          timer.cancel();
          resolve();
        };
      });
    }
    this.#countBytes();
    this.#wake?.cancel();
    for (const controller of this.#flights.values()) controller.abort();
    for (const path of this.#configs.keys()) this.#close(path);
    await this.#receipts.idle();
  }

  #now(): { nowMs: number; wallMs: number } {
    return { nowMs: this.#clock.monotonicUs() / 1000, wallMs: this.#clock.wallMs() };
  }

  /** One event after the other, also when an action brings the next at once. */
  #dispatch(event: ForwardEvent): void {
    this.#events.push(event);
    if (this.#dispatching) return;
    this.#dispatching = true;
    for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
      const { state, actions } = advanceForward(this.#state, next, this.#input());
      this.#state = state;
      for (const action of actions) this.#perform(action);
    }
    this.#dispatching = false;
    if (this.#state.stopping && this.#state.flights.size === 0) this.#stopped?.();
  }

  #input(): ForwardInput {
    let backlog: readonly ChainBacklog[] | undefined;
    return {
      ...this.#now(),
      backlog: () => (backlog ??= this.#options.source.backlog()),
      random: this.#random,
      settings: this.#settings,
    };
  }

  #perform(action: ForwardAction): void {
    switch (action.kind) {
      case "open":
        return void this.#open(action.path, action.hurry);
      case "close":
        return this.#close(action.path);
      case "send":
        return void this.#send(action);
      case "abort":
        return this.#flights.get(action.flight)?.abort();
      case "query":
        return void this.#query(action);
      case "enrol":
        return void this.#enrol(action.path);
      case "wake":
        return this.#wakeAt(action.atMs);
      case "report":
        if (action.report.event === "path-switch") {
          this.#switches.unshift({ ...action.report, wallMs: this.#clock.wallMs() });
          this.#switches.splice(SWITCHES_KEPT);
        }
        return this.#options.onEvent?.(action.report);
    }
  }

  #wakeAt(atMs: number | undefined): void {
    this.#wake?.cancel();
    this.#wake = undefined;
    if (atMs === undefined) return;
    const delayMs = Math.max(0, Math.ceil(atMs - this.#now().nowMs));
    this.#wake = this.#clock.after(Math.min(delayMs, 2 ** 31 - 1), () => {
      if (this.#now().nowMs < atMs) this.#wakeAt(atMs);
      else this.#dispatch({ kind: "tick" });
    });
  }

  async #open(path: string, hurry: boolean): Promise<void> {
    const session: Session = { path, controller: new AbortController(), link: undefined, bytesCounted: 0 };
    const before = this.#sessions.get(path);
    if (before !== undefined) this.#retired.add(before);
    this.#sessions.set(path, session);
    const outcome = await this.#options.openLink(this.#configs.get(path)!, session.controller.signal, hurry);
    if (this.#sessions.get(path) !== session) {
      if (outcome.ok) outcome.value.link.close();
      return;
    }
    if (!outcome.ok) {
      this.#sessions.delete(path);
      this.#dispatch({ kind: "open-failed", path, failure: outcome.reason, detail: outcome.detail });
      return;
    }
    const { link, handshakeMs } = outcome.value;
    session.link = link;
    this.#dispatch({ kind: "opened", path, handshakeMs });
    link.onRetiring((detail) => {
      if (this.#sessions.get(path) === session) this.#dispatch({ kind: "retiring", path, detail });
    });
    link.onClosed((detail) => {
      this.#countBytes();
      this.#retired.delete(session);
      if (this.#sessions.get(path) !== session) return;
      this.#sessions.delete(path);
      this.#dispatch({ kind: "closed", path, detail });
    });
  }

  #close(path: string): void {
    this.#countBytes();
    const retired = [...this.#retired].filter((session) => session.path === path);
    const current = this.#sessions.get(path);
    this.#sessions.delete(path);
    for (const session of current === undefined ? retired : [current, ...retired]) {
      this.#retired.delete(session);
      session.controller.abort();
      session.link?.close();
    }
  }

  async #send(action: SendAction): Promise<void> {
    const controller = new AbortController();
    this.#flights.set(action.flight, controller);
    try {
      await this.#deliver(action, controller.signal);
    } finally {
      this.#flights.delete(action.flight);
      this.#countBytes();
    }
  }

  async #deliver(action: SendAction, signal: AbortSignal): Promise<void> {
    const { flight, path, lane, epoch, first } = action;
    const unreadable = (detail: string) => this.#dispatch({ kind: "unreadable", flight, detail });
    let batches: readonly EncodedBatch[];
    try {
      const end = Math.min(action.last, first + UPLOAD_BATCHES_MAX - 1);
      batches = await this.#options.source.read({ lane, epoch }, first, end, action.maxBytes);
    } catch (error) {
      return unreadable(messageOf(error));
    }
    if (signal.aborted) return;
    const load = measure(batches, first);
    if (typeof load === "string") return unreadable(load);
    const last = first + batches.length - 1;
    const { whole, ...size } = load;
    this.#dispatch({ kind: "read", flight, last, ...size });
    const link = this.#sessions.get(path)?.link;
    if (signal.aborted) return;
    if (link === undefined) {
      // Its session ended in order during the read, and the next one is not open yet.
      return this.#dispatch({ kind: "failed", flight, failure: "not-processed", detail: "the session was replaced" });
    }
    const outcome = await link.upload({ lane, epoch }, encodeBatches(batches), signal);
    if (!outcome.ok) {
      const { reason: failure, detail, retryAfterMs } = outcome;
      return this.#dispatch({
        kind: "failed",
        flight,
        failure,
        detail,
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      });
    }
    const { held, bare } = outcome.value.receipt;
    const missing = subtract([[first, last]], held);
    if (missing.length > 0) {
      const detail = `the receipt for seq ${first} to ${last} does not name ${missing[0]![0]}`;
      return this.#dispatch({ kind: "failed", flight, failure: "refused", detail });
    }
    const stripped = intersect(bare, whole);
    if (stripped.length > 0) {
      const detail = `the payload of seq ${formatRanges(stripped)} was sent and did not reach the collector`;
      return this.#dispatch({ kind: "failed", flight, failure: "stripped", detail });
    }
    const counters = this.#counters.get(path)!;
    counters.batches += batches.length;
    counters.records += load.records;
    this.#receipts.add({ lane, epoch }, outcome.value, [[first, last]], (failure) => {
      this.#dispatch({ kind: "settled", flight, ...(failure === undefined ? {} : { failure }) });
    });
    this.#dispatch({ kind: "delivered", flight });
  }

  async #query({ path, lane, epoch }: Extract<ForwardAction, { kind: "query" }>): Promise<void> {
    const session = this.#sessions.get(path);
    const outcome = await session?.link?.receipt({ lane, epoch }, session.controller.signal);
    if (outcome?.ok === true) {
      this.#receipts.add({ lane, epoch }, outcome.value, [], (failure) => {
        if (failure === undefined) this.#dispatch({ kind: "answered", path, lane, epoch });
        else this.#dispatch({ kind: "query-failed", path, lane, epoch, failure: "refused", detail: failure });
      });
      return;
    }
    this.#dispatch({ kind: "query-failed", path, lane, epoch, ...refusalFields(outcome) });
  }

  async #enrol(path: string): Promise<void> {
    const request = this.#options.enrolment?.();
    const session = this.#sessions.get(path);
    const outcome =
      request === undefined
        ? { ok: false as const, reason: "refused" as const, detail: "this gateway has no enrolment request" }
        : await session?.link?.enrol(request, session.controller.signal);
    if (outcome?.ok === true) this.#dispatch({ kind: "enrolled", path, ...outcome.value });
    else this.#dispatch({ kind: "enrol-failed", path, ...refusalFields(outcome) });
  }

  #countBytes(): void {
    for (const session of [...this.#sessions.values(), ...this.#retired]) {
      const { path } = session;
      if (session.link === undefined) continue;
      const used = session.link.bytesUsed();
      const bytes = used - session.bytesCounted;
      if (bytes <= 0) continue;
      session.bytesCounted = used;
      this.#counters.get(path)!.bytes += bytes;
      this.addUsage(path, bytes);
    }
  }
}

type Failed = Extract<Awaited<ReturnType<CollectorLink["upload"]>>, { ok: false }>;

/** The fields of a failure event; undefined stands for a session that went away before it could be asked. */
function refusalFields(
  outcome: Failed | undefined,
): Pick<Extract<ForwardEvent, { kind: "failed" }>, "failure" | "detail" | "retryAfterMs"> {
  if (outcome === undefined) return { failure: "not-processed", detail: "the session was closed" };
  const { reason: failure, detail, retryAfterMs } = outcome;
  return { failure, detail, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

interface Load {
  readonly bytes: number;
  readonly records: number;
  /** Seqs that go out with their payload. */
  readonly whole: Ranges;
}

/** Bytes, records and seqs with a payload of batches that must begin at `first` and follow each other; a sentence when they do not. */
function measure(batches: readonly EncodedBatch[], first: number): Load | string {
  if (batches.length === 0) return `nothing is stored at seq ${first}`;
  let bytes = 0;
  let records = 0;
  const whole: [number, number][] = [];
  for (const [index, batch] of batches.entries()) {
    const header = decodeHeader(batch.header);
    if (!header.ok) return `seq ${first + index}: ${header.detail}`;
    const { seq, count } = header.value.position;
    if (seq !== first + index) return `seq ${seq} was read in the place of ${first + index}`;
    bytes += encodedBatchSize(batch);
    records += count;
    if (batch.payload === null) continue;
    const tail = whole.at(-1);
    if (tail?.[1] === seq - 1) tail[1] = seq;
    else whole.push([seq, seq]);
  }
  return { bytes, records, whole };
}
