import { systemClock, type Clock, type Timer } from "@paddock/base/clock.ts";
import { systemRandom, type Random } from "@paddock/base/random.ts";
import { encodeBatches } from "@paddock/wire/batch.ts";
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
import { LinkSessions } from "./link-sessions.ts";
import type { BatchSource, ChainBacklog, LinkOutcome, LinkRefusal, OpenLink } from "./ports.ts";
import type { Liveness, PathConfig } from "../paths/path-config.ts";
import { ReceiptQueue } from "./receipt-queue.ts";
import { readLoad, receiptFault } from "./upload.ts";

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

const SWITCHES_KEPT = 20;

/** Runs the forwarding machine against real links and a real buffer: sends every batch until a receipt holds it. */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #settings: ForwardSettings;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #receipts: ReceiptQueue;
  readonly #sessions: LinkSessions;
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
    this.#sessions = new LinkSessions({
      openLink: options.openLink,
      tell: (event) => this.#dispatch(event),
      onBytes: (path, bytes) => this.#countBytes(path, bytes),
    });
    this.#configs = new Map(options.paths.map((path) => [path.name, path]));
    for (const { name } of options.paths) this.#counters.set(name, { batches: 0, records: 0, bytes: 0 });
    this.#state = initialForward(options.paths, {
      settings: this.#settings,
      enrols: options.enrolment !== undefined,
      usage: options.usage,
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
    this.#dispatch({ kind: "liveness", path, liveness, why, detectedInMs });
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

  /**
   * Asks the collector over the path that carries traffic what it wants this gateway to do: an encoded directive, or
   * undefined for nothing. Undefined instead of an outcome while no session is open there.
   */
  async directive(): Promise<LinkOutcome<Uint8Array | undefined> | undefined> {
    const { active } = this.status();
    const session = active === undefined ? undefined : this.#sessions.on(active);
    return session?.link.directive(session.signal);
  }

  status(): ForwarderStatus {
    this.#sessions.countBytes();
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
    this.#sessions.countBytes();
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
    for (const controller of this.#flights.values()) controller.abort();
    for (const path of this.#configs.keys()) this.#sessions.close(path);
    // Sessions count their last bytes as they end, which may set a timer.
    this.#wake?.cancel();
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
        return void this.#sessions.open(this.#configs.get(action.path)!, action.hurry);
      case "close":
        return this.#sessions.close(action.path);
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

  async #send(action: SendAction): Promise<void> {
    const controller = new AbortController();
    this.#flights.set(action.flight, controller);
    try {
      await this.#deliver(action, controller.signal);
    } finally {
      this.#flights.delete(action.flight);
      this.#sessions.countBytes();
    }
  }

  async #deliver(action: SendAction, signal: AbortSignal): Promise<void> {
    const { flight, path, lane, epoch } = action;
    const load = await readLoad(this.#options.source, action);
    if (!load.ok) return this.#dispatch({ kind: "unreadable", flight, detail: load.detail });
    const { first, last, bytes, records } = load.value;
    this.#dispatch({ kind: "read", flight, last, bytes, records });
    const session = this.#sessions.on(path);
    if (signal.aborted) return;
    if (session === undefined) {
      // Its session ended in order during the read, and the next one is not open yet.
      return this.#dispatch({ kind: "failed", flight, failure: "not-processed", detail: "the session was replaced" });
    }
    const outcome = await session.link.upload({ lane, epoch }, encodeBatches(load.value.batches), signal);
    const fault = outcome.ok ? receiptFault(outcome.value, load.value) : outcome;
    if (!outcome.ok || fault !== undefined) {
      return this.#dispatch({ kind: "failed", flight, ...refusalFields(fault) });
    }
    const counters = this.#counters.get(path)!;
    counters.batches += load.value.batches.length;
    counters.records += records;
    this.#receipts.add({ lane, epoch }, outcome.value, [[first, last]], (failure) => {
      this.#dispatch({ kind: "settled", flight, failure });
    });
    this.#dispatch({ kind: "delivered", flight });
  }

  async #query({ path, lane, epoch }: Extract<ForwardAction, { kind: "query" }>): Promise<void> {
    const session = this.#sessions.on(path);
    const outcome = await session?.link.receipt({ lane, epoch }, session.signal);
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
    const session = this.#sessions.on(path);
    const outcome =
      request === undefined
        ? { ok: false as const, reason: "refused" as const, detail: "this gateway has no enrolment request" }
        : await session?.link.enrol(request, session.signal);
    if (outcome?.ok === true) this.#dispatch({ kind: "enrolled", path, ...outcome.value });
    else this.#dispatch({ kind: "enrol-failed", path, ...refusalFields(outcome) });
  }

  #countBytes(path: string, bytes: number): void {
    this.#counters.get(path)!.bytes += bytes;
    this.addUsage(path, bytes);
  }
}

/** The fields of a failure event; undefined stands for a session that went away before it could be asked. */
function refusalFields(
  outcome: LinkRefusal | undefined,
): Pick<Extract<ForwardEvent, { kind: "failed" }>, "failure" | "detail" | "retryAfterMs"> {
  if (outcome === undefined) return { failure: "not-processed", detail: "the session was closed" };
  const { reason: failure, detail, retryAfterMs } = outcome;
  return { failure, detail, retryAfterMs };
}
