import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** A TCP relay on ::1 that stands for one uplink: it can be cut, or go silent while it stays connected. */
export class TcpRelay {
  readonly #target: () => number;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;
  #silent = false;
  #cut = false;

  constructor(target: () => number) {
    this.#target = target;
  }

  get endpoint(): string {
    return `https://[::1]:${this.#port}`;
  }

  async listen(): Promise<void> {
    const server = createServer((inner) => this.#join(inner));
    await new Promise<void>((resolve) => server.listen({ host: "::1", port: 0 }, resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Breaks every connection and every new one. */
  cut(): void {
    this.#cut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Passes nothing on any more, in connections old and new, and says nothing about it. */
  silence(): void {
    this.#silent = true;
    for (const socket of this.#sockets) socket.pause();
  }

  heal(): void {
    this.#cut = false;
    this.#silent = false;
    for (const socket of this.#sockets) socket.resume();
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server?.close(() => resolve()));
    this.cut();
    await closed;
  }

  #join(inner: Socket): void {
    if (this.#cut) return void inner.destroy();
    const outer = connect({ host: "::1", port: this.#target() });
    for (const [from, to] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      this.#sockets.add(from);
      from.on("data", (chunk) => void to.write(chunk));
      from.on("error", () => {});
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      if (this.#silent) from.pause();
    }
  }
}
