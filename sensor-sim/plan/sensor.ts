import type { Random } from "@paddock/base/random.ts";
import { FRAME_BYTES_MAX } from "@paddock/wire/limits.ts";
import { FORMAT_COSE_MAC0 } from "@paddock/wire/content-formats.ts";
import type { Fleet } from "../scenario/schema.ts";
import { anyMalformation, anyWrongFormat, malformedFrame, oversizeFrame } from "./bad-content.ts";
import { blockRequests, pathOf, RequestTemplate, type RequestForm } from "./coap-request.ts";
import type { Device } from "./device.ts";
import { pickFault } from "./fault-choice.ts";
import { FrameTemplate } from "./frame-template.ts";
import type { FrameKind, PlannedFrame, Sending } from "./planned-frame.ts";
import type { SensorSchedule } from "./schedule.ts";
import { MacSealer } from "./sensor-key.ts";

/** Message-IDs of the plan stay below this; those above are the sender's, for frames that it sends again later. */
export const PLANNED_MESSAGE_IDS = 0xc000;
/** Frames that a keyed sensor can replay. */
const HISTORY_FRAMES = 8;
/** How far a stale sequence number lies behind: beyond the window of 64 (docs/protocol.md §1.3) with room for losses. */
const STALE_BY = 80;
const OVERSIZE_BYTES = FRAME_BYTES_MAX + 4096;
/** The longest that a second copy of a datagram stays in the network. */
const REPEAT_AFTER_MAX_US = 50_000;
const ABANDONED_BLOCK_BYTES = 64;

export interface SensorOptions {
  readonly id: string;
  readonly index: number;
  readonly fleet: Fleet;
  readonly device: Device;
  readonly schedule: SensorSchedule;
  readonly random: Random;
  readonly firstEndpoint: number;
  /** Unix ms of the run's start by a right clock. */
  readonly clockMs: number;
  readonly key: Uint8Array | undefined;
  readonly firstSequence: number;
}

/** One simulated sensor: its state between frames, and how it makes the next one. */
export class SimulatedSensor {
  readonly id: string;
  readonly index: number;
  readonly schedule: SensorSchedule;
  readonly #options: SensorOptions;
  readonly #template: FrameTemplate;
  readonly #form: RequestForm;
  readonly #request: RequestTemplate;
  readonly #sealer: MacSealer | undefined;
  readonly #otherSealer: MacSealer | undefined;
  readonly #baseName: string;
  readonly #numbers: Float64Array;
  readonly #flags: boolean[];
  readonly #history: Buffer[] = [];
  readonly #firstMessageId: number;
  readonly #clockOffsetMs: number;
  readonly #clockRate: number;
  readonly #hasClock: boolean;
  #messageId: number;
  #frames = 0;
  #sequence: number;
  #stuckFrames = 0;

  constructor(options: SensorOptions) {
    const { id, fleet, device, random, key } = options;
    this.#options = options;
    this.id = id;
    this.index = options.index;
    this.schedule = options.schedule;
    this.#baseName = fleet.path === "/dp" ? `/${id}/` : `${id}:`;
    this.#numbers = new Float64Array(device.numbers.length);
    this.#flags = device.flags.map(() => false);
    this.#firstMessageId = random.below(PLANNED_MESSAGE_IDS);
    this.#messageId = this.#firstMessageId;
    this.#sequence = options.firstSequence;
    this.#clockOffsetMs = fleet.clock.skew * (random.float() * 2 - 1);
    this.#clockRate = 1 + (fleet.clock.driftPpm / 1e6) * (random.float() * 2 - 1);
    this.#hasClock = random.float() >= fleet.clock.without;
    if (key !== undefined) {
      const sealing = { sensor: id, format: fleet.format, tagBits: fleet.tagBits };
      this.#sealer = new MacSealer({ ...sealing, key });
      this.#otherSealer = new MacSealer({ ...sealing, key: Uint8Array.from(key, (byte) => byte ^ 0x55) });
    }
    const sealingBytes =
      this.#sealer === undefined ? 0 : this.#sealer.seal(this.#sequence, Buffer.alloc(64)).length - 64;
    const minBytes = Math.max(0, (fleet.frameBytes ?? 0) - sealingBytes);
    this.#template = new FrameTemplate({ baseName: this.#baseName, device, format: fleet.format, minBytes });
    this.#form = {
      path: pathOf(fleet.path, fleet.lane),
      contentFormat: key === undefined ? fleet.format : FORMAT_COSE_MAC0,
      confirmable: fleet.message === "con",
      answered: fleet.message !== "non-no-response",
    };
    this.#request = new RequestTemplate(this.#form);
  }

  /** The frame that is due now, or undefined when the device has nothing to report. */
  next(n: number, atUs: number, nextToken: () => number): PlannedFrame | undefined {
    const { device, random, fleet } = this.#options;
    const stuck = this.#stuckFrames > 0;
    if (stuck) this.#stuckFrames--;
    else if (!device.read(atUs, random, this.#numbers, this.#flags)) return undefined;
    const restarted = this.schedule.takeReboot();
    let kind: FrameKind = this.#possible(pickFault(fleet.faults, random));
    if (kind === "stuck-value") this.#stuckFrames = fleet.faults.stuckFrames - 1;
    else if (kind === "good" && stuck) kind = "stuck-value";
    if (restarted && kind === "good") kind = "reboot";
    if (restarted || kind === "reboot") this.#messageId = this.#firstMessageId;

    const frame = this.#makeFrame(kind, atUs);
    const form = kind === "wrong-format" ? { ...this.#form, contentFormat: anyWrongFormat(random) } : this.#form;
    const sendings = fleet.sources.map((_, source) => this.#send(kind, form, frame, source, nextToken()));
    return {
      n,
      atUs,
      sensor: this.id,
      sensorIndex: this.index,
      lane: fleet.lane,
      kind,
      format: form.contentFormat,
      frame,
      confirmable: form.confirmable,
      answered: form.answered,
      sendings,
      repeatAfterUs: kind === "duplicate" ? 1 + random.below(REPEAT_AFTER_MAX_US) : 0,
    };
  }

  /** A fault that needs a past turns into a good frame while there is none. */
  #possible(kind: FrameKind): FrameKind {
    if (kind === "replay" && this.#history.length === 0) return "good";
    if (kind === "stale-sequence" && this.#sequence - this.#options.firstSequence < STALE_BY) return "good";
    return kind;
  }

  #makeFrame(kind: FrameKind, atUs: number): Buffer {
    const { random } = this.#options;
    if (kind === "replay") return this.#history[random.below(this.#history.length)]!;
    const count = this.#frames++;
    const content =
      kind === "malformed-cbor"
        ? malformedFrame(anyMalformation(random), this.#baseName, count)
        : kind === "oversize"
          ? oversizeFrame(this.#baseName, count, OVERSIZE_BYTES)
          : this.#template.fill(count, this.#timeS(atUs), this.#numbers, this.#flags);
    const frame = this.#sealer === undefined ? content : this.#seal(this.#sealer, kind, content);
    if (kind === "truncated-cbor") {
      // A SensML stream that ends behind a record is whole (RFC 8428 §4.8), so a bare one is cut inside its first.
      const isStream = this.#sealer === undefined && this.#options.fleet.format === 113;
      return frame.subarray(0, 1 + random.below((isStream ? this.#template.firstRecordEnd : frame.length) - 1));
    }
    if (this.#sealer !== undefined && (kind === "good" || kind === "duplicate")) {
      if (this.#history.length < HISTORY_FRAMES) this.#history.push(frame);
      else this.#history[count % HISTORY_FRAMES] = frame;
    }
    return frame;
  }

  #seal(sealer: MacSealer, kind: FrameKind, content: Buffer): Buffer {
    const { random } = this.#options;
    if (kind === "stale-sequence") return sealer.seal(this.#sequence - STALE_BY, content);
    const sequence = this.#sequence++;
    if (kind !== "bad-tag") return sealer.seal(sequence, content);
    if (random.below(2) === 0) return this.#otherSealer!.seal(sequence, content);
    const frame = sealer.seal(sequence, content);
    frame[frame.length - 1]! ^= 1 << random.below(8);
    return frame;
  }

  /** SenML time in seconds: of the sensor's own clock, or relative to now when it has none. */
  #timeS(atUs: number): number {
    if (!this.#hasClock) return -0.001;
    return (this.#options.clockMs + this.#clockOffsetMs + (atUs / 1000) * this.#clockRate) / 1000;
  }

  #send(kind: FrameKind, form: RequestForm, frame: Buffer, source: number, token: number): Sending {
    const { fleet, firstEndpoint } = this.#options;
    const endpoint = firstEndpoint + source;
    if (kind === "abandoned-blocks") {
      // Small enough for two blocks at least: the last one is never sent.
      const bytesPerBlock = frame.length > ABANDONED_BLOCK_BYTES ? ABANDONED_BLOCK_BYTES : 16;
      const blocks = blockRequests(form, this.#nextMessageId, token, frame, bytesPerBlock);
      return { endpoint, token, datagrams: blocks.slice(0, -1) };
    }
    if (kind === "oversize" || (fleet.blockBytes !== null && frame.length > fleet.blockBytes)) {
      return {
        endpoint,
        token,
        datagrams: blockRequests(form, this.#nextMessageId, token, frame, fleet.blockBytes ?? 1024),
      };
    }
    const request = form === this.#form ? this.#request : new RequestTemplate(form);
    return { endpoint, token, datagrams: [request.fill(this.#nextMessageId(), token, frame)] };
  }

  readonly #nextMessageId = (): number => {
    const messageId = this.#messageId;
    this.#messageId = (messageId + 1) % PLANNED_MESSAGE_IDS;
    return messageId;
  };
}
