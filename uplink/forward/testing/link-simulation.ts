import { subtract, union, type Range, type Ranges } from "@paddock/base/ranges.ts";
import { seededRandom, type Random } from "@paddock/base/random.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import type { PathConfig } from "../../paths/path-config.ts";
import { advanceForward } from "../forward-policy.ts";
import {
  FORWARD_SETTINGS,
  initialForward,
  type ForwardAction,
  type ForwardEvent,
  type ForwardReport,
  type ForwardSettings,
  type ForwardState,
} from "../forward-state.ts";
import type { ChainBacklog } from "../ports.ts";

/** What a link does to TCP. May be changed while the simulation runs. */
export interface LinkShape {
  oneWayMs: number;
  /** Share of segments that are lost, 0 to 1, in both directions. */
  loss: number;
  /** Bytes on the wire per ms towards the collector; undefined: no limit. */
  bytesPerMs?: number;
}

interface SimulatedPath {
  readonly link: LinkShape;
  /** Counts sessions, so that what belongs to an old one is recognised. */
  session: number;
  up: Stream;
  down: Stream;
}

/** One direction of a connection: its bytes arrive in order. */
interface Stream {
  freeAtMs: number;
  arrivedMs: number;
}

interface Batch {
  readonly sealedMs: number;
  readonly frames: number;
}

interface Chain {
  readonly lane: Lane;
  readonly batches: Batch[];
  kept: Ranges;
  acknowledged: Ranges;
  pendingRecords: number;
  pendingBytes: number;
}

interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

const SEGMENT_BYTES = 1200;
const RECEIPT_BYTES = 300;
const READ_MS = 0.2;
/** From an upload to its receipt at the collector. */
const RECEIPT_MS = 2;
/** Of a lost segment whose repetition is lost as well. */
const TIMEOUT_MIN_MS = 200;

/**
 * The forwarding machine over links with a length, a speed and losses, in virtual time. A request that loses a segment
 * comes one round trip later and holds up what follows; one whose repetition is lost waits for TCP's time-out, which
 * doubles each time.
 */
export class LinkSimulation {
  nowMs = 0;
  state: ForwardState;
  readonly reports: (ForwardReport & { readonly atMs: number })[] = [];
  /** From sealed to held by the collector, in ms, one for each frame, by lane. */
  readonly delays: Readonly<Record<Lane, number[]>> = { 0: [], 1: [], 2: [] };
  /** Requests that left, by path. */
  readonly requests = new Map<string, number>();
  /** The most frames that waited for their receipt at a time. */
  pendingMost = 0;
  /** Whether the collector answers. */
  answers = true;
  readonly #settings: ForwardSettings;
  readonly #random: Random;
  readonly #paths = new Map<string, SimulatedPath>();
  readonly #chains = new Map<Lane, Chain>();
  #due: Due[] = [];
  #order = 0;
  #wakeAtMs: number | undefined;

  constructor(
    paths: readonly { readonly config: PathConfig; readonly link: LinkShape }[],
    options: { seed: number; settings?: Partial<ForwardSettings> },
  ) {
    this.#settings = { ...FORWARD_SETTINGS, ...options.settings };
    this.#random = seededRandom(options.seed);
    const configs = paths.map(({ config }) => config);
    this.state = initialForward(configs, { settings: this.#settings, enrols: false });
    for (const { config, link } of paths) {
      this.#paths.set(config.name, { link, session: 0, up: idle(), down: idle() });
      this.requests.set(config.name, 0);
    }
    this.tell({ kind: "start" });
    for (const { name } of configs) this.tell({ kind: "liveness", path: name, liveness: "up", why: "told" });
  }

  /** Frames of a lane, sealed together at an even pace for so long. */
  load(lane: Lane, framesPerS: number, everyMs: number, forMs: number): this {
    const endMs = this.nowMs + forMs;
    let owed = 0;
    const step = () => {
      owed += (framesPerS * everyMs) / 1000;
      const frames = Math.floor(owed);
      owed -= frames;
      if (frames > 0) this.#seal(lane, frames);
      if (this.nowMs + everyMs <= endMs) this.#after(everyMs, step);
    };
    // Sensors and links know nothing of each other's beat.
    this.#after(everyMs * this.#random.float(), step);
    return this;
  }

  /** Frames that the collector holds. */
  carried(): number {
    return Object.values(this.delays).reduce((sum, delays) => sum + delays.length, 0);
  }

  tell(event: ForwardEvent): this {
    const step = advanceForward(this.state, event, {
      nowMs: this.nowMs,
      wallMs: 1_750_000_000_000 + this.nowMs,
      backlog: () => this.#backlog(),
      random: this.#random,
      settings: this.#settings,
    });
    this.state = step.state;
    for (const action of step.actions) this.#perform(action);
    return this;
  }

  /** Lets time pass. */
  pass(ms: number): this {
    const endMs = this.nowMs + ms;
    for (;;) {
      const next = this.#due[0];
      const wakeAtMs = this.#wakeAtMs ?? Number.POSITIVE_INFINITY;
      if (Math.min(next?.atMs ?? Number.POSITIVE_INFINITY, wakeAtMs) > endMs) break;
      if (next === undefined || wakeAtMs < next.atMs) {
        // A timer of whole milliseconds is never early.
        this.nowMs = Math.max(this.nowMs, wakeAtMs);
        this.#wakeAtMs = undefined;
        this.tell({ kind: "tick" });
      } else {
        this.#due.shift();
        this.nowMs = Math.max(this.nowMs, next.atMs);
        next.run();
      }
    }
    this.nowMs = endMs;
    return this;
  }

  #seal(lane: Lane, frames: number): void {
    const chain = this.#chain(lane);
    const seq = chain.batches.push({ sealedMs: this.nowMs, frames }) - 1;
    chain.pendingRecords += frames;
    chain.pendingBytes += storedBytes(frames);
    let pending = 0;
    for (const { pendingRecords } of this.#chains.values()) pending += pendingRecords;
    this.pendingMost = Math.max(this.pendingMost, pending);
    this.tell({ kind: "sealed", lane, epoch: 0, seq });
  }

  #chain(lane: Lane): Chain {
    let chain = this.#chains.get(lane);
    if (chain === undefined) {
      chain = { lane, batches: [], kept: [], acknowledged: [], pendingRecords: 0, pendingBytes: 0 };
      this.#chains.set(lane, chain);
    }
    return chain;
  }

  #backlog(): ChainBacklog[] {
    return [...this.#chains.values()].map(({ lane, batches, acknowledged, pendingBytes, pendingRecords }) => ({
      lane,
      epoch: 0,
      pending: subtract([[0, batches.length - 1]], acknowledged),
      bytes: pendingBytes,
      records: pendingRecords,
    }));
  }

  #after(ms: number, run: () => void): void {
    const due = { atMs: this.nowMs + ms, order: this.#order++, run };
    if (!Number.isFinite(due.atMs)) return;
    let index = this.#due.length;
    while (index > 0 && this.#due[index - 1]!.atMs > due.atMs) index--;
    this.#due.splice(index, 0, due);
  }

  #perform(action: ForwardAction): void {
    switch (action.kind) {
      case "open":
        return this.#open(action.path);
      case "close":
        this.#paths.get(action.path)!.session++;
        return;
      case "send":
        return this.#send(action);
      case "query":
        return this.#query(action);
      case "wake":
        this.#wakeAtMs = action.atMs === undefined ? undefined : this.nowMs + Math.ceil(action.atMs - this.nowMs);
        return;
      case "report":
        this.reports.push({ ...action.report, atMs: this.nowMs });
        return;
      case "abort":
      case "enrol":
        return;
    }
  }

  #open(name: string): void {
    const path = this.#paths.get(name)!;
    const session = ++path.session;
    path.up = idle();
    path.down = idle();
    const opened = this.#travel(path, path.up, 600) + this.#travel(path, path.down, 2000) + 2 * path.link.oneWayMs;
    this.#after(Math.min(opened, 10_000), () => {
      if (path.session !== session) return;
      if (opened <= 10_000) this.tell({ kind: "opened", path: name, handshakeMs: opened });
      else this.tell({ kind: "open-failed", path: name, failure: "unreachable", detail: "no answer" });
    });
  }

  #send({ flight, path: name, lane, first, last: wanted, maxBytes }: Extract<ForwardAction, { kind: "send" }>): void {
    const chain = this.#chain(lane);
    let [last, bytes, records] = [first - 1, 0, 0];
    while (last < wanted) {
      const { frames } = chain.batches[last + 1]!;
      if (last >= first && bytes + storedBytes(frames) > maxBytes) break;
      last++;
      bytes += storedBytes(frames);
      records += frames;
    }
    const path = this.#paths.get(name)!;
    const { session } = path;
    this.#after(READ_MS, () => {
      this.tell({ kind: "read", flight, last, bytes, records });
      if (path.session !== session) return;
      this.requests.set(name, this.requests.get(name)! + 1);
      const arrivesMs = this.#travel(path, path.up, wireBytes(last - first + 1, records));
      this.#after(arrivesMs, () => {
        if (path.session !== session || !this.answers) return;
        this.#keep(chain, [first, last]);
        this.#after(RECEIPT_MS, () => {
          this.#after(this.#travel(path, path.down, RECEIPT_BYTES), () => {
            if (path.session !== session) return;
            this.tell({ kind: "delivered", flight });
            this.#after(0.5, () => {
              this.#acknowledge(chain);
              this.tell({ kind: "settled", flight });
            });
          });
        });
      });
    });
  }

  #query({ path: name, lane, epoch }: Extract<ForwardAction, { kind: "query" }>): void {
    const path = this.#paths.get(name)!;
    const { session } = path;
    this.#after(this.#travel(path, path.up, RECEIPT_BYTES), () => {
      if (!this.answers) return;
      this.#after(this.#travel(path, path.down, RECEIPT_BYTES), () => {
        if (path.session !== session) return;
        this.#acknowledge(this.#chain(lane));
        this.tell({ kind: "answered", path: name, lane, epoch });
      });
    });
  }

  #keep(chain: Chain, range: Range): void {
    for (const [from, to] of subtract([range], chain.kept)) {
      for (let seq = from; seq <= to; seq++) {
        const { sealedMs, frames } = chain.batches[seq]!;
        for (let frame = 0; frame < frames; frame++) this.delays[chain.lane].push(this.nowMs - sealedMs);
      }
    }
    chain.kept = union(chain.kept, [range]);
  }

  #acknowledge(chain: Chain): void {
    for (const [from, to] of subtract(chain.kept, chain.acknowledged)) {
      for (const { frames } of chain.batches.slice(from, to + 1)) {
        chain.pendingRecords -= frames;
        chain.pendingBytes -= storedBytes(frames);
      }
    }
    chain.acknowledged = chain.kept;
  }

  /** How long from now until so many bytes are at the other end; Infinity on a link that carries nothing. */
  #travel({ link }: SimulatedPath, stream: Stream, bytes: number): number {
    const { oneWayMs, loss, bytesPerMs } = link;
    if (loss >= 1) return Number.POSITIVE_INFINITY;
    stream.freeAtMs = Math.max(this.nowMs, stream.freeAtMs) + (bytesPerMs === undefined ? 0 : bytes / bytesPerMs);
    let lateMs = 0;
    let waitMs = 2 * oneWayMs;
    for (let left = this.#lost(Math.ceil(bytes / SEGMENT_BYTES), loss); left > 0; left = this.#lost(left, loss)) {
      lateMs += waitMs;
      waitMs = Math.max(TIMEOUT_MIN_MS, 2 * oneWayMs, lateMs > 2 * oneWayMs ? 2 * waitMs : 0);
    }
    stream.arrivedMs = Math.max(stream.arrivedMs, stream.freeAtMs + oneWayMs + lateMs);
    return stream.arrivedMs - this.nowMs;
  }

  #lost(segments: number, loss: number): number {
    let lost = 0;
    for (let segment = 0; segment < segments; segment++) if (this.#random.float() < loss) lost++;
    return lost;
  }
}

function idle(): Stream {
  return { freeAtMs: 0, arrivedMs: 0 };
}

/** Bytes of a batch with so many frames of the usual size in the store. */
function storedBytes(frames: number): number {
  return 250 + 110 * frames;
}

/** Bytes of a compressed request. */
function wireBytes(batches: number, frames: number): number {
  return 200 * batches + 27 * frames;
}
