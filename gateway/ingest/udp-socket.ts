import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { networkInterfaces } from "node:os";
import type { Clock } from "@paddock/base/clock.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import type { Reply } from "./datagram.ts";

/** Receives datagrams with the sender as text and port. `reply` stays the same object for a socket's whole life. */
export type DatagramHandler = (
  bytes: Uint8Array,
  address: string,
  port: number,
  receivedUs: number,
  reply: Reply,
) => void;

export interface UdpSocketOptions {
  readonly address: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly handle: DatagramHandler;
  /** Called for each answer that could not be sent. */
  readonly sendFailed: () => void;
  /** Called for each datagram whose handling threw: a fault of this program, of which the log has the stack. */
  readonly handlerFailed: () => void;
  /** Makes the socket beneath; for tests. */
  readonly createSocket?: typeof createSocket;
  /**
   * Set where several sockets are bound to the same port: "wildcard" for the one on `::`, which must be this process's
   * alone, "beside" for those of single addresses and of multicast groups beside it.
   */
  readonly shared?: "wildcard" | "beside" | undefined;
  /** Says nothing about a small receive buffer, where another socket has said it. */
  readonly quiet?: boolean;
}

/**
 * Bytes of receive buffer to ask for. A small datagram is charged 768 bytes, so this holds some 11,000 of them: what
 * arrives at 100,000 datagrams/s while the process is away for 100 ms.
 */
export const RECV_BUFFER_BYTES = 4 * 1024 * 1024;
/** Bytes of answers that may wait for a full send buffer; the next ones are dropped, as the network itself may. */
const SEND_QUEUE_BYTES_MAX = 1024 * 1024;
/** Turns of the event loop that `close` gives to answers that wait. */
const CLOSE_TURNS_MAX = 1000;

/** A udp6 socket that survives what the network does to it. */
export class UdpSocket {
  /** What is bound; a link-local address with its zone. */
  readonly address: string;
  readonly port: number;
  readonly #socket: Socket;
  readonly #sendFailed: () => void;
  readonly #log: Log;
  readonly #errors = new Map<string, number>();
  #closed = false;

  private constructor(socket: Socket, options: UdpSocketOptions) {
    const { address, port } = socket.address();
    this.address = address;
    this.port = port;
    this.#socket = socket;
    this.#sendFailed = options.sendFailed;
    this.#log = options.log;
    const { handle, clock } = options;
    socket.on("message", (bytes, remote) => {
      // Whatever one datagram meets, the next ones must be taken: an exception here would end the process.
      try {
        handle(bytes, remote.address, remote.port, clock.monotonicUs(), this.reply);
      } catch (error) {
        options.handlerFailed();
        this.#noteError(error, "datagram-failed");
      }
    });
    socket.on("error", (error) => this.#noteError(error));
  }

  /** Binds a socket. Throws LISTEN_FAILED. */
  static async open(options: UdpSocketOptions): Promise<UdpSocket> {
    const { address, port, log } = options;
    // A shared address would silently be shared with another gateway too; a socket that does not share finds that out.
    const create = options.createSocket ?? createSocket;
    if (options.shared === "wildcard" && port !== 0) (await bindSocket(create, address, port, false)).close();
    const socket = await bindSocket(create, address, port, options.shared !== undefined);
    const opened = new UdpSocket(socket, options);
    if (options.quiet !== true && opened.recvBufferBytes < RECV_BUFFER_BYTES) {
      log.warn("receive-buffer-small", {
        address,
        port: opened.port,
        bytes: opened.recvBufferBytes,
        asked: RECV_BUFFER_BYTES,
        remedy: `sysctl -w net.core.rmem_max=${RECV_BUFFER_BYTES}`,
      });
    }
    return opened;
  }

  /** Bytes that the kernel granted. Linux says twice that much, to cover its own overhead (socket(7), SO_RCVBUF). */
  get recvBufferBytes(): number {
    return this.#socket.getRecvBufferSize() / (process.platform === "linux" ? 2 : 1);
  }

  /** Sends an answer from this socket; dropped when the socket is closed or cannot keep up. Never throws. */
  readonly reply: Reply = (bytes, to) => {
    if (this.#closed) {
      this.#sendFailed();
      return;
    }
    // node:dgram tells part of what goes wrong by throwing: a port that it does not take, a socket that has ended.
    try {
      if (this.#socket.getSendQueueSize() > SEND_QUEUE_BYTES_MAX) this.#sendFailed();
      else this.#socket.send(bytes, to.port, to.host.text, this.#sent);
    } catch (error) {
      this.#sendFailed();
      this.#noteError(error);
    }
  };

  /** Joins a group on an interface. Throws when the interface is not there. */
  join(group: string, interfaceName: string): void {
    // The system takes a name that it does not know for "any interface".
    if (networkInterfaces()[interfaceName] === undefined) throw new Error(`${interfaceName}: no such interface`);
    this.#socket.addMembership(group, `::%${interfaceName}`);
  }

  /**
   * Keeps a wildcard socket from getting what is sent to a group: Linux gives it all groups of the machine, unless it
   * has a filter of its own for a group. This one admits a source only that never sends (RFC 6666).
   */
  shun(group: string, interfaceName: string): void {
    this.#socket.addSourceSpecificMembership(DISCARD_ADDRESS, group, `::%${interfaceName}`);
  }

  /** Closes once the answers that wait have left. */
  async close(): Promise<void> {
    if (this.#closed) return;
    for (let turn = 0; turn < CLOSE_TURNS_MAX && this.#socket.getSendQueueCount() > 0; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#closed = true;
    this.#socket.close();
    await once(this.#socket, "close");
  }

  readonly #sent = (error: Error | null): void => {
    if (error === null || error === undefined) return;
    this.#sendFailed();
    this.#noteError(error);
  };

  /** One line for the first error of a kind, then at every doubling: an unreachable sender must not fill the log. */
  #noteError(error: unknown, event: "udp-error" | "datagram-failed" = "udp-error"): void {
    const code = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.name) : "thrown";
    const kind = `${event} ${code}`;
    const count = (this.#errors.get(kind) ?? 0) + 1;
    this.#errors.set(kind, count);
    if ((count & (count - 1)) !== 0) return;
    if (event === "udp-error") this.#log.warn(event, { code, count, message: messageOf(error) });
    else this.#log.error(event, { code, count, stack: (error as Error).stack ?? messageOf(error) });
  }
}

const DISCARD_ADDRESS = "100::1";

async function bindSocket(
  create: typeof createSocket,
  address: string,
  port: number,
  reuseAddr: boolean,
): Promise<Socket> {
  const socket = create({
    type: "udp6",
    ipv6Only: true,
    reuseAddr,
    recvBufferSize: RECV_BUFFER_BYTES,
    // Addresses come from the kernel or the configuration: there is nothing to look up.
    lookup: (host, _options, callback) => callback(null, host, 6),
  });
  try {
    // Without a look-up the event may come before `bind` returns.
    const listening = once(socket, "listening");
    socket.bind({ address, port });
    await listening;
    return socket;
  } catch (error) {
    socket.close();
    const text = `UDP [${address}]:${port} cannot be bound: ${messageOf(error)}.`;
    throw new PaddockError("LISTEN_FAILED", text, { cause: error });
  }
}
