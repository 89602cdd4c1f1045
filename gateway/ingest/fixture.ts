import { createSecretKey } from "node:crypto";
import { VirtualClock } from "@paddock/base/clock.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { seededRandom } from "@paddock/base/random.ts";
import { encodeBlock, type Block } from "@paddock/wire/coap-block.ts";
import { CODE_POST, formatCode, TYPE_CON, TYPE_NON, type CoapType } from "@paddock/wire/coap-codes.ts";
import { encodeMessage, readMessage, type CoapMessage, type CoapOption } from "@paddock/wire/coap-message.ts";
import {
  encodeUintOption,
  OPTION_BLOCK1,
  OPTION_CONTENT_FORMAT,
  OPTION_MAX_AGE,
  OPTION_NO_RESPONSE,
  OPTION_SIZE1,
  OPTION_URI_PATH,
  readUintOption,
} from "@paddock/wire/coap-options.ts";
import { FORMAT_COSE_MAC0, FORMAT_SENML_CBOR } from "@paddock/wire/content-formats.ts";
import { encodeMac0, type MacAlgorithm } from "@paddock/wire/cose-mac.ts";
import { FOREVER_S, type LocalAddress } from "@paddock/uplink/paths/source-address.ts";
import type { RestoredExchanges } from "./exchange-memory.ts";
import type { Committed, FrameSink, IncomingFrame, Pressure } from "../commit/frame-sink.ts";
import { Ingest, type IngestLimits } from "./ingest.ts";
import { Sensors } from "./sensors.ts";
import type { SensorEntry } from "./sensors-file.ts";

/** What a test needs around an Ingest: a sink that commits when told to, sensors, a sender that reads its answers. */

export const FULL: Pressure = { reason: "store-full", retryAfterS: 30 };

/** Keeps copies of the frames it takes; writes are done at once, or when the test says so. */
export class TestSink implements FrameSink {
  readonly frames: (IncomingFrame & { readonly frame: Buffer; readonly source: Buffer })[] = [];
  readonly side = new Map<string, Uint8Array>();
  readonly waiting: { readonly committed: Committed | undefined; readonly frame: IncomingFrame }[] = [];
  refuseWith: Pressure | undefined;
  /** Whether writes wait for `commit`. */
  slow = false;

  submit(frame: IncomingFrame, committed?: Committed): Pressure | undefined {
    if (this.refuseWith !== undefined) return this.refuseWith;
    const { lane, format, receivedUs, side, encodedSource, waits } = frame;
    const note = frame.note === undefined ? undefined : { ...frame.note };
    const kept = {
      lane,
      format,
      receivedUs,
      side,
      encodedSource,
      ...(waits !== undefined && { waits }),
      note,
      frame: Buffer.from(frame.frame),
      source: Buffer.from(encodedSource),
    };
    this.waiting.push({ committed, frame: kept });
    if (!this.slow) this.commit();
    return undefined;
  }

  /** Ends the write of all that waits. */
  commit(failure?: Pressure): void {
    for (const { committed, frame } of this.waiting.splice(0)) {
      if (failure === undefined) {
        this.frames.push(frame as (typeof this.frames)[number]);
        if (frame.side?.value) this.side.set(frame.side.key, frame.side.value);
      }
      committed?.(failure);
    }
  }
}

export interface WorldOptions {
  readonly unknown?: "accept" | "refuse";
  readonly sensors?: Readonly<Record<string, Partial<SensorEntry>>>;
  readonly restored?: ReadonlyMap<string, Uint8Array>;
  readonly rateFramesPerS?: number;
  readonly limits?: Partial<IngestLimits>;
  readonly seed?: number;
  readonly exchanges?: RestoredExchanges;
}

export interface Answer {
  readonly type: CoapType;
  /** As in `2.04`. */
  readonly code: string;
  readonly messageId: number;
  readonly token: string;
  readonly maxAge: number | undefined;
  readonly size1: number | undefined;
  readonly options: readonly CoapOption[];
  readonly payload: Buffer;
  readonly text: string;
  readonly to: string;
}

export interface Sending {
  readonly type?: CoapType;
  readonly code?: number;
  readonly messageId?: number;
  readonly token?: Uint8Array;
  readonly path?: string;
  readonly format?: number | null;
  readonly noResponse?: number;
  readonly block1?: Block;
  readonly size1?: number;
  readonly options?: readonly CoapOption[];
  readonly payload?: Uint8Array;
  readonly from?: string;
  readonly port?: number;
}

export class World {
  readonly clock = new VirtualClock({ monotonicUs: 1_000_000_000 });
  readonly sink = new TestSink();
  readonly sensors: Sensors;
  readonly ingest: Ingest;
  /** Every answer since the start. */
  readonly answers: Answer[] = [];
  #messageId = 1;

  constructor(options: WorldOptions = {}) {
    this.sensors = new Sensors({
      unknown: options.unknown ?? "accept",
      ...(options.restored !== undefined && { restored: options.restored }),
    });
    this.sensors.load(documentOf(options.sensors ?? {}));
    this.ingest = new Ingest({
      sink: this.sink,
      sensors: this.sensors,
      clock: this.clock,
      random: seededRandom(options.seed ?? 1),
      ...(options.rateFramesPerS !== undefined && { rateFramesPerS: options.rateFramesPerS }),
      ...(options.limits !== undefined && { limits: options.limits }),
      ...(options.exchanges !== undefined && { exchanges: options.exchanges }),
    });
  }

  /** Sends a request, by default a CON with a valid frame to /i, and returns the answers that came at once. */
  send(sending: Sending = {}): Answer[] {
    return this.sendBytes(this.encode(sending), sending.from, sending.port);
  }

  /** Like `send` for a request that gets exactly one answer at once. */
  ask(sending: Sending = {}): Answer {
    const answers = this.send(sending);
    if (answers.length !== 1) throw new Error(`${answers.length} answers`);
    return answers[0]!;
  }

  encode(sending: Sending): Buffer {
    const { format = FORMAT_SENML_CBOR, payload = pack() } = sending;
    const message: CoapMessage = {
      type: sending.type ?? TYPE_CON,
      code: sending.code ?? CODE_POST,
      messageId: sending.messageId ?? this.#messageId++,
      token: sending.token ?? Buffer.from([0x70, 0x61]),
      options: [
        ...(sending.path ?? "i").split("/").map((part) => ({ number: OPTION_URI_PATH, value: Buffer.from(part) })),
        ...uintOption(OPTION_CONTENT_FORMAT, format),
        ...uintOption(OPTION_NO_RESPONSE, sending.noResponse),
        ...(sending.block1 === undefined ? [] : [{ number: OPTION_BLOCK1, value: encodeBlock(sending.block1) }]),
        ...uintOption(OPTION_SIZE1, sending.size1),
        ...(sending.options ?? []),
      ],
      payload,
    };
    return encodeMessage(message);
  }

  sendBytes(bytes: Uint8Array, from = "2001:db8::1", port = 40_000): Answer[] {
    const before = this.answers.length;
    const endpoint = this.ingest.endpoint(from, port);
    this.ingest.handleDatagram(bytes, endpoint, this.clock.monotonicUs(), this.reply);
    return this.answers.slice(before);
  }

  readonly reply = (
    bytes: Uint8Array,
    to: { readonly host: { readonly text: string }; readonly port: number },
  ): void => {
    const { type, code, messageId, token, options, payload } = expectAccepted(readMessage(Buffer.from(bytes)));
    const uint = (wanted: number): number | undefined => {
      const found = options.find(({ number }) => number === wanted);
      return found === undefined ? undefined : readUintOption(found.value, 0, found.value.length);
    };
    this.answers.push({
      type,
      code: formatCode(code),
      messageId,
      token: Buffer.from(token).toString("hex"),
      maxAge: uint(OPTION_MAX_AGE),
      size1: uint(OPTION_SIZE1),
      options,
      payload: Buffer.from(payload),
      text: Buffer.from(payload).toString(),
      to: `[${to.host.text}]:${to.port}`,
    });
  };
}

function uintOption(number: number, value: number | null | undefined): CoapOption[] {
  return value === undefined || value === null ? [] : [{ number, value: encodeUintOption(value) }];
}

export function documentOf(sensors: Readonly<Record<string, Partial<SensorEntry>>>): {
  sensors: Record<string, SensorEntry>;
} {
  const defaults = { addresses: [], rateFramesPerS: 0 };
  return { sensors: Object.fromEntries(Object.entries(sensors).map(([id, entry]) => [id, { ...defaults, ...entry }])) };
}

/** A SenML pack of one record: name `t`, value `value`. */
export function pack(value = 7): Buffer {
  return Buffer.from([0x81, 0xa2, 0x00, 0x61, 0x74, 0x02, 0x19, value >> 8, value & 0xff]);
}

/** A SenML pack of at least `bytes` bytes. */
export function packOf(bytes: number): Buffer {
  const records: Buffer[] = [];
  const count = Math.ceil(bytes / 8);
  for (let index = 0; index < count; index++) records.push(pack(index).subarray(1));
  return Buffer.concat([Buffer.from([0x99, count >> 8, count & 0xff]), ...records]);
}

export const KEY_HEX = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/** A keyed frame. */
export function sealed(
  sequence: number,
  options: { sensor?: string; keyHex?: string; payload?: Uint8Array; algorithm?: MacAlgorithm } = {},
): Buffer {
  const { sensor = "barn", keyHex = KEY_HEX, payload = pack(), algorithm = 5 } = options;
  return encodeMac0(createSecretKey(Buffer.from(keyHex, "hex")), { algorithm, sensor, sequence }, payload);
}

export const keyed = (sequence: number, options: Parameters<typeof sealed>[1] = {}): Sending => ({
  format: FORMAT_COSE_MAC0,
  payload: sealed(sequence, options),
});

/** An address as the kernel lists it; what is not said follows from its text. */
export function local(interfaceName: string, address: string, more: Partial<LocalAddress> = {}): LocalAddress {
  return {
    interfaceName,
    interfaceIndex: interfaceName === "lo" ? 1 : 2,
    address,
    prefixLength: 64,
    scope: address.startsWith("fe80:") ? "link" : address === "::1" ? "host" : "global",
    tentative: false,
    duplicate: false,
    deprecated: false,
    temporary: false,
    preferredLifetimeS: FOREVER_S,
    validLifetimeS: FOREVER_S,
    ...more,
  };
}

export { TYPE_CON, TYPE_NON };
