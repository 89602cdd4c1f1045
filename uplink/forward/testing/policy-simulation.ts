import { intersect, subtract, union, countOf, type Ranges } from "@paddock/base/ranges.ts";
import { seededRandom, type Random } from "@paddock/base/random.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import { advanceForward } from "../forward-policy.ts";
import {
  chainNumber,
  FORWARD_SETTINGS,
  initialForward,
  type ForwardAction,
  type ForwardEvent,
  type ForwardReport,
  type ForwardSettings,
  type ForwardState,
} from "../forward-state.ts";
import type { ChainBacklog, ChainName, EnrolmentState, LinkFailure } from "../ports.ts";
import type { Liveness, PathConfig } from "../../paths/path-config.ts";

interface SimulatedPath {
  /** `hole` swallows everything without a word, `mute` everything but handshakes. */
  condition: "works" | "cut" | "hole" | "mute";
  delayMs: number;
  /** Counts sessions, so that what belongs to an old one is recognised. */
  session: number;
  /** Sessions up to this one have ended; an older one that a successor replaced may still have answers to come. */
  ended: number;
  open: boolean;
}

interface SimulatedChain extends ChainName {
  sealed: number;
  acknowledged: Ranges;
  /** What the collector holds. */
  kept: Ranges;
}

interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

const BATCH_BYTES = 4000;
const BATCH_RECORDS = 10;

/**
 * The forwarding machine in a simulated world of paths and a collector, in virtual time: every action is performed as
 * the real shell would, with delays, losses and refusals from a seed, and the bounds in flight are checked at each step.
 */
export class PolicySimulation {
  nowMs = 0;
  state: ForwardState;
  readonly settings: ForwardSettings;
  readonly random: Random;
  readonly reports: (ForwardReport & { readonly atMs: number })[] = [];
  readonly actions: (ForwardAction & { readonly atMs: number })[] = [];
  readonly paths = new Map<string, SimulatedPath>();
  /** What the collector answers instead of a receipt. */
  refusal: (chain: ChainName, path: string) => { failure: LinkFailure; retryAfterMs?: number } | undefined = () =>
    undefined;
  /** Batches that the disk does not give back. */
  unreadable: (chain: ChainName, seq: number) => boolean = () => false;
  enrolment: EnrolmentState = "approved";
  /** Batches that the collector got more than once. */
  repeated = 0;
  readonly #chains = new Map<number, SimulatedChain>();
  /** Flights that the collector never looks at. */
  readonly #unprocessed = new Set<number>();
  #due: Due[] = [];
  #order = 0;
  #wakeAtMs: number | undefined;

  constructor(
    configs: readonly PathConfig[],
    options: { seed?: number; settings?: Partial<ForwardSettings>; enrols?: boolean } = {},
  ) {
    this.settings = { ...FORWARD_SETTINGS, ...options.settings };
    this.random = seededRandom(options.seed ?? 1);
    this.state = initialForward(configs, { settings: this.settings, enrols: options.enrols ?? false });
    for (const { name } of configs)
      this.paths.set(name, { condition: "works", delayMs: 10, session: 0, ended: 0, open: false });
  }

  start(): this {
    return this.tell({ kind: "start" });
  }

  chain(lane: Lane, epoch = 0): SimulatedChain {
    const key = chainNumber({ lane, epoch });
    let chain = this.#chains.get(key);
    if (chain === undefined) this.#chains.set(key, (chain = { lane, epoch, sealed: 0, acknowledged: [], kept: [] }));
    return chain;
  }

  /** Adds batches that were there before the start. */
  store(lane: Lane, batches: number): this {
    this.chain(lane).sealed += batches;
    return this;
  }

  seal(lane: Lane, epoch = 0): this {
    const seq = this.chain(lane, epoch).sealed++;
    return this.tell({ kind: "sealed", lane, epoch, seq });
  }

  /** Batches without a receipt, of one lane or all. */
  pending(lane?: Lane): number {
    const chains = this.#backlog().filter((chain) => lane === undefined || chain.lane === lane);
    return chains.reduce((sum, chain) => sum + countOf(chain.pending), 0);
  }

  /** The path stops working; with a notice the machine learns of it as from a reset connection. */
  cut(path: string, condition: "cut" | "hole" | "mute"): void {
    const simulated = this.paths.get(path)!;
    simulated.condition = condition;
    if (condition === "cut" && simulated.open) this.#lose(path, "read ECONNRESET");
  }

  /** The collector ends the session in order: it answers what it has, but for the newest `unprocessed` requests. */
  goAway(name: string, unprocessed = 0): this {
    this.tell({ kind: "retiring", path: name, detail: "GOAWAY 0" });
    const flights = [...this.state.flights.values()].filter(({ path, stage }) => path === name && stage === "sent");
    for (const { id } of unprocessed === 0 ? [] : flights.slice(-unprocessed)) {
      this.#unprocessed.add(id);
      this.tell({ kind: "failed", flight: id, failure: "not-processed", detail: "GOAWAY 0" });
    }
    return this;
  }

  /** The collector ends an idle session in order: nothing is left to answer on it, so that it is gone at once. */
  goAwayIdle(name: string): this {
    const path = this.paths.get(name)!;
    const { session } = path;
    this.goAway(name);
    this.#after(0.1, () => {
      // A successor that is being opened has taken its place.
      if (path.session !== session) return;
      path.open = false;
      this.tell({ kind: "closed", path: name, detail: "GOAWAY 0" });
    });
    return this;
  }

  liveness(path: string, liveness: Liveness): this {
    return this.tell({ kind: "liveness", path, liveness, why: "told" });
  }

  tell(event: ForwardEvent): this {
    const step = advanceForward(this.state, event, {
      nowMs: this.nowMs,
      wallMs: 1_750_000_000_000 + this.nowMs,
      backlog: () => this.#backlog(),
      random: this.random,
      settings: this.settings,
    });
    this.state = step.state;
    for (const action of step.actions) this.#perform(action);
    this.#checkBounds();
    return this;
  }

  /** Lets time pass. */
  pass(ms: number): this {
    const endMs = this.nowMs + ms;
    for (;;) {
      const next = this.#next(endMs);
      const wakeAtMs = this.#wakeAtMs ?? Number.POSITIVE_INFINITY;
      if (next === undefined && wakeAtMs > endMs) break;
      if (next === undefined || wakeAtMs < next.atMs) {
        this.nowMs = Math.max(this.nowMs, wakeAtMs);
        this.#wakeAtMs = undefined;
        this.tell({ kind: "tick" });
      } else {
        this.#due = this.#due.filter((due) => due !== next);
        this.nowMs = Math.max(this.nowMs, next.atMs);
        next.run();
      }
    }
    this.nowMs = endMs;
    return this;
  }

  #next(endMs: number): Due | undefined {
    let best: Due | undefined;
    for (const due of this.#due) {
      if (due.atMs > endMs) continue;
      if (best === undefined || due.atMs < best.atMs || (due.atMs === best.atMs && due.order < best.order)) best = due;
    }
    return best;
  }

  #after(ms: number, run: () => void): void {
    this.#due.push({ atMs: this.nowMs + ms, order: this.#order++, run });
  }

  #backlog(): ChainBacklog[] {
    return [...this.#chains.values()].map((chain) => {
      const all: Ranges = chain.sealed === 0 ? [] : [[0, chain.sealed - 1]];
      const pending = subtract(all, chain.acknowledged);
      const count = countOf(pending);
      return {
        lane: chain.lane,
        epoch: chain.epoch,
        pending,
        bytes: count * BATCH_BYTES,
        records: count * BATCH_RECORDS,
      };
    });
  }

  #perform(action: ForwardAction): void {
    this.actions.push({ ...action, atMs: this.nowMs });
    switch (action.kind) {
      case "open":
        return this.#open(action.path);
      case "close": {
        const path = this.paths.get(action.path)!;
        path.ended = path.session++;
        path.open = false;
        return;
      }
      case "send":
        return this.#send(action);
      case "query":
        return this.#exchange(
          action.path,
          () => {
            const refusal = this.refusal(action, action.path);
            if (refusal !== undefined)
              return this.tell({ ...action, kind: "query-failed", detail: "told", ...refusal });
            this.#acknowledge(action);
            return this.tell({ ...action, kind: "answered" });
          },
          (detail) => this.tell({ ...action, kind: "query-failed", failure: "unreachable", detail }),
        );
      case "enrol":
        return this.#exchange(
          action.path,
          () => this.tell({ kind: "enrolled", path: action.path, state: this.enrolment, claimNotTaken: false }),
          (detail) => this.tell({ kind: "enrol-failed", path: action.path, failure: "unreachable", detail }),
        );
      case "wake":
        this.#wakeAtMs = action.atMs;
        return;
      case "report":
        this.reports.push({ ...action.report, atMs: this.nowMs });
        return;
      case "abort":
        return;
    }
  }

  #open(name: string): void {
    const path = this.paths.get(name)!;
    const session = ++path.session;
    const tookMs = path.condition === "hole" ? 10_000 : path.delayMs * 2;
    this.#after(tookMs, () => {
      if (path.session !== session) return;
      if (path.condition !== "works" && path.condition !== "mute") {
        this.tell({ kind: "open-failed", path: name, failure: "unreachable", detail: "no answer" });
        return;
      }
      path.open = true;
      this.tell({ kind: "opened", path: name, handshakeMs: tookMs });
    });
  }

  #send(action: Extract<ForwardAction, { kind: "send" }>): void {
    const chain = this.chain(action.lane, action.epoch);
    const fits = Math.max(1, Math.floor(action.maxBytes / BATCH_BYTES));
    let last = Math.min(action.last, action.first + fits - 1);
    for (let seq = action.first; seq <= last; seq++) if (this.unreadable(action, seq)) last = seq - 1;
    if (last < action.first) {
      this.#after(0.2, () => this.tell({ kind: "unreadable", flight: action.flight, detail: "told" }));
      return;
    }
    this.#after(0.2, () => {
      const bytes = (last - action.first + 1) * BATCH_BYTES;
      const path = this.paths.get(action.path)!;
      const { session } = path;
      this.tell({
        kind: "read",
        flight: action.flight,
        last,
        bytes,
        records: (last - action.first + 1) * BATCH_RECORDS,
      });
      if (!path.open || path.ended >= session) return;
      const refuse = (failure: LinkFailure, detail: string, retryAfterMs?: number) =>
        this.tell({
          kind: "failed",
          flight: action.flight,
          failure,
          detail,
          ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
        });
      this.#exchange(
        action.path,
        () => {
          if (this.#unprocessed.has(action.flight)) return;
          const refusal = this.refusal(action, action.path);
          if (refusal !== undefined) return refuse(refusal.failure, "told", refusal.retryAfterMs);
          this.repeated += countOf(intersect(chain.kept, [[action.first, last]]));
          chain.kept = union(chain.kept, [[action.first, last]]);
          return this.#after(path.delayMs / 2, () => {
            // A cut after the collector's write loses the receipt, not the batches.
            if (path.ended >= session || path.condition !== "works") return;
            this.tell({ kind: "delivered", flight: action.flight });
            this.#after(0.5, () => {
              this.#acknowledge(action);
              this.tell({ kind: "settled", flight: action.flight });
            });
          });
        },
        (detail) => refuse("unreachable", detail),
      );
    });
  }

  #acknowledge(name: ChainName): void {
    const chain = this.chain(name.lane, name.epoch);
    chain.acknowledged = union(chain.acknowledged, chain.kept);
  }

  /** A request that is answered after half a round trip, fails when the session falls, or hangs in a hole. */
  #exchange(name: string, answer: () => unknown, fail: (detail: string) => unknown): void {
    const path = this.paths.get(name)!;
    const { session } = path;
    if (!path.open) {
      this.#after(0, () => fail("the session was closed"));
      return;
    }
    this.#after(path.delayMs / 2, () => {
      if (path.ended >= session) fail("the session was closed");
      else if (path.condition === "works") answer();
      else this.#after(60_000, () => fail("no answer"));
    });
  }

  #lose(name: string, detail: string): void {
    const path = this.paths.get(name)!;
    path.open = false;
    path.ended = path.session++;
    this.#after(path.delayMs / 2, () => {
      if (this.state.sessions.get(name)!.status === "open" && !path.open)
        this.tell({ kind: "closed", path: name, detail });
    });
  }

  #checkBounds(): void {
    const { requestsInFlight, bytesInFlight } = this.settings;
    for (const name of this.paths.keys()) {
      const flights = [...this.state.flights.values()].filter(
        (flight) => flight.path === name && flight.stage !== "delivered",
      );
      const bytes = flights.reduce((sum, flight) => sum + flight.bytes, 0);
      if (flights.length > requestsInFlight) throw new Error(`${flights.length} requests in flight on ${name}`);
      if (flights.length > 1 && bytes > bytesInFlight) throw new Error(`${bytes} bytes in flight on ${name}`);
    }
    const claimed = new Map<number, Ranges>();
    for (const flight of this.state.flights.values()) {
      if (flight.copy) continue;
      const before = claimed.get(chainNumber(flight)) ?? [];
      const range: Ranges = [[flight.first, flight.last]];
      if (countOf(intersect(before, range)) > 0) throw new Error(`seq ${flight.first} is in flight twice`);
      claimed.set(chainNumber(flight), union(before, range));
    }
  }
}
