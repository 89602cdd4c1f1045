import type { Clock, Timer } from "@paddock/base/clock.ts";
import { messageOf } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import { BfdClient, type LivenessChange } from "@paddock/uplink/bfd/client.ts";
import type { SpeakerEvent } from "@paddock/uplink/bfd/speaker-events.ts";
import { combineLiveness } from "@paddock/uplink/paths/combined-liveness.ts";
import type { WatchPace } from "@paddock/uplink/paths/watch-pace.ts";
import { isWatchable, localOrigin, sessionRemote, speakerSession, watchedSessions } from "./bfd-config.ts";
import type { UplinksConfig } from "./configured-paths.ts";
import { kernelSourceFor } from "./kernel-source.ts";
import type { PathWatchStatus } from "./path-facts.ts";
import { watchTrouble } from "./watch-trouble.ts";
import { bundledSpeaker } from "./speaker-command.ts";
import { handOnReadings, type MeterSink } from "./watch-meter.ts";
import {
  markOutlived,
  watchedPath,
  whyOf,
  whyWithoutEvent,
  type WatchedPathState,
  type Watcher,
} from "./watched-path.ts";

/** Takes what is learnt about a path; the forwarder is one. */
export interface LivenessSink {
  setLiveness(
    path: string,
    liveness: "up" | "down" | "unknown",
    detail?: { why?: string; detectedInMs?: number },
  ): void;
}

/** Takes all that is found by watching; the forwarder does. */
export interface WatchSink extends LivenessSink, MeterSink {}

export interface PathWatchOptions {
  readonly config: UplinksConfig;
  readonly sink: WatchSink;
  readonly clock: Clock;
  readonly log: Log;
  /** Where paths follow the kernel's addresses: their source of now. */
  readonly sources?: { choice(path: string): { readonly address: string | undefined } | undefined } | undefined;
}

/** While a session whose address the kernel chooses is not up, the kernel is asked again after this. */
const ADDRESS_RETRY_MS = 5000;
/** How often loss and cost of watching are taken over. */
const METER_MS = 10_000;
/** The first time, soon: until then it is not known what a shared speaker had counted before. */
const METER_FIRST_MS = 500;
/** What it takes to tell a speaker that nothing is wanted of it any more. */
const FORGET_MS = 2000;
/** A speaker that is stopped must not hold up whoever asks for the status. */
const REPORT_LIMIT_MS = 250;

/**
 * Watches the paths that have a `bfd` in the configuration and tells the forwarder what it sees. While the speaker is
 * gone every path is `unknown`, which leaves the decision to the receipts.
 */
export class PathWatch {
  readonly #options: PathWatchOptions;
  readonly #paths: ReadonlyMap<string, WatchedPathState>;
  readonly #watchers: ReadonlyMap<string, Watcher>;
  readonly #client: BfdClient;
  #paces: ReadonlyMap<string, WatchPace> = new Map();
  #refreshing: Promise<void> | undefined;
  #stopped = false;
  #retry: Timer | undefined;
  #meter: Timer | undefined;

  private constructor(options: PathWatchOptions) {
    const { config, clock, log } = options;
    this.#options = options;
    const command = bundledSpeaker();
    this.#client = new BfdClient({
      owner: `gateway ${config.dataDir}`,
      ...(config.bfd.socket === null ? {} : { socket: config.bfd.socket }),
      ...(command === undefined ? {} : { command }),
      clock,
      log,
    });
    const watched = config.paths.map((path) =>
      watchedPath(path.name, watchedSessions(path), {
        source: options.sources?.choice(path.name)?.address,
        nowMs: clock.monotonicUs() / 1000,
        speakerIsShared: config.bfd.socket !== null,
      }),
    );
    this.#paths = new Map(watched.filter(({ watchers }) => watchers.length > 0).map((path) => [path.name, path]));
    this.#watchers = new Map(watched.flatMap(({ watchers }) => watchers.map((each) => [each.session.name, each])));
  }

  /** Undefined when no path asks for it. Throws BFD_INVALID. */
  static async start(options: PathWatchOptions): Promise<PathWatch | undefined> {
    const watch = new PathWatch(options);
    if (watch.#paths.size === 0) {
      if (options.config.bfd.socket !== null) await watch.#forgetSessions();
      return undefined;
    }
    watch.#client.onLiveness((change) => watch.#changed(change));
    watch.#client.onEvent((event) => watch.#notePace(event));
    await watch.#findLocals();
    await watch.#client.start();
    watch.#meterLater(METER_FIRST_MS);
    return watch;
  }

  /** What an earlier configuration asked of somebody else's speaker would go on for ever. */
  async #forgetSessions(): Promise<void> {
    await this.#client.start();
    this.#options.clock.after(FORGET_MS, () => void this.#client.close());
  }

  /** Of the speaker that this gateway started; undefined while none runs. */
  get speakerPid(): number | undefined {
    return this.#client.childPid;
  }

  get speakerConnected(): boolean {
    return this.#client.connected;
  }

  /** Null for a path that nobody watches. The sessions are as of the last `refresh`. */
  status(path: string): PathWatchStatus | null {
    const state = this.#paths.get(path);
    if (state === undefined) return null;
    const { why, detectedInMs, sinceWallMs, downs, watchers } = state;
    // Without a speaker no session can be up, and the status says so.
    const trouble = this.#client.connected ? watchTrouble(watchers, this.#nowMs()) : undefined;
    return {
      pace: paceIn(this.#paces, path),
      why,
      detectedInMs,
      sinceWallMs,
      downs,
      trouble: trouble === undefined ? null : { why: trouble.why, remedy: trouble.remedy, forS: trouble.forMs / 1000 },
      sessions: watchers.map(({ session, local, finding, report }) => ({
        scope: session.scope,
        mode: session.config.mode,
        local: local ?? null,
        remote: sessionRemote(session, state.endpoint) ?? null,
        liveness: finding.liveness,
        why: finding.why,
        report: report ?? null,
      })),
    };
  }

  /** Asks the speaker how its sessions are; gives up after a quarter of a second. */
  async refresh(): Promise<void> {
    this.#refreshing ??= this.#readReport().finally(() => (this.#refreshing = undefined));
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = this.#options.clock.after(REPORT_LIMIT_MS, () => resolve(false));
    void this.#refreshing.then(() => resolve(true));
    const answered = await promise;
    timer.cancel();
    // An old report would pass for what is.
    if (!answered) for (const watcher of this.#watchers.values()) watcher.report = undefined;
  }

  /** Watches a path that follows the kernel's addresses from another one; undefined: not at all until there is one. */
  setSource(name: string, address: string | undefined): void {
    const path = this.#paths.get(name);
    if (path === undefined) return;
    const moved = path.watchers.filter(({ session, local }) => localOrigin(session) === "path" && local !== address);
    if (moved.length > 0) {
      const why = address === undefined ? "no address to watch from" : `watched from ${address}, no answer yet`;
      this.#startAnew(path, moved, why, address);
    }
    // Whoever moved the path has said so; what other sessions still find has to be said again.
    path.liveness = "unknown";
    if (address !== undefined) this.#judge(path);
  }

  /** The collector is reached at another endpoint of this path: what is watched from end to end is that one. */
  setEndpoint(name: string, endpoint: string): void {
    const path = this.#paths.get(name);
    if (path === undefined) return;
    const before = path.endpoint;
    path.endpoint = endpoint;
    const moved = path.watchers.filter(
      ({ session }) => sessionRemote(session, before) !== sessionRemote(session, endpoint),
    );
    for (const watcher of moved) {
      const { session, local } = watcher;
      const watchable = isWatchable(session, local ?? "::", endpoint);
      const why = watchable
        ? `watched toward ${sessionRemote(session, endpoint)}, no answer yet`
        : `not watched at ${endpoint}: BFD goes to an address of the same IP version that the configuration names`;
      // The kernel may choose another address toward another endpoint.
      this.#startAnew(path, [watcher], why, localOrigin(session) === "kernel" ? undefined : local);
    }
    if (moved.length === 0) return;
    this.#judge(path);
    this.#findLocalsIn(0);
  }

  /** Changes intervals of running sessions; a path that is left out is watched as configured. */
  setPaces(paces: ReadonlyMap<string, WatchPace>): void {
    const { log } = this.#options;
    const changed = [...this.#paths.keys()].filter((name) => paceIn(paces, name) !== paceIn(this.#paces, name));
    if (changed.length === 0 || this.#stopped) return;
    for (const name of changed) log.info("path-watch-pace", { path: name, pace: paceIn(paces, name) });
    this.#paces = paces;
    this.#apply();
  }

  async stop(): Promise<void> {
    await this.#takeReadings();
    this.#stopped = true;
    this.#retry?.cancel();
    this.#meter?.cancel();
    for (const { wake } of this.#paths.values()) wake?.cancel();
    await this.#client.close();
  }

  /** Asks the kernel for the addresses that are left to it, of sessions that are not up: it may choose others by now. */
  async #findLocals(): Promise<void> {
    for (const path of this.#paths.values()) {
      for (const watcher of path.watchers) {
        const { session, finding } = watcher;
        const remote = sessionRemote(session, path.endpoint);
        if (localOrigin(session) !== "kernel" || finding.liveness === "up" || remote === undefined) continue;
        const found = await kernelSourceFor(remote);
        if (this.#stopped) return;
        if (found === undefined) this.#complain(watcher);
        else if (watcher.local === undefined) watcher.local = found;
        else if (watcher.local !== found) {
          this.#startAnew(path, [watcher], `watched from ${found}, no answer yet`, found);
          this.#judge(path);
        }
      }
    }
    this.#apply();
    this.#findLocalsIn(ADDRESS_RETRY_MS);
  }

  #findLocalsIn(delayMs: number): void {
    const { clock, log } = this.#options;
    const waits = [...this.#watchers.values()].some(
      ({ session, finding }) => localOrigin(session) === "kernel" && finding.liveness !== "up",
    );
    this.#retry?.cancel();
    if (!waits || this.#stopped) return;
    this.#retry = clock.after(delayMs, () => {
      this.#findLocals().catch((error: unknown) => {
        log.error("bfd-sessions-failed", { detail: messageOf(error) });
      });
    });
  }

  #complain(watcher: Watcher): void {
    if (watcher.local !== undefined || !watcher.complains) return;
    watcher.complains = false;
    const { path } = watcher.session;
    this.#options.log.warn("bfd-no-address", {
      path: path.name,
      detail: "no route to the remote address, tried again",
    });
  }

  /** What a session proved from one place says nothing about another, so it is taken away first. */
  #startAnew(path: WatchedPathState, watchers: readonly Watcher[], why: string, local: string | undefined): void {
    for (const watcher of watchers) watcher.local = undefined;
    this.#apply();
    for (const watcher of watchers) {
      const sinceMs = this.#nowMs();
      const { scope } = watcher.finding;
      watcher.finding = { scope, liveness: "unknown", why, sinceMs, detectionTimeMs: undefined };
      watcher.report = undefined;
      watcher.bytesMetered = 0;
      watcher.askedSinceMs = sinceMs;
      watcher.wasUp = false;
      watcher.local = local;
    }
    path.why = why;
    path.sinceWallMs = this.#options.clock.wallMs();
    if (local !== undefined) this.#apply();
  }

  #apply(): void {
    this.#client.setSessions(
      [...this.#paths.values()].flatMap(({ name, endpoint, watchers }) =>
        watchers.flatMap(({ session, local }) => {
          if (local === undefined || !isWatchable(session, local, endpoint)) return [];
          return [speakerSession(session, local, { pace: this.#paces.get(name), endpoint })];
        }),
      ),
    );
  }

  #changed({ name, liveness, event }: LivenessChange): void {
    const watcher = this.#watchers.get(name);
    if (watcher === undefined || this.#stopped) return;
    const state = event?.event === "state" ? event : undefined;
    const why = state === undefined ? whyWithoutEvent(this.#client.connected) : whyOf(state);
    const { scope, detectionTimeMs } = watcher.finding;
    watcher.finding = { scope, liveness, why, sinceMs: this.#nowMs(), detectionTimeMs };
    if (state?.to === "up" && state.detectionTimeMs !== null) this.#noteDetectionTime(watcher, state.detectionTimeMs);
    if (liveness === "up") watcher.wasUp = true;
    if (liveness === "down") watcher.detectedInMs = state?.detectedInMs ?? null;
    this.#judge(this.#paths.get(watcher.session.path.name)!);
    if (liveness !== "up" && localOrigin(watcher.session) === "kernel") this.#findLocalsIn(ADDRESS_RETRY_MS);
  }

  /** What its sessions say together, to whoever decides about the path. */
  #judge(path: WatchedPathState): void {
    const { sink, clock, log } = this.#options;
    path.wake?.cancel();
    path.wake = undefined;
    if (this.#stopped) return;
    const nowMs = this.#nowMs();
    const findings = path.watchers.map(({ finding }) => finding);
    const { liveness, why, decidedBy, wakeAtMs } = combineLiveness(findings, nowMs);
    if (wakeAtMs !== undefined) path.wake = clock.after(Math.ceil(wakeAtMs - nowMs), () => this.#judge(path));
    path.why = why;
    if (liveness === "up") for (const watcher of path.watchers) markOutlived(watcher);
    if (liveness === path.liveness) return;
    const by = path.watchers.find(({ session }) => session.scope === decidedBy);
    const detectedInMs = liveness === "down" ? (by?.detectedInMs ?? null) : null;
    path.liveness = liveness;
    path.sinceWallMs = clock.wallMs();
    if (liveness === "down") {
      path.downs++;
      path.detectedInMs = detectedInMs;
    }
    const detail = detectedInMs === null ? {} : { detectedInMs };
    const fields = { path: path.name, liveness, why, ...detail };
    if (liveness === "up") log.info("path-liveness", fields);
    else log.warn("path-liveness", fields);
    sink.setLiveness(path.name, liveness, { why, ...detail });
  }

  /** Detection may have become slower or faster than configured. */
  #notePace(event: SpeakerEvent): void {
    const watcher = event.event === "pace" ? this.#watchers.get(event.name) : undefined;
    if (watcher !== undefined && event.event === "pace") this.#noteDetectionTime(watcher, event.detectionTimeMs);
  }

  #noteDetectionTime(watcher: Watcher, detectionTimeMs: number): void {
    if (watcher.finding.detectionTimeMs === detectionTimeMs) return;
    watcher.finding = { ...watcher.finding, detectionTimeMs };
    this.#judge(this.#paths.get(watcher.session.path.name)!);
  }

  async #readReport(): Promise<void> {
    const report = await this.#client.report();
    for (const watcher of this.#watchers.values()) {
      const session = report?.sessions.find(({ name }) => name === watcher.session.name);
      watcher.report = session;
      if (session?.state === "up") this.#noteDetectionTime(watcher, session.detectionTimeMs);
    }
  }

  #meterLater(delayMs: number): void {
    this.#meter = this.#options.clock.after(delayMs, () => void this.#meterAgain());
  }

  async #meterAgain(): Promise<void> {
    await this.#takeReadings();
    if (!this.#stopped) this.#meterLater(METER_MS);
  }

  /** Hands on what watching cost and how much it lost. */
  async #takeReadings(): Promise<void> {
    await this.refresh();
    for (const path of this.#paths.values()) handOnReadings(path, this.#options.sink);
  }

  #nowMs(): number {
    return this.#options.clock.monotonicUs() / 1000;
  }
}

function paceIn(paces: ReadonlyMap<string, WatchPace>, name: string): WatchPace {
  return paces.get(name) ?? "configured";
}
