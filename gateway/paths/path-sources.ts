import { isIP } from "node:net";
import type { Log } from "@paddock/base/log.ts";
import { refuse } from "@paddock/base/outcome.ts";
import type { OpenLink } from "@paddock/uplink/forward/ports.ts";
import type { PathConfig } from "@paddock/uplink/paths/path-config.ts";
import type { AddressFeed } from "@paddock/uplink/paths/address-feed.ts";
import {
  chooseSource,
  followsAddresses,
  type LocalAddress,
  type SourceChoice,
} from "@paddock/uplink/paths/source-address.ts";
import { uplinkPaths, type ConfiguredPath, type UplinksConfig } from "./configured-paths.ts";
import type { LivenessSink } from "./path-watch.ts";

/** Takes the source addresses that follow the kernel; the forwarder is one. */
export interface SourceSink extends LivenessSink {
  updatePath(config: PathConfig): void;
}

/** Watches a path from its source address. */
export interface SourceWatch {
  setSource(path: string, address: string | undefined): void;
}

export interface PathSourcesOptions {
  readonly config: UplinksConfig;
  /** Of this machine. */
  readonly addresses: AddressFeed;
  readonly log: Log;
}

/** The source addresses of the paths that name an interface or a prefix instead of an address for good. */
export class PathSources {
  readonly #log: Log;
  readonly #paths: readonly ConfiguredPath[];
  readonly #configs: ReadonlyMap<string, PathConfig>;
  readonly #choices = new Map<string, SourceChoice>();
  /** What the sink has been given. */
  readonly #given = new Map<string, string | undefined>();
  readonly #leave: () => void;
  #apply: ((name: string, choice: SourceChoice) => void) | undefined;

  private constructor(options: PathSourcesOptions, first: () => void) {
    this.#log = options.log;
    this.#paths = options.config.paths.filter(followsAddresses);
    this.#configs = new Map(uplinkPaths(options.config).map((path) => [path.name, path]));
    this.#leave = options.addresses.follow((addresses) => {
      this.#consider(addresses);
      first();
    });
  }

  /** Undefined when no path asks for it; otherwise resolves once the first addresses are known, 5 s at the latest. */
  static async start(options: PathSourcesOptions): Promise<PathSources | undefined> {
    if (!options.config.paths.some(followsAddresses)) return undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    const sources = new PathSources(options, resolve);
    await promise;
    return sources;
  }

  stop(): void {
    this.#leave();
  }

  /** The source of a path that follows the kernel's addresses; undefined for any other path. */
  choice(path: string): SourceChoice | undefined {
    return this.#choices.get(path);
  }

  /** The path with its source of now. */
  resolved(path: PathConfig): PathConfig {
    const source = this.#choices.get(path.name)?.address;
    this.#given.set(path.name, source);
    return source === undefined ? path : { ...path, source };
  }

  /** Opens no session for a path without its address: the kernel would send it over another uplink. */
  guard(openLink: OpenLink): OpenLink {
    return async (path, signal, hurry) => {
      const choice = this.#choices.get(path.name);
      if (choice !== undefined && choice.address === undefined) return refuse("unreachable", choice.why);
      return openLink(path, signal, hurry);
    };
  }

  /** Moves sessions and watchers to a new address from now on, at once. The sink has its paths by `resolved`. */
  follow(sink: SourceSink, watch: SourceWatch | undefined): void {
    this.#apply = (name, { address, why }) => {
      const detail = address === undefined ? why : `source is now ${address}`;
      sink.setLiveness(name, address === undefined ? "down" : "unknown", { why: detail });
      sink.updatePath(this.resolved(this.#configs.get(name)!));
      watch?.setSource(name, address);
    };
    for (const [name, choice] of this.#choices) {
      if (choice.address === undefined || choice.address !== this.#given.get(name)) this.#apply(name, choice);
    }
  }

  #consider(addresses: readonly LocalAddress[]): void {
    for (const { name, source, interface: interfaceName, endpoint } of this.#paths) {
      const host = new URL(endpoint).hostname.replace(/^\[|\]$/g, "");
      const before = this.#choices.get(name);
      const choice = chooseSource(
        addresses,
        { ...(interfaceName === null ? {} : { interfaceName }), ...(source === null ? {} : { source }) },
        { current: before?.address, destination: isIP(host) === 0 ? undefined : host },
      );
      this.#choices.set(name, choice);
      if (before !== undefined && before.address === choice.address) continue;
      const fields = { path: name, source: choice.address ?? null, why: choice.why };
      if (choice.address === undefined) this.#log.warn("path-source", fields);
      else this.#log.info("path-source", fields);
      if (before !== undefined) this.#apply?.(name, choice);
    }
  }
}
