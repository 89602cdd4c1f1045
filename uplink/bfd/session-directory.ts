import { isIPv6, SocketAddress } from "node:net";
import { PaddockError } from "@paddock/base/errors.ts";
import type { Random } from "@paddock/base/random.ts";
import { type PortSet, type SessionKind, sessionPorts, type SessionSpec } from "./session-spec.ts";
import type { SpeakerSession } from "./speaker-session.ts";

/** Where a datagram came in, and from whom. Addresses are canonical, as the kernel writes them. */
export interface Arrival {
  readonly kind: SessionKind;
  readonly local: string;
  readonly localPort: number;
  readonly remote: string;
}

/** The sessions of a speaker by owner and name, by our discriminator and by peer (RFC 5880 §6.3, RFC 5881 §3, RFC 5883 §4). */
export class SessionDirectory {
  readonly #ports: PortSet;
  readonly #byName = new Map<string, SpeakerSession>();
  readonly #byDiscriminator = new Map<number, SpeakerSession>();
  readonly #byPeer = new Map<string, SpeakerSession>();

  constructor(ports: PortSet) {
    this.#ports = ports;
  }

  get size(): number {
    return this.#byName.size;
  }

  all(): SpeakerSession[] {
    return [...this.#byName.values()];
  }

  find(owner: string, name: string): SpeakerSession | undefined {
    return this.#byName.get(sessionKey(owner, name));
  }

  /** Throws BFD_INVALID when this owner has no session of this name, and says so when another one has. */
  get(owner: string, name: string): SpeakerSession {
    const session = this.find(owner, name);
    if (session !== undefined) return session;
    const foreign = this.all().find(({ spec }) => spec.name === name);
    const whose = foreign === undefined ? "" : `; that of owner "${foreign.spec.owner}" is not yours`;
    const of = owner === "" ? "" : ` of owner "${owner}"`;
    throw new PaddockError("BFD_INVALID", `there is no session "${name}"${of}${whose}.`);
  }

  byDiscriminator(discriminator: number): SpeakerSession | undefined {
    return this.#byDiscriminator.get(discriminator);
  }

  byArrival(arrival: Arrival): SpeakerSession | undefined {
    return this.#byPeer.get(arrivalKey(arrival));
  }

  /**
   * Throws BFD_INVALID when the peer is watched already, as its first packets could not be told apart, and when the name
   * is taken, as the session that has it would go on unseen.
   */
  checkFree(spec: SessionSpec): void {
    if (this.find(spec.owner, spec.name) !== undefined) {
      throw new PaddockError("BFD_INVALID", `session "${spec.name}": there is one of this name already.`);
    }
    const other = this.#byPeer.get(this.peerKey(spec));
    if (other === undefined) return;
    const whose = other.spec.owner === spec.owner ? "" : ` of owner "${other.spec.owner}"`;
    throw new PaddockError(
      "BFD_INVALID",
      `session "${spec.name}": session "${other.spec.name}"${whose} watches the same peer from the same address.`,
    );
  }

  add(session: SpeakerSession): void {
    this.#byName.set(sessionKey(session.spec.owner, session.spec.name), session);
    this.#byDiscriminator.set(session.discriminator, session);
    this.#byPeer.set(session.peerKey, session);
  }

  remove(session: SpeakerSession): void {
    this.#byName.delete(sessionKey(session.spec.owner, session.spec.name));
    this.#byDiscriminator.delete(session.discriminator);
    this.#byPeer.delete(session.peerKey);
  }

  /** Finds the session by where its peer is now. */
  move(session: SpeakerSession, arrival: Arrival): void {
    this.#byPeer.delete(session.peerKey);
    session.at = arrival;
    session.peerKey = arrivalKey(arrival);
    this.#byPeer.set(session.peerKey, session);
  }

  /** Where a session's packets come in, and from whom, to begin with. */
  arrivalOf(spec: SessionSpec): Arrival {
    const { localPort } = sessionPorts(spec, this.#ports);
    const { kind, local, remote = local } = spec;
    return { kind, local: canonicalAddress(local), localPort, remote: canonicalAddress(remote) };
  }

  freeDiscriminator(random: Random): number {
    for (;;) {
      const candidate = random.uint32();
      if (candidate !== 0 && !this.#byDiscriminator.has(candidate)) return candidate;
    }
  }

  peerKey(spec: SessionSpec): string {
    const { remotePort } = sessionPorts(spec, this.#ports);
    // Answers to a seamless initiator come to its own socket, so several may probe one reflector through relays.
    const suffix = spec.kind === "seamless" ? ` ${remotePort} ${sessionKey(spec.owner, spec.name)}` : "";
    return arrivalKey(this.arrivalOf(spec)) + suffix;
  }
}

/** One key for an owner and a name, whatever characters they have. */
export function sessionKey(owner: string, name: string): string {
  return JSON.stringify([owner, name]);
}

export function arrivalKey(arrival: Arrival): string {
  return `${arrivalPlace(arrival)} ${arrival.remote}`;
}

/** The listener that packets come in by. */
export function arrivalPlace({ kind, local, localPort }: Omit<Arrival, "remote">): string {
  return `${kind} ${local} ${localPort}`;
}

/** One spelling for an address, as the kernel writes it; anything else stays as it is. */
export function canonicalAddress(text: string): string {
  const [address = "", zone] = text.split("%");
  if (!isIPv6(address)) return text;
  const canonical = new SocketAddress({ address, family: "ipv6" }).address;
  return zone === undefined ? canonical : `${canonical}%${zone}`;
}
