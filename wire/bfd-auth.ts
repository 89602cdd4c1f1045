import { createHash, timingSafeEqual } from "node:crypto";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { BFD_PACKET_BYTES, markAuthenticated } from "./bfd-packet.ts";

/**
 * Authentication of control packets, RFC 5880 §4.2 to §4.4 and §6.7. The keyed digests are the hash of the packet with
 * the secret, zero-padded, in the place of the digest; they are not HMACs.
 */
export const BFD_AUTH_TYPES = [
  "simple-password",
  "keyed-md5",
  "meticulous-keyed-md5",
  "keyed-sha1",
  "meticulous-keyed-sha1",
] as const;
export type BfdAuthType = (typeof BFD_AUTH_TYPES)[number];

export interface BfdKey {
  /** 0 to 255; both ends must agree. */
  readonly id: number;
  /** 1 to 16 bytes for passwords and MD5, 1 to 20 for SHA-1. */
  readonly secret: Uint8Array;
}

export interface BfdAuth {
  readonly type: BfdAuthType;
  /** The first one signs; all are accepted. To rotate: add the new one last everywhere, then move it to the front. */
  readonly keys: readonly [BfdKey, ...BfdKey[]];
}

/** The newest sequence number taken from the peer (bfd.RcvAuthSeq); undefined while none is known (bfd.AuthSeqKnown). */
export type BfdReplayState = number | undefined;

export type BfdAuthProblem =
  /** The section is of another type than the session uses. */
  | "auth-type"
  /** The section's length does not fit its type, or the packet. */
  | "auth-length"
  | "auth-key-id"
  | "auth-sequence"
  /** Wrong password or digest. */
  | "auth-digest";

interface Scheme {
  readonly code: number;
  readonly hash: "md5" | "sha1" | undefined;
  readonly digestBytes: number;
  readonly meticulous: boolean;
}

const SCHEMES: Readonly<Record<BfdAuthType, Scheme>> = {
  "simple-password": { code: 1, hash: undefined, digestBytes: 16, meticulous: false },
  "keyed-md5": { code: 2, hash: "md5", digestBytes: 16, meticulous: false },
  "meticulous-keyed-md5": { code: 3, hash: "md5", digestBytes: 16, meticulous: true },
  "keyed-sha1": { code: 4, hash: "sha1", digestBytes: 20, meticulous: false },
  "meticulous-keyed-sha1": { code: 5, hash: "sha1", digestBytes: 20, meticulous: true },
};

/** Bytes of type, length, key id, reserved and sequence number before a digest. */
const DIGEST_HEAD_BYTES = 8;
/** Bytes of type, length and key id before a password. */
const PASSWORD_HEAD_BYTES = 3;

/** Bytes that a secret of this type may have at most (RFC 5880 §4.2 to §4.4). */
export function secretBytesMax(type: BfdAuthType): number {
  return SCHEMES[type].digestBytes;
}

/**
 * The packet with its authentication section. `packet` is what `encodeBfdPacket` made; `sequence` is bfd.XmitAuthSeq,
 * 0 to 2^32-1, and must grow with every packet of a meticulous type. A password carries no sequence.
 */
export function signBfdPacket(packet: Uint8Array, auth: BfdAuth, sequence: number): Buffer {
  const scheme = SCHEMES[auth.type];
  const key = auth.keys[0];
  const sectionBytes =
    scheme.hash === undefined ? PASSWORD_HEAD_BYTES + key.secret.length : DIGEST_HEAD_BYTES + scheme.digestBytes;
  const signed = Buffer.alloc(BFD_PACKET_BYTES + sectionBytes);
  signed.set(packet);
  markAuthenticated(signed, sectionBytes);
  signed[24] = scheme.code;
  signed[25] = sectionBytes;
  signed[26] = key.id;
  if (scheme.hash === undefined) {
    signed.set(key.secret, 27);
    return signed;
  }
  signed.writeUInt32BE(sequence, 28);
  signed.set(key.secret, 32);
  const digest = createHash(scheme.hash).update(signed).digest();
  signed.set(digest, 32);
  return signed;
}

/**
 * Checks the authentication section of a datagram that `decodeBfdPacket` accepted with its A bit set. Returns the
 * replay state to keep; on refusal the old one stays. `detectMult` is the packet's own, it widens the window.
 */
export function verifyBfdPacket(
  datagram: Uint8Array,
  lengthBytes: number,
  detectMult: number,
  auth: BfdAuth,
  replay: BfdReplayState,
): Outcome<BfdReplayState, BfdAuthProblem> {
  const scheme = SCHEMES[auth.type];
  const code = datagram[24]!;
  if (code !== scheme.code) return refuse("auth-type", `authentication type ${code}, the session uses ${scheme.code}.`);
  const sectionBytes = datagram[25]!;
  if (sectionBytes !== lengthBytes - BFD_PACKET_BYTES) {
    return refuse("auth-length", `Auth Len is ${sectionBytes} in a packet of ${lengthBytes} bytes.`);
  }
  if (scheme.hash === undefined) return verifyPassword(datagram, sectionBytes, auth, replay);
  if (sectionBytes !== DIGEST_HEAD_BYTES + scheme.digestBytes) {
    return refuse(
      "auth-length",
      `Auth Len is ${sectionBytes}, ${auth.type} has ${DIGEST_HEAD_BYTES + scheme.digestBytes}.`,
    );
  }
  const key = auth.keys.find((candidate) => candidate.id === datagram[26]);
  if (key === undefined) return refuse("auth-key-id", `key id ${datagram[26]} is not configured.`);
  const packet = Buffer.from(datagram.subarray(0, lengthBytes));
  const sequence = packet.readUInt32BE(28);
  if (replay !== undefined && !inWindow(sequence, replay, detectMult, scheme.meticulous)) {
    return refuse("auth-sequence", `sequence ${sequence} is outside of the window after ${replay}.`);
  }
  const received = Buffer.from(packet.subarray(32));
  packet.fill(0, 32);
  packet.set(key.secret, 32);
  const expected = createHash(scheme.hash).update(packet).digest();
  if (!timingSafeEqual(received, expected)) return refuse("auth-digest", `the digest does not fit key ${key.id}.`);
  return accept(sequence);
}

/** Whether `sequence` lies in [last (+1 if meticulous), last + 3 * Detect Mult] modulo 2^32 (RFC 5880 §6.7.3, §6.7.4). */
function inWindow(sequence: number, last: number, detectMult: number, meticulous: boolean): boolean {
  const ahead = (sequence - last) >>> 0;
  return ahead >= (meticulous ? 1 : 0) && ahead <= 3 * detectMult;
}

function verifyPassword(
  datagram: Uint8Array,
  sectionBytes: number,
  auth: BfdAuth,
  replay: BfdReplayState,
): Outcome<BfdReplayState, BfdAuthProblem> {
  if (sectionBytes <= PASSWORD_HEAD_BYTES) return refuse("auth-length", `Auth Len is ${sectionBytes}: no password.`);
  const key = auth.keys.find((candidate) => candidate.id === datagram[26]);
  if (key === undefined) return refuse("auth-key-id", `key id ${datagram[26]} is not configured.`);
  const received = datagram.subarray(27, BFD_PACKET_BYTES + sectionBytes);
  if (received.length !== key.secret.length || !timingSafeEqual(received, key.secret)) {
    return refuse("auth-digest", `the password does not fit key ${key.id}.`);
  }
  return accept(replay);
}
