import { isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";
import type { Clock } from "@paddock/base/clock.ts";
import type { Log } from "@paddock/base/log.ts";
import type { Shutdown } from "@paddock/base/shutdown.ts";
import { canonicalAddress } from "@paddock/uplink/bfd/session-directory.ts";
import { isLinkLocal } from "@paddock/uplink/bfd/session-spec.ts";
import type { Forwarder } from "@paddock/uplink/forward/forwarder.ts";
import type { BatchSource } from "@paddock/uplink/forward/ports.ts";
import type { AddressFeed } from "@paddock/uplink/paths/address-feed.ts";
import { FOREVER_S, type LocalAddress } from "@paddock/uplink/paths/source-address.ts";
import type { SigningIdentity } from "@paddock/wire/identity.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import type { UplinksConfig } from "./configured-paths.ts";
import { endpointAddress, watchedSessions } from "./bfd-config.ts";
import { makeForwarder } from "./make-forwarder.ts";
import { PathEndpoints } from "./path-endpoints.ts";
import type { PathFacts, SourceStatus } from "./path-facts.ts";
import { PathHistory } from "./path-history.ts";
import { PathRoutes, type RouteFinding } from "./path-routes.ts";
import { PathSources, type SourceSink } from "./path-sources.ts";
import { PathUsageFile } from "./path-usage.ts";
import { PathWatch, type WatchSink } from "./path-watch.ts";
import { NOT_SEEN } from "./watched-path.ts";
import { StandbyPace } from "./standby-pace.ts";

export interface UplinksOptions {
  readonly config: UplinksConfig;
  /** Of this machine. */
  readonly addresses: AddressFeed;
  readonly identity: SigningIdentity;
  readonly source: BatchSource;
  /** The collector refuses a chain because it holds another one. */
  readonly onFork: (lane: Lane, epoch: number) => void;
  /** What has to be closed goes here as it is opened. */
  readonly closing: Shutdown;
  readonly clock: Clock;
  readonly log: Log;
}

/** The ways to the collector: the forwarder, and everything that tells it about its paths. */
export class Uplinks implements PathFacts {
  readonly forwarder: Forwarder;
  readonly watch: PathWatch | undefined;
  readonly history: PathHistory;
  readonly #sources: PathSources | undefined;
  readonly #endpoints: PathEndpoints;
  readonly #routes: PathRoutes;
  readonly #sink: WatchSink & SourceSink;

  private constructor(parts: {
    readonly forwarder: Forwarder;
    readonly watch: PathWatch | undefined;
    readonly history: PathHistory;
    readonly sources: PathSources | undefined;
    readonly endpoints: PathEndpoints;
    readonly routes: PathRoutes;
    readonly sink: WatchSink & SourceSink;
  }) {
    this.forwarder = parts.forwarder;
    this.watch = parts.watch;
    this.history = parts.history;
    this.#sources = parts.sources;
    this.#endpoints = parts.endpoints;
    this.#routes = parts.routes;
    this.#sink = parts.sink;
  }

  /** Undefined when the configuration names no collector. Throws CONFIG_UNREADABLE, BFD_INVALID. */
  static async open(options: UplinksOptions): Promise<Uplinks | undefined> {
    const { config, addresses, closing, clock, log } = options;
    if (config.collector === null) return undefined;
    const usageFile = new PathUsageFile(config.dataDir, clock, log);
    const history = new PathHistory(clock);
    const endpoints = new PathEndpoints(config.paths, log);
    const sources = await PathSources.start({ config, addresses, log });
    if (sources !== undefined) closing.add(() => sources.stop());
    let pace: StandbyPace | undefined;
    const forwarder = await makeForwarder(config.collector, {
      ...options,
      sources,
      endpoints,
      usage: await usageFile.read(),
      onReport(report) {
        history.noteReport(report);
        pace?.consider();
      },
    });
    usageFile.start(() => forwarder.usage());
    closing.add(async () => {
      await forwarder.stop(config.forward.drainMs);
      await usageFile.stop(forwarder.usage());
    });
    const routes = new PathRoutes({
      paths: config.paths,
      ends(path) {
        const { source } = forwarder.pathConfig(path);
        const destination = endpointAddress(endpoints.current(path)!);
        // The kernel is asked by `ip -6`; a link-local source has only its own link to leave by.
        if (source === undefined || !isIPv6(source) || isLinkLocal(source)) return undefined;
        return destination === undefined || !isIPv6(destination) ? undefined : { source, destination };
      },
      clock,
      log,
    });
    const sink: WatchSink & SourceSink = {
      setLiveness(path, liveness, detail = {}) {
        history.noteLiveness(path, liveness, detail);
        if (liveness === "up") endpoints.keepTurn(path);
        forwarder.setLiveness(path, liveness, detail);
        // The endpoint may be what died. A new session is opened at the next one, not when the old one has timed out.
        if (liveness === "down" && endpoints.passTurn(path)) forwarder.updatePath(forwarder.pathConfig(path));
        pace?.consider();
      },
      setLoss: (path, share) => forwarder.setLoss(path, share),
      addUsage: (path, bytes) => forwarder.addUsage(path, bytes),
      updatePath(path) {
        forwarder.updatePath(path);
        routes.consider();
      },
    };
    // Until BFD says something, the path would else read like one that has none.
    for (const path of config.paths) {
      if (watchedSessions(path).length > 0) forwarder.setLiveness(path.name, "unknown", { why: NOT_SEEN });
    }
    const watch = await PathWatch.start({ config, sink, sources, clock, log });
    endpoints.onMoved = (path, endpoint) => {
      watch?.setEndpoint(path, endpoint);
      routes.consider();
    };
    if (watch !== undefined) {
      const paced = new StandbyPace({ forwarder, watch, clock });
      pace = paced;
      closing.add(() => watch.stop());
      closing.add(() => paced.stop());
    }
    // Before the forwarder stops, which then takes no new source any more.
    closing.add(() => {
      sources?.stop();
      routes.stop();
    });
    return new Uplinks({ forwarder, watch, history, sources, endpoints, routes, sink });
  }

  /** Opens the sessions and begins to send. */
  start(): void {
    this.forwarder.start();
    this.#sources?.follow(this.#sink, this.watch);
    this.#routes.consider();
  }

  /** Asks the speaker how its sessions are, for the status that is made next. */
  async refresh(): Promise<void> {
    await this.watch?.refresh();
  }

  endpoint(path: string): string | undefined {
    return this.#endpoints.current(path);
  }

  route(path: string): RouteFinding | null {
    return this.#routes.finding(path);
  }

  sourceAddress(path: string): SourceStatus | null {
    const followed = this.#sources?.choice(path);
    if (followed !== undefined) return followed.local === undefined ? null : sourceStatus(followed.local);
    const { source } = this.forwarder.pathConfig(path);
    return source === undefined ? null : interfaceOf(source);
  }
}

function sourceStatus(local: LocalAddress): SourceStatus {
  return {
    interface: local.interfaceName,
    prefixLength: local.prefixLength,
    temporary: local.temporary,
    deprecated: local.deprecated,
    preferredForS: local.preferredLifetimeS === FOREVER_S ? null : local.preferredLifetimeS,
    validForS: local.validLifetimeS === FOREVER_S ? null : local.validLifetimeS,
  };
}

/** Of an address that the configuration names; its lifetime is then its administrator's business. */
function interfaceOf(address: string): SourceStatus | null {
  for (const [name, infos = []] of Object.entries(networkInterfaces())) {
    const found = infos.find((info) => canonicalAddress(info.address) === canonicalAddress(address.split("%")[0]!));
    if (found === undefined) continue;
    const prefixLength = Number(found.cidr?.split("/")[1] ?? 128);
    const always = { temporary: false, deprecated: false, preferredForS: null, validForS: null };
    return { interface: name, prefixLength, ...always };
  }
  return null;
}
