import { checkSenml, explainSenml } from "@paddock/wire/senml.ts";
import { FORMAT_COSE_MAC0, FORMAT_SENML_CBOR, FORMAT_SENSML_CBOR } from "@paddock/wire/content-formats.ts";
import { decodeMac0, verifyMac0, type Mac0 } from "@paddock/wire/cose-mac.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import { FRAME_BYTES_MAX } from "@paddock/wire/limits.ts";
import type { Endpoint } from "./endpoints.ts";
import type { Committed, FrameNote, FrameSink, Pressure } from "../commit/frame-sink.ts";
import type { Refusal } from "./refusals.ts";
import { WAITERS_MAX, type PendingFrame } from "./replay-guard.ts";
import { TAG_HEAD_BYTES } from "./replay-state.ts";
import type { Sensor, Sensors } from "./sensors.ts";
import type { SenderStats } from "./stats.ts";

/** What a frame is, as far as its request says. */
export interface FrameContext {
  /** CoAP Content-Format. */
  readonly format: number;
  /** The lane that the request names, or -1. */
  readonly lane: Lane | -1;
  readonly lwm2m: boolean;
  readonly from: Endpoint;
  /** CLOCK_MONOTONIC in µs. */
  readonly receivedUs: number;
  /** The message, when its sender will send it again for want of an answer. */
  readonly note: FrameNote | undefined;
}

export type CheckResult =
  /** Valid and new: `submit` it. */
  | "valid"
  /** A copy of a keyed sensor's frame that is durable. */
  | "stored"
  /** A copy of one whose write is under way: `await` it. */
  | "pending"
  /** `reason`, `detail` and `retryAfterS` say why. */
  | "refused";

const DEFAULT_LANE: Lane = 1;
const RULES = { lwm2m: false, sensml: false };
const RULES_STREAM = { lwm2m: false, sensml: true };
const RULES_LWM2M = { lwm2m: true, sensml: false };
const RULES_LWM2M_STREAM = { lwm2m: true, sensml: true };

/**
 * The checks between a frame and the commit loop: is it valid, whose is it, was it seen. One frame at a time: `check`
 * keeps what `submit` and `await` need in fields, so that a frame without key allocates nothing here.
 */
export class Admission {
  /** Of the last refusal. */
  reason: Refusal = "senml";
  detail = "";
  /** Seconds for Max-Age, with the reasons `rate` and `pressure`. */
  retryAfterS = 0;
  /** Whom the last frame counts for. */
  stats: SenderStats;

  readonly #sensors: Sensors;
  readonly #sink: FrameSink;
  /** The object that every submit hands over. */
  readonly #frame: {
    lane: Lane;
    encodedSource: Uint8Array;
    format: number;
    frame: Uint8Array;
    receivedUs: number;
    side: { key: string; value: Uint8Array } | undefined;
    waits: boolean;
    note: FrameNote | undefined;
  };
  #keyed: { readonly sensor: Sensor; readonly parts: Mac0; readonly tag: string } | undefined;
  #copyOf: PendingFrame | undefined;

  constructor(sensors: Sensors, sink: FrameSink, stats: SenderStats) {
    this.#sensors = sensors;
    this.#sink = sink;
    this.stats = stats;
    const nothing = new Uint8Array(0);
    this.#frame = {
      lane: DEFAULT_LANE,
      encodedSource: nothing,
      format: 0,
      frame: nothing,
      receivedUs: 0,
      side: undefined,
      waits: false,
      note: undefined,
    };
  }

  /** Whether a sender may send frames of this format at all, before their bytes are looked at. False: see `reason`. */
  allows(format: number, from: Endpoint): boolean {
    const { sensor } = from.host;
    this.stats = from.host.stats;
    if (format === FORMAT_COSE_MAC0) return true;
    if (format !== FORMAT_SENML_CBOR && format !== FORMAT_SENSML_CBOR) {
      return this.#refuse("format", "Content-Format must be 112, 113 or 17.");
    }
    if (sensor === undefined) {
      if (this.#sensors.unknown === "accept") return true;
      return this.#refuse("unknown-sensor", "This address is no known sensor's.");
    }
    return sensor.key === undefined || this.#refuse("key-required", "This sensor has a key and must use it.");
  }

  /** Checks a frame that `allows` let through. */
  check(frame: Uint8Array, context: FrameContext): CheckResult {
    this.#keyed = undefined;
    if (frame.length > FRAME_BYTES_MAX) {
      return this.#refused("too-large", `A frame has at most ${FRAME_BYTES_MAX} bytes.`);
    }
    if (context.format === FORMAT_COSE_MAC0) return this.#checkKeyed(frame, context);
    return this.#isSenml(frame, context.format, context.lwm2m) ? "valid" : "refused";
  }

  /**
   * Hands the frame of the last `check` to the commit loop. False when that refuses it now: see `reason`. Else
   * `committed`, if given, is called once. `waits`: the sender waits for that.
   */
  submit(frame: Uint8Array, context: FrameContext, committed: Committed | undefined, waits: boolean): boolean {
    const keyed = this.#keyed;
    const sensor = keyed?.sensor ?? context.from.host.sensor;
    const lane = context.lane >= 0 ? (context.lane as Lane) : (sensor?.lane ?? DEFAULT_LANE);
    const next = this.#frame;
    next.lane = lane;
    next.format = context.format;
    next.frame = frame;
    next.receivedUs = context.receivedUs;
    next.waits = waits;
    const { stats } = this;
    let refused: Pressure | undefined;
    if (keyed === undefined) {
      next.encodedSource = context.from.encodedSource;
      next.side = undefined;
      next.note = context.note;
      refused = this.#sink.submit(next, committed);
    } else {
      next.encodedSource = keyed.sensor.encodedSource;
      // The sequence window tells its copies.
      next.note = undefined;
      // A copy that asks for an answer may still come.
      next.waits = true;
      refused = this.#submitKeyed(keyed, lane, committed);
    }
    if (refused !== undefined) return this.refusePressure(refused);
    stats.frames++;
    stats.bytes += frame.length;
    stats.lastSeenUs = context.receivedUs;
    stats.lastFrameUs = context.receivedUs;
    return true;
  }

  /** After "pending": whether one more copy may wait for the write that is under way. */
  get mayAwait(): boolean {
    return this.#copyOf!.waiters.length < WAITERS_MAX;
  }

  /** After "pending", where `mayAwait`: `committed` is called with the outcome of the write that is under way. */
  await(committed: Committed): void {
    this.#copyOf!.waiters.push(committed);
  }

  /** The lane of the frame that was submitted last. */
  get lane(): Lane {
    return this.#frame.lane;
  }

  refusePressure(pressure: Pressure): false {
    this.retryAfterS = pressure.retryAfterS;
    return this.#refuse("pressure", pressureText(pressure));
  }

  refuseRate(retryAfterS: number): false {
    this.retryAfterS = retryAfterS;
    return this.#refuse("rate", "Too many frames.");
  }

  #submitKeyed(
    { sensor, parts, tag }: { sensor: Sensor; parts: Mac0; tag: string },
    lane: Lane,
    committed: Committed | undefined,
  ): Pressure | undefined {
    const { guard } = sensor;
    const { frame, state } = guard.begin(parts.sequence, tag, lane);
    this.#frame.side = { key: sensor.stateKeys[lane]!, value: state };
    const refused = this.#sink.submit(this.#frame, (failure) => {
      guard.settle(frame, failure);
      committed?.(failure);
    });
    if (refused !== undefined) guard.cancel(frame);
    return refused;
  }

  #checkKeyed(frame: Uint8Array, context: FrameContext): CheckResult {
    const decoded = decodeMac0(frame);
    if (!decoded.ok) return this.#refused("cose", `COSE_Mac0: ${decoded.detail}`);
    const parts = decoded.value;
    const sensor = this.#sensors.byId(parts.sensor);
    if (sensor?.key === undefined) return this.#refused("unknown-key", "The key id is not known.");
    this.stats = sensor.stats;
    const rightAlgorithm = sensor.algorithm === undefined || sensor.algorithm === parts.algorithm;
    if (!rightAlgorithm || !verifyMac0(parts, sensor.key)) {
      return this.#refused("tag", "The tag does not verify.");
    }
    const tag = Buffer.from(parts.tag.subarray(0, TAG_HEAD_BYTES)).toString("hex");
    const verdict = sensor.guard.judge(parts.sequence, tag);
    if (verdict === "refused") {
      return this.#refused("replay", `Sequence number ${parts.sequence} was seen or is too old.`);
    }
    if (verdict === "stored") return "stored";
    if (verdict !== "new") {
      this.#copyOf = verdict;
      return "pending";
    }
    const waitS = sensor.framesPerS > 0 ? sensor.bucket.take(sensor.framesPerS, context.receivedUs) : 0;
    if (waitS > 0) {
      this.refuseRate(waitS);
      return "refused";
    }
    if (!this.#isSenml(parts.payload, parts.format, context.lwm2m)) return "refused";
    this.#keyed = { sensor, parts, tag };
    return "valid";
  }

  #isSenml(pack: Uint8Array, format: number, lwm2m: boolean): boolean {
    const stream = format === FORMAT_SENSML_CBOR;
    const rules = lwm2m ? (stream ? RULES_LWM2M_STREAM : RULES_LWM2M) : stream ? RULES_STREAM : RULES;
    return checkSenml(pack, rules) === undefined || this.#refuse("senml", `SenML: ${explainSenml(pack, rules)}.`);
  }

  #refused(reason: Refusal, detail: string): "refused" {
    this.#refuse(reason, detail);
    return "refused";
  }

  #refuse(reason: Refusal, detail: string): false {
    this.reason = reason;
    this.detail = detail;
    return false;
  }
}

/** Why a frame finds no room, as a sentence. */
export function pressureText({ reason }: Pressure): string {
  return PRESSURE_TEXT[reason];
}

const PRESSURE_TEXT: Readonly<Record<Pressure["reason"], string>> = {
  "store-full": "The buffer is full.",
  "queue-full": "The disk does not keep up.",
  stopping: "The gateway is stopping.",
};
