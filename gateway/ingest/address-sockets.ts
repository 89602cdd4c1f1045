import { messageOf } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import type { LocalAddress } from "@paddock/uplink/paths/source-address.ts";
import { bindableAddresses } from "./links.ts";
import { SocketSet } from "./socket-set.ts";
import type { UdpSocket } from "./udp-socket.ts";

/** Sockets of one listener on `::`. A machine with more addresses than this answers the rest from the wildcard. */
export const ADDRESS_SOCKETS_MAX = 128;

export interface AddressSocketsOptions {
  readonly port: number;
  readonly log: Log;
  /** Binds a socket beside the wildcard that handles datagrams as that one does. */
  readonly open: (address: string) => Promise<UdpSocket>;
}

/**
 * One socket for each address of this machine, beside a listener on `::`. The kernel gives a datagram to the socket
 * that is bound to its very destination, so the answer leaves from the address that was asked (RFC 7252 §5.3.2); from a
 * wildcard socket it leaves from whichever address the kernel's source selection likes, and node:dgram can neither see
 * nor say another one. What no socket of its own can be bound for is taken by the wildcard, as before.
 */
export class AddressSockets {
  readonly #set: SocketSet<string>;
  readonly #log: Log;
  readonly #port: number;
  #tooManyTold = false;

  constructor({ port, log, open }: AddressSocketsOptions) {
    this.#log = log;
    this.#port = port;
    this.#set = new SocketSet({ open, failed: (address, error, count) => this.#noteFailure(address, error, count) });
  }

  /** Addresses with a socket of their own. */
  get count(): number {
    return this.#set.keys().length;
  }

  /** Follows the kernel's list. Resolves when it is followed; never rejects. */
  follow(addresses: readonly LocalAddress[]): Promise<void> {
    const present = [...bindableAddresses(addresses)];
    if (present.length > ADDRESS_SOCKETS_MAX && !this.#tooManyTold) {
      this.#tooManyTold = true;
      const counts = { addresses: present.length, bound: ADDRESS_SOCKETS_MAX };
      this.#log.warn("addresses-too-many", { port: this.#port, ...counts });
    }
    return this.#set.update(new Map(present.slice(0, ADDRESS_SOCKETS_MAX)));
  }

  close(): Promise<void> {
    return this.#set.close();
  }

  /** An address may have gone, or come to be checked for duplicates, since it was listed: once is no news. */
  #noteFailure(address: string, error: unknown, count: number): void {
    if (count === 1 || (count & (count - 1)) !== 0) return;
    this.#log.warn("address-not-bound", { address, port: this.#port, count, reason: messageOf(error) });
  }
}
