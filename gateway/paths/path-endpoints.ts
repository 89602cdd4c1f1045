import type { Log } from "@paddock/base/log.ts";
import type { OpenLink } from "@paddock/uplink/forward/ports.ts";

/** A path with all the addresses of the collector that it may use. */
export interface EndpointsOfPath {
  readonly name: string;
  readonly endpoint: string;
  readonly fallbackEndpoints: readonly string[];
}

/** Which endpoint each path uses: the one that answered last, and the next in turn after one that does not. */
export class PathEndpoints {
  readonly #endpoints: ReadonlyMap<string, readonly string[]>;
  readonly #next = new Map<string, number>();
  readonly #used = new Map<string, string>();
  readonly #log: Log;
  /** Told when sessions of a path go to another endpoint than before. */
  onMoved: (path: string, endpoint: string) => void = () => {};

  constructor(paths: readonly EndpointsOfPath[], log: Log) {
    this.#endpoints = new Map(
      paths.map(({ name, endpoint, fallbackEndpoints }) => [name, [endpoint, ...fallbackEndpoints]]),
    );
    this.#log = log;
  }

  /** The endpoint of the newest session, or the first one while there was none. */
  current(path: string): string | undefined {
    return this.#used.get(path) ?? this.#endpoints.get(path)?.[0];
  }

  /** The path was found dead: the endpoint after the one in use is tried next. False where there is no other. */
  passTurn(path: string): boolean {
    const all = this.#endpoints.get(path) ?? [];
    if (all.length < 2) return false;
    this.#next.set(path, (this.#indexInUse(path) + 1) % all.length);
    return true;
  }

  /** The path was found alive as far as the endpoint in use, which is tried next. */
  keepTurn(path: string): void {
    this.#next.set(path, this.#indexInUse(path));
  }

  #indexInUse(path: string): number {
    return Math.max(0, this.#endpoints.get(path)?.indexOf(this.current(path)!) ?? 0);
  }

  /** Opens sessions at the endpoint whose turn it is. */
  inTurn(openLink: OpenLink): OpenLink {
    return async (path, signal, hurry) => {
      const all = this.#endpoints.get(path.name) ?? [path.endpoint];
      const turn = this.#next.get(path.name) ?? 0;
      const endpoint = all[turn % all.length]!;
      const outcome = await openLink({ ...path, endpoint }, signal, hurry);
      if (outcome.ok) this.#keep(path.name, endpoint);
      // Unless somebody who knows better has given the turn meanwhile.
      else if (!signal.aborted && (this.#next.get(path.name) ?? 0) === turn)
        this.#next.set(path.name, (turn + 1) % all.length);
      return outcome;
    };
  }

  #keep(path: string, endpoint: string): void {
    const before = this.current(path);
    this.#used.set(path, endpoint);
    if (before === endpoint) return;
    this.#log.warn("path-endpoint", { path, endpoint, before });
    this.onMoved(path, endpoint);
  }
}
