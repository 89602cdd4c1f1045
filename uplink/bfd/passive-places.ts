import type { DecodedBfdPacket } from "@paddock/wire/bfd-packet.ts";
import { PassivePlace, type PassivePeers } from "./passive-place.ts";
import { type Arrival, arrivalPlace } from "./session-directory.ts";
import type { PortSet, SessionSpecInput } from "./session-spec.ts";
import type { Listener, OnDatagram, OnProblem, Sender, Transport } from "./transport.ts";

interface OpenPlace {
  readonly place: PassivePlace;
  readonly sender: Sender;
}

/** The addresses of a speaker at which peers are taken that nobody configured. */
export class PassivePlaces {
  readonly #transport: Transport;
  readonly #ports: PortSet;
  /** What tells our greetings from what others make up. */
  readonly #secret: Buffer;
  readonly #open = new Map<string, OpenPlace>();

  constructor(transport: Transport, ports: PortSet, secret: Buffer) {
    this.#transport = transport;
    this.#ports = ports;
    this.#secret = secret;
  }

  /** Throws BFD_INVALID or CONFIG_INVALID for sessions that cannot be. */
  open(at: Omit<Arrival, "remote">, peers: PassivePeers, onDatagram: OnDatagram, onProblem: OnProblem): Listener {
    const key = arrivalPlace(at);
    const place = new PassivePlace(at, peers, this.#secret);
    const listener = this.#transport.listen(at.local, at.localPort, onDatagram, onProblem);
    const sender = this.#transport.sender(at.local, onProblem);
    this.#open.set(key, { place, sender });
    return {
      close: () => {
        this.#open.delete(key);
        listener.close();
        sender.close();
      },
    };
  }

  /** Whether a peer of this place may speak from this address; undefined where there is no such place. */
  allows(arrival: Arrival): boolean | undefined {
    return this.#open.get(arrivalPlace(arrival))?.place.allows(arrival.remote);
  }

  /**
   * What a packet leads to that belongs to no session: the session to make with a peer that has proven itself, a greeting
   * that has been sent, or nothing. `isFree` tells whether a discriminator has no session.
   */
  hear(
    arrival: Arrival,
    packet: DecodedBfdPacket,
    isFree: (discriminator: number) => boolean,
  ): SessionSpecInput | "greeted" | undefined {
    const { remote } = arrival;
    const open = this.#open.get(arrivalPlace(arrival));
    if (open === undefined || !open.place.hasRoom || !open.place.allows(remote)) return undefined;
    if (packet.yourDiscriminator !== 0) {
      return open.place.isProof(packet, remote) ? open.place.session(remote) : undefined;
    }
    const greeting = open.place.greeting(packet, remote, isFree);
    if (greeting === undefined) return undefined;
    open.sender.send(greeting, remote, open.place.remotePort(this.#ports));
    return "greeted";
  }
}
