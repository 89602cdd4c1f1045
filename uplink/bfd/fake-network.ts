import type { Clock } from "@paddock/base/clock.ts";
import type { Channel, Listener, OnDatagram, OnProblem, Route, Sender, Transport } from "./transport.ts";

/** Wires speakers together in virtual time, for tests. Addresses are whatever the sessions say. */
export class FakeNetwork implements Transport {
  readonly #clock: Clock;
  /** Several sessions may share one; whoever came first hears for all. */
  readonly #listeners = new Map<string, Set<OnDatagram>>();
  /** Whether a datagram arrives; default all do. */
  passes: (from: string, to: string, datagram: Buffer) => boolean = () => true;
  /** How long a datagram is under way, in ms. */
  delayMs: () => number = () => 0.2;
  /** Answers datagrams to ports on which no speaker listens, as a reflector does. */
  answer: (datagram: Buffer, route: Route) => Buffer | undefined = () => undefined;
  readonly sent: { route: Route; datagram: Buffer }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  listen(local: string, port: number, onDatagram: OnDatagram, _onProblem: OnProblem): Listener {
    const key = `${local} ${port}`;
    const users = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, users);
    users.add(onDatagram);
    return { close: () => void users.delete(onDatagram) };
  }

  connect(route: Route, onDatagram: OnDatagram, _onProblem: OnProblem): Channel {
    let open = true;
    let to = route;
    return {
      send: (packet) => this.#send(Buffer.from(packet), to, (answer, from) => open && onDatagram(answer, from)),
      turn: (remote) => {
        to = { ...to, remote };
      },
      close: () => {
        open = false;
      },
    };
  }

  sender(local: string, _onProblem: OnProblem): Sender {
    return {
      send: (packet, remote, remotePort) =>
        this.#send(Buffer.from(packet), { local, localPort: undefined, remote, remotePort }, () => {}),
      close: () => {},
    };
  }

  #send(datagram: Buffer, route: Route, onAnswer: OnDatagram): void {
    this.sent.push({ route, datagram });
    if (!this.passes(route.local, route.remote, datagram)) return;
    this.#clock.after(this.delayMs(), () => {
      const users = this.#listeners.get(`${route.remote} ${route.remotePort}`);
      const listener = users?.values().next().value;
      if (listener !== undefined) return listener(datagram, route.local);
      const answer = this.answer(datagram, route);
      if (answer !== undefined) this.#clock.after(0.2, () => onAnswer(answer, route.remote));
    });
  }
}
