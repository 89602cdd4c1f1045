import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { isIPv6 } from "node:net";
import { fileURLToPath } from "node:url";
import type { Clock } from "@paddock/base/clock.ts";
import { messageOf } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import { BfdClient, type LivenessChange } from "@paddock/uplink/bfd/client.ts";
import type { StateEvent } from "@paddock/uplink/bfd/speaker-events.ts";
import { followsAddresses } from "@paddock/uplink/paths/source-address.ts";
import type { WatchPace } from "@paddock/uplink/paths/watch-pace.ts";
import { bfdLocal, bfdRemote, bfdSession } from "./bfd-config.ts";
import type { GatewayConfig } from "../config.ts";
import type { PathWatchStatus } from "../status/status.ts";

type WatchedPath = GatewayConfig["paths"][number];

/** Takes what is learnt about a path; the forwarder is one. */
export interface LivenessSink {
  setLiveness(
    path: string,
    liveness: "up" | "down" | "unknown",
    detail?: { why?: string; detectedInMs?: number },
  ): void;
}

export interface PathWatchOptions {
  readonly config: GatewayConfig;
  readonly sink: LivenessSink;
  readonly clock: Clock;
  readonly log: Log;
  /** Where paths follow the kernel's addresses: their source of now. */
  readonly sources?: { choice(path: string): { readonly address: string | undefined } | undefined } | undefined;
}

/** A path whose local address the kernel cannot tell yet is asked about again after this. */
const ADDRESS_RETRY_MS = 5000;

/**
 * Watches the paths that have a `bfd` in the configuration and tells the forwarder what it sees. While the speaker is
 * gone every path is `unknown`, which leaves the decision to the receipts.
 */
export class PathWatch {
  readonly #options: PathWatchOptions;
  readonly #paths: readonly WatchedPath[];
  readonly #client: BfdClient;
  readonly #seen = new Map<string, Omit<PathWatchStatus, "pace">>();
  /** Local addresses that the kernel told, of paths whose configuration names none. */
  readonly #locals = new Map<string, string>();
  #paces: ReadonlyMap<string, WatchPace> = new Map();
  #stopped = false;
  #retry: { cancel(): void } | undefined;

  private constructor(options: PathWatchOptions) {
    const { config, clock, log } = options;
    this.#options = options;
    this.#paths = config.paths.filter(({ bfd }) => bfd !== null);
    const command = bundledSpeaker();
    this.#client = new BfdClient({
      owner: `gateway ${config.dataDir}`,
      ...(config.bfd.socket === null ? {} : { socket: config.bfd.socket }),
      ...(command === undefined ? {} : { command }),
      clock,
      log,
    });
    for (const { name, bfd } of this.#paths) {
      const source = options.sources?.choice(name)?.address;
      if (source !== undefined) this.#locals.set(name, source);
      this.#seen.set(name, { mode: bfd!.mode, why: "not seen yet", detectedInMs: null, sinceWallMs: null, downs: 0 });
    }
  }

  /** Undefined when no path asks for it. Throws BFD_INVALID. */
  static async start(options: PathWatchOptions): Promise<PathWatch | undefined> {
    const watch = new PathWatch(options);
    if (watch.#paths.length === 0) return undefined;
    watch.#client.onLiveness((change) => watch.#changed(change));
    await watch.#setSessions();
    await watch.#client.start();
    return watch;
  }

  /** Of the speaker that this gateway started; undefined while none runs. */
  get speakerPid(): number | undefined {
    return this.#client.childPid;
  }

  get speakerConnected(): boolean {
    return this.#client.connected;
  }

  /** Null for a path that nobody watches. */
  status(path: string): PathWatchStatus | null {
    const seen = this.#seen.get(path);
    return seen === undefined ? null : { ...seen, pace: paceIn(this.#paces, path) };
  }

  /** Watches a path that follows the kernel's addresses from another one; undefined: not at all until there is one. */
  setSource(name: string, address: string | undefined): void {
    const path = this.#paths.find((one) => one.name === name);
    if (path === undefined || !followsAddresses(path) || this.#locals.get(name) === address) return;
    // Taken away first: what the session on the old address proved says nothing about the new one.
    this.#locals.delete(name);
    this.#apply();
    const why = address === undefined ? "no address to watch from" : `watched from ${address}, no answer yet`;
    this.#seen.set(name, { ...this.#seen.get(name)!, why, sinceWallMs: this.#options.clock.wallMs() });
    if (address === undefined) return;
    this.#locals.set(name, address);
    this.#apply();
  }

  /** Changes intervals of running sessions; a path that is left out is watched as configured. */
  setPaces(paces: ReadonlyMap<string, WatchPace>): void {
    const { log } = this.#options;
    const changed = this.#paths.filter(({ name }) => paceIn(paces, name) !== paceIn(this.#paces, name));
    if (changed.length === 0 || this.#stopped) return;
    for (const { name } of changed) log.info("path-watch-pace", { path: name, pace: paceIn(paces, name) });
    this.#paces = paces;
    this.#apply();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#retry?.cancel();
    await this.#client.close();
  }

  async #setSessions(): Promise<void> {
    const { clock, log } = this.#options;
    let missing = false;
    for (const path of this.#paths) {
      // A path that follows the kernel's addresses waits for setSource.
      if (bfdLocal(path, path.bfd!) !== undefined || followsAddresses(path) || this.#locals.has(path.name)) continue;
      const local = await sourceAddressFor(bfdRemote(path, path.bfd!)!);
      if (local !== undefined) {
        this.#locals.set(path.name, local);
        continue;
      }
      missing = true;
      log.warn("bfd-no-address", { path: path.name, detail: "no route to the remote address" });
    }
    if (this.#stopped) return;
    this.#apply();
    if (!missing) return;
    this.#retry = clock.after(ADDRESS_RETRY_MS, () => {
      this.#setSessions().catch((error: unknown) => {
        log.error("bfd-sessions-failed", { detail: messageOf(error) });
      });
    });
  }

  #apply(): void {
    this.#client.setSessions(
      this.#paths.flatMap((path) => {
        const local = bfdLocal(path, path.bfd!) ?? this.#locals.get(path.name);
        return local === undefined ? [] : [bfdSession(path, path.bfd!, local, this.#paces.get(path.name))];
      }),
    );
  }

  #changed({ name, liveness, event }: LivenessChange): void {
    const { sink, clock, log } = this.#options;
    const before = this.#seen.get(name);
    if (before === undefined || this.#stopped) return;
    const state = event?.event === "state" ? event : undefined;
    const why = state === undefined ? whyWithoutEvent(this.#client.connected) : whyOf(state);
    const detectedInMs = state?.detectedInMs ?? null;
    this.#seen.set(name, {
      mode: before.mode,
      why,
      detectedInMs: liveness === "down" ? detectedInMs : before.detectedInMs,
      sinceWallMs: clock.wallMs(),
      downs: before.downs + (liveness === "down" ? 1 : 0),
    });
    const fields = { path: name, liveness, why, ...(detectedInMs === null ? {} : { detectedInMs }) };
    if (liveness === "up") log.info("path-liveness", fields);
    else log.warn("path-liveness", fields);
    sink.setLiveness(name, liveness, { why, ...(detectedInMs === null ? {} : { detectedInMs }) });
  }
}

function paceIn(paces: ReadonlyMap<string, WatchPace>, name: string): WatchPace {
  return paces.get(name) ?? "configured";
}

function whyOf({ reason, diagnostic, stalledMs }: StateEvent): string {
  const stalled = stalledMs >= 1 ? `, own stall ${Math.round(stalledMs)} ms` : "";
  return `BFD ${reason}${diagnostic === "none" || diagnostic === reason ? "" : ` (${diagnostic})`}${stalled}`;
}

function whyWithoutEvent(connected: boolean): string {
  return connected ? "BFD speaker found again" : "BFD speaker is gone";
}

/** In the bundle the speaker is a file beside the gateway's; from sources, the client knows where its own is. */
function bundledSpeaker(): [string, ...string[]] | undefined {
  if (import.meta.url.endsWith(".ts")) return undefined;
  const file = ["paddock-bfd.mjs", "../paddock-bfd.mjs"]
    .map((name) => fileURLToPath(new URL(name, import.meta.url)))
    .find((path) => existsSync(path));
  return file === undefined ? undefined : [process.execPath, file];
}

/** The address that the kernel's routes choose toward `remote`; undefined without a route. Sends nothing. */
async function sourceAddressFor(remote: string): Promise<string | undefined> {
  const socket = createSocket(isIPv6(remote) ? "udp6" : "udp4");
  try {
    const connected = once(socket, "connect");
    socket.connect(9, remote);
    await connected;
    return socket.address().address;
  } catch {
    return undefined;
  } finally {
    socket.close();
  }
}
