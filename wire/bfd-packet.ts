import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";

/**
 * The BFD control packet, RFC 5880 §4.1:
 *
 *      0               1               2               3
 *     |Vers |  Diag   |Sta|P|F|C|A|D|M|  Detect Mult  |    Length     |
 *     |                       My Discriminator                        |
 *     |                      Your Discriminator                       |
 *     |                    Desired Min TX Interval                    |
 *     |                   Required Min RX Interval                    |
 *     |                 Required Min Echo RX Interval                 |
 *     |  authentication section, if A is set (bfd-auth.ts)            |
 */
export const BFD_VERSION = 1;
/** Bytes of a control packet without its authentication section. */
export const BFD_PACKET_BYTES = 24;
/** Bytes of the smallest authentication section: type and length. */
const AUTH_SECTION_BYTES_MIN = 2;

export const BFD_PORTS = { singleHop: 3784, echo: 3785, multihop: 4784, seamless: 7784 } as const;

/** In the order of their codes on the wire. */
export const BFD_STATES = ["admin-down", "down", "init", "up"] as const;
export type BfdState = (typeof BFD_STATES)[number];

/** In the order of their codes on the wire; codes 9 to 31 are reserved. */
export const BFD_DIAGNOSTICS = [
  "none",
  "control-detection-expired",
  "echo-failed",
  "neighbor-signaled-down",
  "forwarding-plane-reset",
  "path-down",
  "concatenated-path-down",
  "administratively-down",
  "reverse-concatenated-path-down",
] as const;
export type BfdDiagnostic = (typeof BFD_DIAGNOSTICS)[number];

export interface BfdPacket {
  /** Code of the last change to Down, 0 to 31. `diagnosticName` gives the word. */
  readonly diagnostic: number;
  readonly state: BfdState;
  readonly poll: boolean;
  readonly final: boolean;
  readonly controlPlaneIndependent: boolean;
  readonly demand: boolean;
  /** 1 to 255. */
  readonly detectMult: number;
  /** 1 to 2^32-1. */
  readonly myDiscriminator: number;
  /** 0 while the sender has not heard from the receiver. */
  readonly yourDiscriminator: number;
  readonly desiredMinTxUs: number;
  /** 0 asks for no periodic packets at all. */
  readonly requiredMinRxUs: number;
  /** 0: the sender does not loop echo packets. */
  readonly requiredMinEchoRxUs: number;
}

export interface DecodedBfdPacket extends BfdPacket {
  /** The A bit: an authentication section follows, which bfd-auth.ts reads. */
  readonly authenticated: boolean;
  /** The Length field; bytes of the datagram behind it are not part of the packet. */
  readonly lengthBytes: number;
}

/** Why a datagram is not a control packet, in the order in which RFC 5880 §6.8.6 asks. */
export type BfdPacketProblem =
  | "truncated"
  | "version"
  | "length-too-small"
  | "length-beyond-payload"
  | "detect-mult-zero"
  | "multipoint"
  | "my-discriminator-zero"
  | "your-discriminator-zero";

const POLL = 0x20;
const FINAL = 0x10;
const INDEPENDENT = 0x08;
const AUTHENTICATED = 0x04;
const DEMAND = 0x02;
const MULTIPOINT = 0x01;

/** Reads a datagram and applies every rule of RFC 5880 §6.8.6 that needs no session. Never throws. */
export function decodeBfdPacket(datagram: Uint8Array): Outcome<DecodedBfdPacket, BfdPacketProblem> {
  // The version comes first in the RFC, and one byte is enough to see it.
  if (datagram.length > 0 && datagram[0]! >> 5 !== BFD_VERSION) {
    return refuse("version", `version ${datagram[0]! >> 5} instead of ${BFD_VERSION}.`);
  }
  if (datagram.length < BFD_PACKET_BYTES) {
    return refuse("truncated", `${datagram.length} bytes, a control packet has at least ${BFD_PACKET_BYTES}.`);
  }
  const flags = datagram[1]!;
  const authenticated = (flags & AUTHENTICATED) !== 0;
  const lengthBytes = datagram[3]!;
  const lengthMin = authenticated ? BFD_PACKET_BYTES + AUTH_SECTION_BYTES_MIN : BFD_PACKET_BYTES;
  if (lengthBytes < lengthMin) {
    return refuse("length-too-small", `Length is ${lengthBytes}, at least ${lengthMin} is needed.`);
  }
  if (lengthBytes > datagram.length) {
    return refuse("length-beyond-payload", `Length is ${lengthBytes}, the datagram has ${datagram.length} bytes.`);
  }
  const detectMult = datagram[2]!;
  if (detectMult === 0) return refuse("detect-mult-zero", "Detect Mult is 0.");
  if ((flags & MULTIPOINT) !== 0) return refuse("multipoint", "the Multipoint bit is set.");
  const myDiscriminator = readUint32(datagram, 4);
  if (myDiscriminator === 0) return refuse("my-discriminator-zero", "My Discriminator is 0.");
  const yourDiscriminator = readUint32(datagram, 8);
  const state = BFD_STATES[flags >> 6]!;
  if (yourDiscriminator === 0 && state !== "down" && state !== "admin-down") {
    return refuse("your-discriminator-zero", `Your Discriminator is 0 in state ${state}.`);
  }
  return accept({
    diagnostic: datagram[0]! & 0x1f,
    state,
    poll: (flags & POLL) !== 0,
    final: (flags & FINAL) !== 0,
    controlPlaneIndependent: (flags & INDEPENDENT) !== 0,
    demand: (flags & DEMAND) !== 0,
    detectMult,
    myDiscriminator,
    yourDiscriminator,
    desiredMinTxUs: readUint32(datagram, 12),
    requiredMinRxUs: readUint32(datagram, 16),
    requiredMinEchoRxUs: readUint32(datagram, 20),
    authenticated,
    lengthBytes,
  });
}

/** The 24 bytes of a packet without authentication; `signBfdPacket` adds that. Values must be in range. */
export function encodeBfdPacket(packet: BfdPacket): Buffer {
  const bytes = Buffer.allocUnsafe(BFD_PACKET_BYTES);
  bytes[0] = (BFD_VERSION << 5) | (packet.diagnostic & 0x1f);
  bytes[1] =
    (BFD_STATES.indexOf(packet.state) << 6) |
    (packet.poll ? POLL : 0) |
    (packet.final ? FINAL : 0) |
    (packet.controlPlaneIndependent ? INDEPENDENT : 0) |
    (packet.demand ? DEMAND : 0);
  bytes[2] = packet.detectMult;
  bytes[3] = BFD_PACKET_BYTES;
  bytes.writeUInt32BE(packet.myDiscriminator, 4);
  bytes.writeUInt32BE(packet.yourDiscriminator, 8);
  bytes.writeUInt32BE(packet.desiredMinTxUs, 12);
  bytes.writeUInt32BE(packet.requiredMinRxUs, 16);
  bytes.writeUInt32BE(packet.requiredMinEchoRxUs, 20);
  return bytes;
}

/** Marks an encoded packet as followed by an authentication section of `sectionBytes`. */
export function markAuthenticated(bytes: Uint8Array, sectionBytes: number): void {
  bytes[1] = bytes[1]! | AUTHENTICATED;
  bytes[3] = BFD_PACKET_BYTES + sectionBytes;
}

/** The word for a diagnostic code; codes without one give `reserved-N`. */
export function diagnosticName(code: number): BfdDiagnostic | `reserved-${number}` {
  return BFD_DIAGNOSTICS[code] ?? `reserved-${code}`;
}

export function diagnosticCode(name: BfdDiagnostic): number {
  return BFD_DIAGNOSTICS.indexOf(name);
}

function readUint32(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!) >>> 0;
}
