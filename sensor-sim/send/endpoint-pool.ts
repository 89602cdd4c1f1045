import { createSocket, type Socket } from "node:dgram";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import type { PlannedEndpoint } from "../plan/planned-frame.ts";

const SOCKET_BUFFER_BYTES = 1024 * 1024;

export interface Target {
  readonly address: string;
  readonly port: number;
}

/** A socket connected to the gateway; several endpoints share it when there are more endpoints than sockets. */
export interface PoolSocket {
  readonly index: number;
  readonly socket: Socket;
  /** `[address]:port` of this side. */
  readonly name: string;
}

/** One UDP socket per simulated endpoint, up to a limit per address; beyond that, endpoints share. */
export class EndpointPool {
  readonly sockets: readonly PoolSocket[];
  readonly #ofEndpoint: Uint32Array;
  /** Send errors such as ECONNREFUSED: as on a real network, they mean that a datagram is lost. */
  sendErrors = 0;

  private constructor(sockets: readonly PoolSocket[], ofEndpoint: Uint32Array) {
    this.sockets = sockets;
    this.#ofEndpoint = ofEndpoint;
    for (const { socket } of sockets) socket.on("error", () => this.sendErrors++);
  }

  /** Throws LISTEN_FAILED when a source address is not one of this machine's. */
  static async open(endpoints: readonly PlannedEndpoint[], target: Target, limit: number): Promise<EndpointPool> {
    const byAddress = Map.groupBy(endpoints.keys(), (index) => endpoints[index]!.address);
    const limitPerAddress = Math.max(1, Math.floor(limit / byAddress.size));
    const ofEndpoint = new Uint32Array(endpoints.length);
    const sockets: PoolSocket[] = [];
    try {
      for (const [address, indexes] of byAddress) {
        const first = sockets.length;
        const count = Math.min(indexes.length, limitPerAddress);
        for (let opened = 0; opened < count; opened++) {
          sockets.push(await openSocket(sockets.length, address, target));
        }
        for (const [position, endpoint] of indexes.entries()) ofEndpoint[endpoint] = first + (position % count);
      }
    } catch (error) {
      for (const { socket } of sockets) socket.close();
      throw error;
    }
    return new EndpointPool(sockets, ofEndpoint);
  }

  socketOf(endpoint: number): PoolSocket {
    return this.sockets[this.#ofEndpoint[endpoint]!]!;
  }

  /** Bytes that wait in this process because the kernel does not take them. */
  get queuedBytes(): number {
    let bytes = 0;
    for (const { socket } of this.sockets) bytes += socket.getSendQueueSize();
    return bytes;
  }

  close(): void {
    for (const { socket } of this.sockets) socket.close();
  }
}

async function openSocket(index: number, address: string, target: Target): Promise<PoolSocket> {
  const socket = createSocket({
    type: "udp6",
    recvBufferSize: SOCKET_BUFFER_BYTES,
    sendBufferSize: SOCKET_BUFFER_BYTES,
  });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind({ address, port: 0 }, () => socket.connect(target.port, target.address, resolve));
    });
  } catch (error) {
    socket.close();
    throw new PaddockError(
      "LISTEN_FAILED",
      `A sensor cannot send from ${address} to [${target.address}]:${target.port}: ${messageOf(error)}.`,
      { cause: error },
    );
  }
  socket.removeAllListeners("error");
  const local = socket.address();
  return { index, socket, name: `[${local.address}]:${local.port}` };
}
