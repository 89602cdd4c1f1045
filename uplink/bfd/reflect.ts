import { BFD_PACKET_BYTES, BFD_VERSION } from "@paddock/wire/bfd-packet.ts";

export type ReflectProblem =
  /** Not a well-formed packet of an initiator. */
  | "malformed"
  /** Demand bit clear: an answer, not a question. Answering it would make two reflectors talk for ever. */
  | "not-demand"
  /** A discriminator that this reflector does not serve. */
  | "unknown-discriminator"
  /** Authenticated, which this reflector does not do. */
  | "authenticated";

export interface Reflector {
  /** Discriminators that this end answers for (RFC 7880 §3). */
  readonly discriminators: ReadonlySet<number>;
  /** The fastest pace at which one initiator may probe, told to each of them. */
  readonly requiredMinRxUs: number;
  /** Answers AdminDown: "I am here, but do not count on me" (RFC 7880 §7.2). The one thing that may change. */
  disabled: boolean;
}

/**
 * Turns an initiator's packet into the answer, in place, without any state (RFC 7880 §7.2). Returns undefined when
 * the first 24 bytes of `packet` are to be sent back to where they came from, else why they are not.
 */
export function reflect(packet: Buffer, reflector: Reflector): ReflectProblem | undefined {
  const flags = packet[1]!;
  if (packet.length < BFD_PACKET_BYTES || packet[0]! >> 5 !== BFD_VERSION || packet[2] === 0) return "malformed";
  if (packet[3]! < BFD_PACKET_BYTES || packet[3]! > packet.length || (flags & 0x01) !== 0) return "malformed";
  if ((flags & 0x02) === 0) return "not-demand";
  if ((flags & 0x04) !== 0) return "authenticated";
  const asker = packet.readUInt32BE(4);
  const asked = packet.readUInt32BE(8);
  if (asker === 0) return "malformed";
  if (!reflector.discriminators.has(asked)) return "unknown-discriminator";
  packet[0] = (BFD_VERSION << 5) | (reflector.disabled ? 7 : 0);
  // State Up or AdminDown; a Poll becomes a Final; everything else, Demand above all, is cleared.
  packet[1] = (reflector.disabled ? 0x00 : 0xc0) | ((flags & 0x20) >> 1);
  packet[3] = BFD_PACKET_BYTES;
  packet.writeUInt32BE(asked, 4);
  packet.writeUInt32BE(asker, 8);
  packet.writeUInt32BE(reflector.requiredMinRxUs, 16);
  packet.writeUInt32BE(0, 20);
  return undefined;
}
