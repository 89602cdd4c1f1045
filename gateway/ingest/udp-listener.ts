import { readFile } from "node:fs/promises";
import type { Clock } from "@paddock/base/clock.ts";
import type { Log } from "@paddock/base/log.ts";
import { bindPatiently } from "@paddock/base/patient-bind.ts";
import type { LocalAddress } from "@paddock/uplink/paths/source-address.ts";
import { AddressSockets } from "./address-sockets.ts";
import { GroupSockets } from "./group-sockets.ts";
import type { Ingest } from "./ingest.ts";
import { sumKernelDrops } from "./kernel-drops.ts";
import { isAnyAddress, linksOf } from "./links.ts";
import { UdpSocket, type DatagramHandler, type UdpSocketOptions } from "./udp-socket.ts";

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
  /** Whether to take requests to All CoAP Nodes on every link that reaches a CoAP listener. */
  readonly multicast?: boolean;
  /** The addresses of this machine at the start; `follow` tells later ones. */
  readonly addresses?: readonly LocalAddress[];
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
  readonly #beside: readonly AddressSockets[];
  readonly #groups: GroupSockets | undefined;
  #kernelDrops = 0;

  private constructor(
    coap: readonly UdpSocket[],
    plain: readonly UdpSocket[],
    beside: readonly AddressSockets[],
    groups: GroupSockets | undefined,
  ) {
    this.#coap = coap;
    this.#plain = plain;
    this.#beside = beside;
    this.#groups = groups;
  }

  /**
   * Binds everything that is configured, or nothing: throws LISTEN_FAILED. An address beside a wildcard that cannot be
   * bound, and a group that cannot be joined, are only warned of.
   */
  static async open(options: UdpListenersOptions): Promise<UdpListeners> {
    const { ingest, clock, log, listen, plainListen = [], multicast = false, addresses = [] } = options;
    const opened: UdpSocket[] = [];
    const sendFailed = (): void => void ingest.counters.sendErrors++;
    const handlerFailed = (): void => void ingest.counters.handlerFailures++;
    const common = { clock, log, sendFailed, handlerFailed };
    const open = async (
      where: Pick<UdpSocketOptions, "address" | "port" | "handle" | "shared">,
    ): Promise<UdpSocket> => {
      const { address } = where;
      const socket = await bindPatiently(() => UdpSocket.open({ ...common, ...where }), { address, clock, log });
      opened.push(socket);
      return socket;
    };
    const openBeside = (address: string, port: number, handle: DatagramHandler): Promise<UdpSocket> =>
      UdpSocket.open({ ...common, address, port, handle, shared: "beside", quiet: true });
    const handleCoap: DatagramHandler = (bytes, from, port, receivedUs, reply) =>
      ingest.handleDatagram(bytes, ingest.endpoint(from, port), receivedUs, reply);
    const handlePlain: DatagramHandler = (bytes, from, port, receivedUs) =>
      ingest.handlePlain(bytes, ingest.endpoint(from, port), receivedUs);
    try {
      const coap: UdpSocket[] = [];
      const beside: AddressSockets[] = [];
      for (const { address, port } of listen) {
        const wildcard = isAnyAddress(address);
        const socket = await open({ address, port, handle: handleCoap, shared: wildcard ? "wildcard" : undefined });
        coap.push(socket);
        if (!wildcard) continue;
        const bound = socket.port;
        beside.push(new AddressSockets({ port: bound, log, open: (own) => openBeside(own, bound, handleCoap) }));
      }
      const plain: UdpSocket[] = [];
      // No answer leaves these, so it does not matter which of the addresses was asked.
      for (const where of plainListen) plain.push(await open({ ...where, handle: handlePlain }));
      const handler =
        (replyVia: UdpSocket): DatagramHandler =>
        (bytes, from, port, receivedUs) =>
          ingest.handleMulticast(bytes, ingest.endpoint(from, port), receivedUs, replyVia.reply);
      const groups = multicast ? new GroupSockets({ log, listeners: coap, handler, open: openBeside }) : undefined;
      const listeners = new UdpListeners(coap, plain, beside, groups);
      await listeners.follow(addresses);
      return listeners;
    } catch (error) {
      await Promise.all(opened.map((socket) => socket.close()));
      throw error;
    }
  }

  /** Whether anything here depends on the addresses of this machine, so that `follow` is of use. */
  get follows(): boolean {
    return this.#beside.length > 0 || this.#groups !== undefined;
  }

  /** Brings the sockets of single addresses and of groups in line with the kernel's list. Never rejects. */
  async follow(addresses: readonly LocalAddress[]): Promise<void> {
    const links = linksOf(addresses);
    await Promise.all([...this.#beside.map((sockets) => sockets.follow(addresses)), this.#groups?.follow(links)]);
  }

  /** What is configured and bound, with the ports that the kernel chose. */
  addresses(): BoundAddress[] {
    return [
      ...this.#coap.map((socket) => describeSocket("coap", socket)),
      ...this.#plain.map((socket) => describeSocket("plain", socket)),
    ];
  }

  /** The groups that are joined, as `ff02::fd%eth0#2`. */
  groups(): string[] {
    return this.#groups?.joined() ?? [];
  }

  /** Addresses that answer from a socket of their own beside a wildcard. */
  get ownSockets(): number {
    return this.#beside.reduce((sum, { count }) => sum + count, 0);
  }

  /**
   * Datagrams that the kernel dropped because a receive buffer was full; undefined where it does not say. It never goes
   * back, though the kernel forgets what it counted of a socket that is closed.
   */
  async kernelDrops(): Promise<number | undefined> {
    const ports = new Set([...this.#coap, ...this.#plain].map((socket) => socket.port));
    try {
      this.#kernelDrops = Math.max(this.#kernelDrops, sumKernelDrops(await readFile("/proc/net/udp6", "utf8"), ports));
      return this.#kernelDrops;
    } catch {
      return undefined;
    }
  }

  /** Closes every socket once the answers that wait have left. */
  async close(): Promise<void> {
    const sets = [...this.#beside, ...(this.#groups === undefined ? [] : [this.#groups])];
    await Promise.all([...this.#coap, ...this.#plain, ...sets].map((socket) => socket.close()));
  }
}

function describeSocket(kind: "coap" | "plain", socket: UdpSocket): BoundAddress {
  return { kind, address: socket.address, port: socket.port, recvBufferBytes: socket.recvBufferBytes };
}
