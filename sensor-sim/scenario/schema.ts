import { FRAME_BYTES_MAX } from "@paddock/wire/limits.ts";
import { LANES } from "@paddock/wire/lanes.ts";
import * as v from "valibot";
import {
  duration,
  finite,
  fleetName,
  measurementName,
  positiveDuration,
  probability,
  source,
  unit,
  whole,
} from "./fields.ts";

/** Version of the scenario document; a change that makes older documents mean something else counts it up. */
export const SCENARIO_VERSION = 1;

const measured = { name: measurementName, unit: v.optional(unit, "") };

/** What a device measures. */
export const modelSchema = v.variant("kind", [
  v.strictObject({ kind: v.literal("constant"), ...measured, value: finite }),
  v.strictObject({
    kind: v.literal("sine"),
    ...measured,
    mean: finite,
    amplitude: finite,
    period: positiveDuration,
    /** Standard deviation of the noise on top. */
    noise: v.optional(finite, 0),
  }),
  v.strictObject({
    kind: v.literal("random-walk"),
    ...measured,
    initial: finite,
    step: finite,
    min: v.optional(finite, -1e9),
    max: v.optional(finite, 1e9),
  }),
  /** Silent until it happens: at each cadence a frame is sent with this probability. */
  v.strictObject({ kind: v.literal("event"), name: measurementName, probability }),
  /** The rows of a real data set, see NOTICE. Sensor number i replays mote i mod 4, or the one named. */
  v.strictObject({
    kind: v.literal("mote-replay"),
    mote: v.optional(v.union([v.literal("each"), whole(1, 4)]), "each"),
  }),
]);

/** Faults of a device: each is the probability per frame, and a frame has at most one of them. */
export const faultsSchema = v.strictObject({
  /** The datagram leaves twice. */
  duplicate: v.optional(probability, 0),
  malformedCbor: v.optional(probability, 0),
  truncatedCbor: v.optional(probability, 0),
  wrongFormat: v.optional(probability, 0),
  /** Keyed: an earlier frame once more, under a new Message-ID. */
  replay: v.optional(probability, 0),
  /** Keyed: new content under a sequence number that was used long ago. */
  staleSequence: v.optional(probability, 0),
  /** Keyed: a tag that does not verify, by a flipped bit or another key. */
  badTag: v.optional(probability, 0),
  /** The value stays what it was for `stuckFrames` frames. */
  stuckValue: v.optional(probability, 0),
  stuckFrames: v.optional(whole(1, 1_000_000), 20),
  /** The device restarts: Message-IDs count from the start again, under new content. */
  reboot: v.optional(probability, 0),
  /** A Block1 transfer that ends before its last block. */
  abandonedBlocks: v.optional(probability, 0),
  /** A Block1 transfer above the frame limit. */
  oversize: v.optional(probability, 0),
});

const KEYED_FAULTS = ["replay", "staleSequence", "badTag"] as const;

export const fleetSchema = v.pipe(
  v.strictObject({
    name: fleetName,
    count: whole(1, 200_000),
    model: modelSchema,
    cadence: positiveDuration,
    /** Each interval is the cadence plus or minus up to this. */
    jitter: v.optional(duration, "0ms"),
    message: v.optional(v.picklist(["con", "non", "non-no-response"], "choose con, non or non-no-response"), "con"),
    format: v.optional(v.picklist([112, 113], "choose 112 (senml+cbor) or 113 (sensml+cbor)"), 112),
    lane: v.optional(v.picklist(LANES, `choose one of ${LANES.join(", ")}`), "telemetry"),
    /** Where the frames are posted: `lane` is /i/{lane}; at /i and /dp the gateway's sensors file says the lane. */
    path: v.optional(v.picklist(["lane", "/i", "/dp"], "choose lane, /i or /dp"), "lane"),
    /** COSE_Mac0 with a key that the seed decides; `sim keys` writes the gateway's sensors file. */
    keyed: v.optional(v.boolean("write true or false"), false),
    tagBits: v.optional(v.picklist([64, 256], "choose 64 or 256"), 64),
    /** The same frame leaves from each of these. */
    sources: v.optional(
      v.pipe(v.array(source), v.minLength(1, "name at least one source"), v.maxLength(8, "name at most 8 sources")),
      ["::"],
    ),
    /** Frames above this size go in Block1 transfers of blocks of this size; null sends every frame whole. */
    blockBytes: v.optional(
      v.nullable(v.picklist([16, 32, 64, 128, 256, 512, 1024], "choose a power of two from 16 to 1024")),
      null,
    ),
    /** Frames are filled up to this size by a data value; null leaves them as they are. */
    frameBytes: v.optional(v.nullable(whole(1, FRAME_BYTES_MAX)), null),
    start: v.optional(duration, "0s"),
    /** When the fleet stops, from the start of the run; null is the end of the run. */
    stop: v.optional(v.nullable(duration), null),
    /** Sensors join one after the other over this time. */
    ramp: v.optional(duration, "0s"),
    /** Sensors come and go: mean times of exponential draws. */
    churn: v.optional(
      v.nullable(
        v.strictObject({
          online: positiveDuration,
          offline: positiveDuration,
          reboot: v.optional(v.boolean("write true or false"), true),
        }),
      ),
      null,
    ),
    clock: v.optional(
      v.strictObject({
        /** Each sensor's clock is off by up to this, either way. */
        skew: v.optional(duration, "0s"),
        /** Each sensor's clock drifts by up to this many parts per million, either way. */
        driftPpm: v.optional(v.pipe(finite, v.minValue(0, "write 0 or more")), 0),
        /** The share of sensors that have no clock and send relative SenML times. */
        without: v.optional(probability, 0),
      }),
      {},
    ),
    faults: v.optional(faultsSchema, {}),
  }),
  v.forward(
    v.check(
      (fleet) => fleet.sources.length === 1 || fleet.keyed,
      "several sources need keyed: true, because only a keyed sensor's copies can be told from new frames",
    ),
    ["sources"],
  ),
  v.forward(
    v.check(
      (fleet) => fleet.path === "lane" || fleet.keyed || fleet.lane === "telemetry",
      'without a key, a lane other than telemetry needs path: "lane"',
    ),
    ["lane"],
  ),
  v.forward(
    v.check(
      (fleet) => fleet.keyed || KEYED_FAULTS.every((fault) => fleet.faults[fault] === 0),
      "replay, staleSequence and badTag need keyed: true",
    ),
    ["faults"],
  ),
  v.forward(
    v.check((fleet) => {
      const { stuckFrames: _, ...chances } = fleet.faults;
      return Object.values(chances).reduce((sum, chance) => sum + chance, 0) <= 1;
    }, "the probabilities add up to more than 1, but a frame has at most one fault"),
    ["faults"],
  ),
  v.forward(
    v.check((fleet) => fleet.jitter <= fleet.cadence, "the jitter is at most the cadence"),
    ["jitter"],
  ),
);

/** What happens to fleets together: a power cut is rate 0 with reboot, a burst is a rate above 1. */
export const phaseSchema = v.strictObject({
  at: duration,
  for: positiveDuration,
  /** Names of fleets; null means all. */
  fleets: v.optional(v.nullable(v.array(fleetName)), null),
  /** Frames per cadence while it lasts; 0 is silence. */
  rate: v.pipe(finite, v.minValue(0, "write 0 or more")),
  /** After silence, sensors come back within this time, all of them. */
  spread: v.optional(duration, "1s"),
  /** Sensors restart when they come back from silence. */
  reboot: v.optional(v.boolean("write true or false"), false),
});

/** How sensors transmit: RFC 7252 §4.8, and what they do when the gateway asks them to come back. */
export const coapSchema = v.strictObject({
  ackTimeout: v.optional(positiveDuration, "2s"),
  ackRandomFactor: v.optional(v.pipe(finite, v.minValue(1, "write 1 or more")), 1.5),
  maxRetransmit: v.optional(whole(0, 20), 4),
  nstart: v.optional(whole(1, 1000), 1),
  /** How long a NON that wants an answer waits for it. */
  answerTimeout: v.optional(positiveDuration, "10s"),
  /** How often a frame that was turned away (4.29, 5.03) is sent again. */
  retries: v.optional(whole(0, 1000), 8),
  /** The longest wait that a sensor obeys, whatever Max-Age says. */
  retryWaitMax: v.optional(positiveDuration, "60s"),
});

export const scenarioSchema = v.pipe(
  v.strictObject({
    $schema: v.optional(v.string()),
    "paddock-scenario": v.literal(SCENARIO_VERSION, `this simulator reads version ${SCENARIO_VERSION}`),
    name: fleetName,
    description: v.optional(v.string("write a sentence"), ""),
    duration: positiveDuration,
    /** The sensors' time at the start of the run: part of the bytes, so it is fixed unless --clock says otherwise. */
    clock: v.optional(
      v.pipe(v.string("write a UTC time"), v.isoTimestamp("write a UTC time such as 2026-01-01T00:00:00Z")),
      "2026-01-01T00:00:00Z",
    ),
    fleets: v.pipe(v.array(fleetSchema), v.minLength(1, "describe at least one fleet")),
    timeline: v.optional(v.array(phaseSchema), []),
    coap: v.optional(coapSchema, {}),
  }),
  v.forward(
    v.check(
      ({ fleets }) => new Set(fleets.map(({ name }) => name)).size === fleets.length,
      "two fleets have the same name",
    ),
    ["fleets"],
  ),
  v.forward(
    v.check(({ fleets, timeline }) => {
      const names = new Set(fleets.map(({ name }) => name));
      return timeline.every((phase) => phase.fleets === null || phase.fleets.every((name) => names.has(name)));
    }, "the timeline names a fleet that is not described"),
    ["timeline"],
  ),
);

export type Scenario = v.InferOutput<typeof scenarioSchema>;
export type Fleet = Scenario["fleets"][number];
export type Model = Fleet["model"];
export type Faults = Fleet["faults"];
export type Phase = Scenario["timeline"][number];
export type CoapSettings = Scenario["coap"];
