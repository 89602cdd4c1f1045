import { readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import type { Clock } from "@paddock/base/clock.ts";
import { messageOf } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import type { Ingest } from "./ingest.ts";
import { sumKernelDrops } from "./kernel-drops.ts";
import { UdpSocket, type DatagramHandler } from "./udp-socket.ts";

/** All CoAP Nodes, on the link and on the site (RFC 7252 §12.8). */
export const COAP_GROUP_LINK = "ff02::fd";
export const COAP_GROUP_SITE = "ff05::fd";

export interface ListenAddress {
  /** An IPv6 address, `::` for all. */
  readonly address: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
}

export interface UdpListenersOptions {
  readonly ingest: Ingest;
  readonly clock: Clock;
  readonly log: Log;
  readonly listen: readonly ListenAddress[];
  /** Addresses for frames without CoAP (docs/protocol.md §1.6). */
  readonly plainListen?: readonly ListenAddress[];
  /** Interfaces on which to join the All CoAP Nodes groups. */
  readonly multicastInterfaces?: readonly string[];
}

/** A bound socket, as the status shows it. */
export interface BoundAddress extends ListenAddress {
  readonly kind: "coap" | "plain";
  readonly recvBufferBytes: number;
}

/** The sockets towards the sensors. */
export class UdpListeners {
  readonly #coap: readonly UdpSocket[];
  readonly #plain: readonly UdpSocket[];
  readonly #groups: readonly UdpSocket[];

  private constructor(coap: readonly UdpSocket[], plain: readonly UdpSocket[], groups: readonly UdpSocket[]) {
    this.#coap = coap;
    this.#plain = plain;
    this.#groups = groups;
  }

  /** Binds everything, or nothing: throws LISTEN_FAILED. A group that cannot be joined is only warned of. */
  static async open(options: UdpListenersOptions): Promise<UdpListeners> {
    const { ingest, clock, log } = options;
    const interfaces = options.multicastInterfaces ?? [];
    const opened: UdpSocket[] = [];
    const sendFailed = (): void => void ingest.counters.sendErrors++;
    const handlerFailed = (): void => void ingest.counters.handlerFailures++;
    const open = async (
      { address, port }: ListenAddress,
      handle: DatagramHandler,
      group = false,
    ): Promise<UdpSocket> => {
      // Of the unicast sockets only a wildcard stands in the way of the groups' own.
      const wildcard = interfaces.length > 0 && address === "::";
      const shared = group ? "beside" : wildcard ? "wildcard" : undefined;
      const socket = await UdpSocket.open({ address, port, clock, log, handle, sendFailed, handlerFailed, shared });
      opened.push(socket);
      return socket;
    };
    try {
      const coap: UdpSocket[] = [];
      for (const address of options.listen) {
        coap.push(
          await open(address, (bytes, from, port, receivedUs, reply) =>
            ingest.handleDatagram(bytes, ingest.endpoint(from, port), receivedUs, reply),
          ),
        );
      }
      const plain: UdpSocket[] = [];
      for (const address of options.plainListen ?? []) {
        plain.push(
          await open(address, (bytes, from, port, receivedUs) =>
            ingest.handlePlain(bytes, ingest.endpoint(from, port), receivedUs),
          ),
        );
      }
      const first = coap[0];
      const groups = first === undefined ? [] : await joinGroups(first, coap, interfaces, options, open);
      return new UdpListeners(coap, plain, groups);
    } catch (error) {
      await Promise.all(opened.map((socket) => socket.close()));
      throw error;
    }
  }

  /** What is bound, with the ports that the kernel chose. */
  addresses(): BoundAddress[] {
    return [
      ...this.#coap.map((socket) => describeSocket("coap", socket)),
      ...this.#plain.map((socket) => describeSocket("plain", socket)),
    ];
  }

  /** Datagrams that the kernel dropped because a receive buffer was full; undefined where it does not say. */
  async kernelDrops(): Promise<number | undefined> {
    const ports = new Set([...this.#coap, ...this.#plain].map((socket) => socket.port));
    try {
      return sumKernelDrops(await readFile("/proc/net/udp6", "utf8"), ports);
    } catch {
      return undefined;
    }
  }

  /** Closes every socket once the answers that wait have left. */
  async close(): Promise<void> {
    await Promise.all([...this.#coap, ...this.#plain, ...this.#groups].map((socket) => socket.close()));
  }
}

function describeSocket(kind: "coap" | "plain", socket: UdpSocket): BoundAddress {
  return { kind, address: socket.address, port: socket.port, recvBufferBytes: socket.recvBufferBytes };
}

/**
 * Sockets of their own, bound to the groups' addresses: that is how to know that a request was sent to a group, since
 * Node does not tell the destination. A link group needs one for each link; the site group has one that joins on every
 * interface, because two would both get what arrives on either. Answers leave from the first unicast socket.
 */
async function joinGroups(
  replyVia: UdpSocket,
  coap: readonly UdpSocket[],
  interfaces: readonly string[],
  { ingest, log }: UdpListenersOptions,
  open: (address: ListenAddress, handle: DatagramHandler, group: boolean) => Promise<UdpSocket>,
): Promise<UdpSocket[]> {
  const handle: DatagramHandler = (bytes, from, port, receivedUs) =>
    ingest.handleMulticast(bytes, ingest.endpoint(from, port), receivedUs, replyVia.reply);
  const sockets: UdpSocket[] = [];
  const join = async (group: string, address: string, names: readonly string[]): Promise<void> => {
    try {
      const socket = await open({ address, port: replyVia.port }, handle, true);
      sockets.push(socket);
      for (const name of names) {
        socket.join(group, name);
        for (const unicast of coap) if (unicast.address === "::") unicast.shun(group, name);
      }
    } catch (error) {
      log.warn("multicast-not-joined", { group, interfaces: names, reason: messageOf(error) });
    }
  };
  // The system takes a name that it does not know for "any interface", so the names are checked here.
  const present = networkInterfaces();
  const known = interfaces.filter((name) => present[name] !== undefined);
  for (const name of interfaces) {
    if (!known.includes(name)) log.warn("multicast-not-joined", { interfaces: [name], reason: "no such interface" });
  }
  for (const name of known) await join(COAP_GROUP_LINK, `${COAP_GROUP_LINK}%${name}`, [name]);
  if (known.length > 0) await join(COAP_GROUP_SITE, COAP_GROUP_SITE, known);
  return sockets;
}
