import { createHash } from "node:crypto";
import type { PlannedFrame } from "./planned-frame.ts";

/** One datagram of the plan as it first leaves; retransmissions depend on the network and are not part of a trace. */
export interface TraceEntry {
  readonly atUs: number;
  readonly endpoint: number;
  readonly datagram: Uint8Array;
}

export function* traceOf(frames: Iterable<PlannedFrame>): Generator<TraceEntry> {
  for (const { atUs, sendings, repeatAfterUs } of frames) {
    for (const { endpoint, datagrams } of sendings) {
      for (const datagram of datagrams) yield { atUs, endpoint, datagram };
      if (repeatAfterUs === 0) continue;
      yield { atUs: atUs + repeatAfterUs, endpoint, datagram: datagrams[0]! };
    }
  }
}

/** SHA-256 over every entry: time (8 bytes), endpoint (4), length (4), datagram. Two equal runs have equal hashes. */
export function traceHash(trace: Iterable<TraceEntry>): string {
  const hash = createHash("sha256");
  const head = Buffer.alloc(16);
  for (const { atUs, endpoint, datagram } of trace) {
    head.writeBigUInt64BE(BigInt(atUs), 0);
    head.writeUInt32BE(endpoint, 8);
    head.writeUInt32BE(datagram.length, 12);
    hash.update(head).update(datagram);
  }
  return hash.digest("hex");
}
