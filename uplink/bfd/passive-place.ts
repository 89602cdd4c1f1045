import { createHmac } from "node:crypto";
import { BFD_PACKET_BYTES, type DecodedBfdPacket, encodeBfdPacket } from "@paddock/wire/bfd-packet.ts";
import { SLOW_INTERVAL_US } from "./intervals.ts";
import type { Arrival } from "./session-directory.ts";
import {
  isLinkLocal,
  parseSession,
  type PortSet,
  sessionPorts,
  type SessionSpec,
  type SessionSpecInput,
  sessionTimers,
} from "./session-spec.ts";

/** Whom to take as a peer without knowing it beforehand, and how to talk to it. */
export interface PassivePeers {
  /** Whether to answer this address at all. */
  readonly allows: (remote: string) => boolean;
  /** Whether there is room for one more peer, now; by default always. A peer that is one already needs none to move. */
  readonly hasRoom?: () => boolean;
  /** What its session is like; the rest has its defaults. */
  readonly session?: Pick<SessionSpecInput, "intervalMs" | "detectMult" | "remotePort">;
}

/**
 * A local address at which strangers may become peers. A stranger gets one packet for each of its own, no longer than
 * that, and costs nothing else, until it echoes the discriminator that only its claimed address has been told: who
 * makes up a source address neither gets a session nor has anybody sent more than he sent himself.
 */
export class PassivePlace {
  readonly #at: Omit<Arrival, "remote">;
  readonly #peers: PassivePeers;
  readonly #secret: Buffer;
  /** A session from here to here: the part of it that is the same for every peer. */
  readonly #template: SessionSpec;

  /** `secret` is known to nobody else and lives as long as the place. Throws BFD_INVALID or CONFIG_INVALID. */
  constructor(at: Omit<Arrival, "remote">, peers: PassivePeers, secret: Buffer) {
    this.#at = at;
    this.#peers = peers;
    this.#secret = secret;
    this.#template = parseSession(this.session(at.local));
  }

  get hasRoom(): boolean {
    return this.#peers.hasRoom?.() ?? true;
  }

  /** Whether a peer may speak from this address. */
  allows(remote: string): boolean {
    return isLinkLocal(remote) === isLinkLocal(this.#at.local) && this.#peers.allows(remote);
  }

  /** The session with a peer that has proven itself. */
  session(remote: string): SessionSpecInput {
    const { kind, local, localPort } = this.#at;
    return { ...this.#peers.session, name: `${local} ${remote}`, kind, local, remote, localPort, passive: true };
  }

  /** Where greetings go. */
  remotePort(ports: PortSet): number {
    return sessionPorts(this.#template, ports).remotePort;
  }

  /**
   * The answer to a stranger's first packets: Down, as a session's own first answer, so that it goes on to Init and
   * echoes our discriminator. Undefined for what no session begins with. `isFree` tells whether a discriminator has no
   * session.
   */
  greeting(packet: DecodedBfdPacket, remote: string, isFree: (discriminator: number) => boolean): Buffer | undefined {
    if (packet.state !== "down" || packet.authenticated || packet.lengthBytes < BFD_PACKET_BYTES) return undefined;
    const myDiscriminator = this.#discriminators(remote, packet.myDiscriminator).find(isFree);
    if (myDiscriminator === undefined) return undefined;
    const { requiredMinRxUs, desiredMinTxUs, detectMult } = sessionTimers(this.#template);
    return encodeBfdPacket({
      diagnostic: 0,
      state: "down",
      poll: false,
      final: packet.poll,
      controlPlaneIndependent: false,
      demand: false,
      detectMult,
      myDiscriminator,
      yourDiscriminator: packet.myDiscriminator,
      desiredMinTxUs: Math.max(SLOW_INTERVAL_US, desiredMinTxUs),
      requiredMinRxUs,
      requiredMinEchoRxUs: 0,
    });
  }

  /** Whether a packet echoes what its source was told in a greeting: so it is where it says it is. */
  isProof(packet: DecodedBfdPacket, remote: string): boolean {
    return this.#discriminators(remote, packet.myDiscriminator).includes(packet.yourDiscriminator);
  }

  /** What this peer may be told to call us; several, as one of them may be taken. Nothing of it is remembered. */
  #discriminators(remote: string, peersDiscriminator: number): number[] {
    const { kind, local, localPort } = this.#at;
    const whom = JSON.stringify([kind, local, localPort, remote, peersDiscriminator]);
    const digest = createHmac("sha256", this.#secret).update(whom).digest();
    return [0, 4, 8, 12].map((offset) => digest.readUInt32BE(offset)).filter((word) => word !== 0);
  }
}
