import { AddressWatch, type AddressWatchOptions } from "./address-watch.ts";
import type { LocalAddress } from "./source-address.ts";

export type AddressListener = (addresses: readonly LocalAddress[]) => void;

/** One watch of this machine's addresses for everybody who follows them; it runs while somebody does. */
export class AddressFeed {
  readonly #options: Omit<AddressWatchOptions, "onAddresses">;
  readonly #listeners = new Set<AddressListener>();
  #watch: AddressWatch | undefined;
  /** As they were told last. */
  #present: readonly LocalAddress[] | undefined;

  constructor(options: Omit<AddressWatchOptions, "onAddresses">) {
    this.#options = options;
  }

  /**
   * Tells the addresses now, if they are known, and whenever they may have changed, until the returned function is called.
   * No listener is called from within `follow`.
   */
  follow(listener: AddressListener): () => void {
    // Of its own, so that the same function may follow twice.
    const own: AddressListener = (addresses) => listener(addresses);
    this.#listeners.add(own);
    if (this.#watch === undefined) this.#start();
    else queueMicrotask(() => this.#catchUp(own));
    return () => this.#leave(own);
  }

  #start(): void {
    const watch = new AddressWatch({
      ...this.#options,
      onAddresses: (addresses) => {
        if (this.#watch !== watch) return;
        this.#present = addresses;
        for (const listener of this.#listeners) listener(addresses);
      },
    });
    this.#watch = watch;
    watch.start();
  }

  #catchUp(listener: AddressListener): void {
    if (this.#present !== undefined && this.#listeners.has(listener)) listener(this.#present);
  }

  #leave(listener: AddressListener): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size > 0) return;
    this.#watch?.stop();
    this.#watch = undefined;
    this.#present = undefined;
  }
}
