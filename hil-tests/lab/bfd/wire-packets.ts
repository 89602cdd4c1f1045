import { BFD_STATES, type BfdState } from "@paddock/wire/bfd-packet.ts";
import type { Capture } from "../capture.ts";
import { DIRECT } from "./topology.ts";

/** A control packet as it was on the wire between `DIRECT.us` and its peer, decoded by tshark. */
export interface WirePacket {
  /** Unix ms of the kernel's stamp. */
  readonly atMs: number;
  /** Whether it left from `DIRECT.us`. */
  readonly ours: boolean;
  readonly hopLimit: number;
  readonly sourcePort: number;
  /** With the Ethernet header. */
  readonly bytes: number;
  readonly state: BfdState;
  readonly poll: boolean;
  readonly final: boolean;
  /** Whether A, M or D is set. */
  readonly flagsAMD: boolean;
  readonly desiredMinTxMs: number;
  readonly requiredMinRxMs: number;
}

const FIELDS =
  "frame.time_epoch ipv6.src ipv6.hlim udp.srcport frame.len bfd.sta bfd.flags.p bfd.flags.f bfd.flags.a bfd.flags.m bfd.flags.d bfd.desired_min_tx_interval bfd.required_min_rx_interval".split(
    " ",
  );

/** Ends a capture of port 3784 on that wire and reads it. */
export async function finishWire(capture: Capture): Promise<WirePacket[]> {
  const rows = await capture.finish(FIELDS);
  return rows.map((row) => ({
    atMs: Number(row[0]) * 1000,
    ours: row[1] === DIRECT.us,
    hopLimit: Number(row[2]),
    sourcePort: Number(row[3]),
    bytes: Number(row[4]),
    state: BFD_STATES[Number(row[5])]!,
    poll: isSet(row[6]),
    final: isSet(row[7]),
    flagsAMD: isSet(row[8]) || isSet(row[9]) || isSet(row[10]),
    desiredMinTxMs: Number(row[11]) / 1000,
    requiredMinRxMs: Number(row[12]) / 1000,
  }));
}

/** tshark has written booleans in more than one way. */
function isSet(text: string | undefined): boolean {
  return text === "1" || text === "True";
}

export function gapsMs(of: readonly WirePacket[]): number[] {
  return of.slice(1).map((packet, index) => packet.atMs - of[index]!.atMs);
}
