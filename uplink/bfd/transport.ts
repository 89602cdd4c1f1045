/** What the speaker needs from the network; udp-transport.ts is the real one, tests pass their own. */
export interface Transport {
  /** Receives datagrams for `local` and `port`; several sessions may share one listener. */
  listen(local: string, port: number, onDatagram: OnDatagram, onProblem: OnProblem): Listener;
  /** Sends from `local` to one peer; answers that come back to the same socket go to `onDatagram`. */
  connect(route: Route, onDatagram: OnDatagram, onProblem: OnProblem): Channel;
  /** Sends from `local`, by a port of the range of RFC 5881 §4, to whomever each packet is for. */
  sender(local: string, onProblem: OnProblem): Sender;
}

export interface Route {
  readonly local: string;
  /** Undefined: a port of the range that RFC 5881 §4 demands, 49152 to 65535, that nobody else has. */
  readonly localPort: number | undefined;
  readonly remote: string;
  readonly remotePort: number;
}

export type OnDatagram = (datagram: Buffer, from: string) => void;
/** `code` is a system error such as EADDRNOTAVAIL or ECONNREFUSED. */
export type OnProblem = (code: string) => void;

export interface Listener {
  close(): void;
}

export interface Channel {
  /** Drops the packet when the socket is not open yet: the next one is never far. */
  send(packet: Uint8Array): void;
  /** Goes on toward another address, from the same port. */
  turn(remote: string): void;
  close(): void;
}

export interface Sender {
  /** Drops the packet when the socket is not open yet. Never throws. */
  send(packet: Uint8Array, remote: string, remotePort: number): void;
  close(): void;
}
