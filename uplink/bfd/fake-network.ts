import type { Clock } from "@paddock/base/clock.ts";
import type { Channel, Listener, OnDatagram, OnProblem, Route, Transport } from "./transport.ts";

/** Wires speakers together in virtual time, for tests. Addresses are whatever the sessions say. */
export class FakeNetwork implements Transport {
  readonly #clock: Clock;
  readonly #listeners = new Map<string, OnDatagram>();
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
    this.#listeners.set(key, onDatagram);
    return { close: () => void this.#listeners.delete(key) };
  }

  connect(route: Route, onDatagram: OnDatagram, _onProblem: OnProblem): Channel {
    let open = true;
    return {
      send: (packet) => {
        const datagram = Buffer.from(packet);
        this.sent.push({ route, datagram });
        if (!open || !this.passes(route.local, route.remote, datagram)) return;
        this.#clock.after(this.delayMs(), () => {
          const listener = this.#listeners.get(`${route.remote} ${route.remotePort}`);
          if (listener !== undefined) return listener(datagram, route.local);
          const answer = this.answer(datagram, route);
          if (answer !== undefined && open) this.#clock.after(0.2, () => onDatagram(answer, route.remote));
        });
      },
      close: () => {
        open = false;
      },
    };
  }
}
