import { LatestUpdate } from "@paddock/base/latest-update.ts";
import type { UdpSocket } from "./udp-socket.ts";

export interface SocketSetOptions<Wish> {
  /** Opens the socket of a wish; may reject. */
  readonly open: (wish: Wish) => Promise<UdpSocket>;
  /** Told of a socket that could not be opened; `count` is how often in a row. It is tried again at the next update. */
  readonly failed: (wish: Wish, error: unknown, count: number) => void;
}

/**
 * Sockets that come and go with what is wanted: one for each key. Nothing here rejects; of updates that wait for one that
 * is carried out the last one counts.
 */
export class SocketSet<Wish> {
  readonly #options: SocketSetOptions<Wish>;
  readonly #sockets = new Map<string, UdpSocket>();
  readonly #failures = new Map<string, number>();
  readonly #updates = new LatestUpdate<ReadonlyMap<string, Wish>>((wanted, isStale) => this.#carryOut(wanted, isStale));

  constructor(options: SocketSetOptions<Wish>) {
    this.#options = options;
  }

  /** The keys whose socket is open. */
  keys(): string[] {
    return [...this.#sockets.keys()];
  }

  /** Closes the sockets of keys that are not wanted any more, then opens those of the new ones. */
  update(wanted: ReadonlyMap<string, Wish>): Promise<void> {
    return this.#updates.update(wanted);
  }

  close(): Promise<void> {
    return this.update(new Map());
  }

  async #carryOut(wanted: ReadonlyMap<string, Wish>, isStale: () => boolean): Promise<void> {
    for (const [key, socket] of this.#sockets) {
      if (wanted.has(key)) continue;
      this.#sockets.delete(key);
      await socket.close();
    }
    for (const key of this.#failures.keys()) if (!wanted.has(key)) this.#failures.delete(key);
    for (const [key, wish] of wanted) {
      if (isStale()) return;
      if (!this.#sockets.has(key)) await this.#open(key, wish);
    }
  }

  async #open(key: string, wish: Wish): Promise<void> {
    try {
      this.#sockets.set(key, await this.#options.open(wish));
      this.#failures.delete(key);
    } catch (error) {
      const count = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, count);
      this.#options.failed(wish, error, count);
    }
  }
}
