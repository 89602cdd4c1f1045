import { accept, type Outcome, refuse } from "@paddock/base/outcome.ts";
import { type BfdAuth, type BfdAuthProblem, type BfdReplayState, verifyBfdPacket } from "@paddock/wire/bfd-auth.ts";
import type { BfdPacketProblem, DecodedBfdPacket } from "@paddock/wire/bfd-packet.ts";
import type { SessionKind } from "./session-spec.ts";

/** Every reason for which a datagram is not stepped into a session: RFC 5880 §6.8.6, and our own. */
export type RefusalCause =
  | BfdPacketProblem
  | BfdAuthProblem
  /** Your Discriminator names no session. */
  | "unknown-session"
  /** Your Discriminator is zero and no session is configured for this peer. */
  | "no-session"
  /** The first packet of a peer that gets a session once it has echoed our discriminator. */
  | "unproven"
  /** The session exists, but for another peer, port or address. */
  | "wrong-peer"
  /** Authentication where the session uses none, and the reverse. */
  | "auth-unexpected"
  | "auth-missing"
  /** A seamless initiator got something that is not the answer of its reflector; an echo, something it did not send. */
  | "not-an-answer";

/** What the last checks need to know of a session. */
export interface AdmissionContext {
  readonly kind: SessionKind;
  readonly discriminator: number;
  readonly remoteDiscriminator: number;
  readonly auth: BfdAuth | undefined;
  readonly replay: BfdReplayState;
}

/** The checks of RFC 5880 §6.8.6 that follow the choice of the session. Gives the replay state to keep. */
export function admit(
  session: AdmissionContext,
  packet: DecodedBfdPacket,
  datagram: Uint8Array,
): Outcome<BfdReplayState, RefusalCause> {
  if (session.kind === "seamless" || session.kind === "echo") {
    const isAnswer =
      packet.yourDiscriminator === session.discriminator &&
      packet.myDiscriminator === session.remoteDiscriminator &&
      !packet.demand &&
      (session.kind === "echo" || packet.state === "up" || packet.state === "admin-down");
    if (!isAnswer) return refuse("not-an-answer", "the discriminators, the Demand bit or the state do not fit.");
  }
  if (session.auth === undefined) {
    if (packet.authenticated) return refuse("auth-unexpected", "the packet is authenticated, the session is not.");
    return accept(undefined);
  }
  if (!packet.authenticated) return refuse("auth-missing", "the session is authenticated, the packet is not.");
  return verifyBfdPacket(datagram, packet.lengthBytes, packet.detectMult, session.auth, session.replay);
}
