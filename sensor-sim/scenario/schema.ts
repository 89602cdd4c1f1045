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

/** The schema with words for whoever writes a scenario: they go into scenario.schema.json and the table of the README. */
function said<Schema extends v.GenericSchema>(words: string, schema: Schema): Schema {
  const { pipe } = schema as unknown as { readonly pipe?: readonly [v.GenericSchema, ...unknown[]] };
  if (pipe === undefined) return v.pipe(schema, v.description(words)) as unknown as Schema;
  // In front of all: the JSON Schema of what is written takes nothing from behind the parsing of a duration.
  const [first, ...rest] = pipe;
  return v.pipe(said(words, first), ...(rest as [])) as unknown as Schema;
}

const measured = {
  name: said("SenML name of the measurement, behind the sensor's.", measurementName),
  unit: said("SenML unit of the measurement.", v.optional(unit, "")),
};

/** What a device measures. */
export const modelSchema = v.variant("kind", [
  v.strictObject({
    kind: said("Always the same value.", v.literal("constant")),
    ...measured,
    value: said("What it measures, always.", finite),
  }),
  v.strictObject({
    kind: said("A wave over time, with noise.", v.literal("sine")),
    ...measured,
    mean: said("Middle of the wave.", finite),
    amplitude: said("From the middle to the top.", finite),
    period: said("Duration of one wave.", positiveDuration),
    noise: said("Standard deviation of the noise on top.", v.optional(finite, 0)),
  }),
  v.strictObject({
    kind: said("Each value is near the one before.", v.literal("random-walk")),
    ...measured,
    initial: said("First value.", finite),
    step: said("Largest change from one frame to the next.", finite),
    min: said("The value never goes below.", v.optional(finite, -1e9)),
    max: said("The value never goes above.", v.optional(finite, 1e9)),
  }),
  v.strictObject({
    kind: said("Silent until it happens.", v.literal("event")),
    name: said("SenML name of the event, behind the sensor's.", measurementName),
    probability: said("Of a frame at each cadence.", probability),
  }),
  v.strictObject({
    kind: said("The rows of a real data set, see NOTICE.", v.literal("mote-replay")),
    mote: said(
      "Sensor number i replays mote i mod 4 (`each`), or the one named.",
      v.optional(v.union([v.literal("each"), whole(1, 4)]), "each"),
    ),
  }),
]);

/** Faults of a device: each is the probability per frame, and a frame has at most one of them. */
export const faultsSchema = v.strictObject({
  duplicate: said("The datagram leaves twice.", v.optional(probability, 0)),
  malformedCbor: said("Content that is not CBOR.", v.optional(probability, 0)),
  truncatedCbor: said("CBOR that ends in the middle.", v.optional(probability, 0)),
  wrongFormat: said("A content format that no gateway takes.", v.optional(probability, 0)),
  replay: said("Keyed: an earlier frame once more, under a new Message-ID.", v.optional(probability, 0)),
  staleSequence: said("Keyed: new content under a sequence number that was used long ago.", v.optional(probability, 0)),
  badTag: said("Keyed: a tag that does not verify, by a flipped bit or another key.", v.optional(probability, 0)),
  stuckValue: said("The value stays what it was for `stuckFrames` frames.", v.optional(probability, 0)),
  stuckFrames: said("How many frames a stuck value lasts.", v.optional(whole(1, 1_000_000), 20)),
  reboot: said(
    "The device restarts: Message-IDs count from the start again, under new content.",
    v.optional(probability, 0),
  ),
  abandonedBlocks: said("A Block1 transfer that ends before its last block.", v.optional(probability, 0)),
  oversize: said("A Block1 transfer above the frame limit.", v.optional(probability, 0)),
});

const KEYED_FAULTS = ["replay", "staleSequence", "badTag"] as const;

export const fleetSchema = v.pipe(
  v.strictObject({
    name: said("Name of the fleet, part of the names of its sensors.", fleetName),
    count: said("How many sensors.", whole(1, 200_000)),
    model: said("What a device measures.", modelSchema),
    cadence: said("A frame of each sensor each time.", positiveDuration),
    jitter: said("Each interval is the cadence plus or minus up to this.", v.optional(duration, "0ms")),
    message: said(
      "`con` wants an acknowledgement, `non` an answer, `non-no-response` none.",
      v.optional(v.picklist(["con", "non", "non-no-response"], "choose con, non or non-no-response"), "con"),
    ),
    format: said(
      "Content format: 112 is senml+cbor, 113 sensml+cbor.",
      v.optional(v.picklist([112, 113], "choose 112 (senml+cbor) or 113 (sensml+cbor)"), 112),
    ),
    lane: said(
      "The lane of its frames.",
      v.optional(v.picklist(LANES, `choose one of ${LANES.join(", ")}`), "telemetry"),
    ),
    path: said(
      "Where frames are posted: `lane` is /i/{lane}; at /i and /dp the gateway's sensors file says the lane.",
      v.optional(v.picklist(["lane", "/i", "/dp"], "choose lane, /i or /dp"), "lane"),
    ),
    keyed: said(
      "COSE_Mac0 with a key that the seed decides; `paddock sim keys` writes the gateway's sensors file.",
      v.optional(v.boolean("write true or false"), false),
    ),
    tagBits: said("Length of the tag of a keyed frame.", v.optional(v.picklist([64, 256], "choose 64 or 256"), 64)),
    sources: said(
      "Addresses or prefixes of this machine; the same frame leaves from each of them.",
      v.optional(
        v.pipe(v.array(source), v.minLength(1, "name at least one source"), v.maxLength(8, "name at most 8 sources")),
        ["::"],
      ),
    ),
    blockBytes: said(
      "Frames above this size go in Block1 transfers of blocks of this size; null sends every frame whole.",
      v.optional(
        v.nullable(v.picklist([16, 32, 64, 128, 256, 512, 1024], "choose a power of two from 16 to 1024")),
        null,
      ),
    ),
    frameBytes: said(
      "Frames are filled up to this size by a data value; null leaves them as they are.",
      v.optional(v.nullable(whole(1, FRAME_BYTES_MAX)), null),
    ),
    start: said("When the fleet starts, from the start of the run.", v.optional(duration, "0s")),
    stop: said(
      "When the fleet stops, from the start of the run; null is the end of the run.",
      v.optional(v.nullable(duration), null),
    ),
    ramp: said("Sensors join one after the other over this time.", v.optional(duration, "0s")),
    churn: said(
      "Sensors come and go; null: they stay.",
      v.optional(
        v.nullable(
          v.strictObject({
            online: said("Mean time that a sensor is there (exponential).", positiveDuration),
            offline: said("Mean time that it is gone (exponential).", positiveDuration),
            reboot: said("It restarts when it comes back.", v.optional(v.boolean("write true or false"), true)),
          }),
        ),
        null,
      ),
    ),
    clock: said(
      "How the sensors' clocks differ from that of the scenario.",
      v.optional(
        v.strictObject({
          skew: said("Each sensor's clock is off by up to this, either way.", v.optional(duration, "0s")),
          driftPpm: said(
            "Each sensor's clock drifts by up to this many parts per million, either way.",
            v.optional(v.pipe(finite, v.minValue(0, "write 0 or more")), 0),
          ),
          without: said(
            "Share of sensors that have no clock and send relative SenML times.",
            v.optional(probability, 0),
          ),
        }),
        {},
      ),
    ),
    faults: said(
      "Faults of a device: each is the probability per frame, and a frame has at most one.",
      v.optional(faultsSchema, {}),
    ),
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
  at: said("When it begins, from the start of the run.", duration),
  for: said("How long it lasts.", positiveDuration),
  fleets: said("Names of fleets; null means all.", v.optional(v.nullable(v.array(fleetName)), null)),
  rate: said("Frames per cadence while it lasts; 0 is silence.", v.pipe(finite, v.minValue(0, "write 0 or more"))),
  spread: said("After silence, sensors come back within this time, all of them.", v.optional(duration, "1s")),
  reboot: said(
    "Sensors restart when they come back from silence.",
    v.optional(v.boolean("write true or false"), false),
  ),
});

/** How sensors transmit: RFC 7252 §4.8, and what they do when the gateway asks them to come back. */
export const coapSchema = v.strictObject({
  ackTimeout: said("ACK_TIMEOUT: the first wait for an acknowledgement.", v.optional(positiveDuration, "2s")),
  ackRandomFactor: said(
    "ACK_RANDOM_FACTOR: that wait is up to this many times as long.",
    v.optional(v.pipe(finite, v.minValue(1, "write 1 or more")), 1.5),
  ),
  maxRetransmit: said("MAX_RETRANSMIT: how often a CON is sent again.", v.optional(whole(0, 20), 4)),
  nstart: said("NSTART: how many CON of a sensor are under way at once.", v.optional(whole(1, 1000), 1)),
  answerTimeout: said("How long a NON that wants an answer waits for it.", v.optional(positiveDuration, "10s")),
  retries: said("How often a frame that was turned away (4.29, 5.03) is sent again.", v.optional(whole(0, 1000), 8)),
  retryWaitMax: said(
    "The longest wait that a sensor obeys, whatever Max-Age says.",
    v.optional(positiveDuration, "60s"),
  ),
});

export const scenarioSchema = v.pipe(
  v.strictObject({
    $schema: said("For editors: where scenario.schema.json is.", v.optional(v.string())),
    "paddock-scenario": said(
      "Version of the document.",
      v.literal(SCENARIO_VERSION, `this simulator reads version ${SCENARIO_VERSION}`),
    ),
    name: said("Name of the scenario, that of its file.", fleetName),
    description: said("What it is for.", v.optional(v.string("write a sentence"), "")),
    duration: said("How long sensors send.", positiveDuration),
    clock: said(
      "The sensors' time at the start of the run: part of the bytes, so it is fixed unless `--clock` says otherwise.",
      v.optional(
        v.pipe(v.string("write a UTC time"), v.isoTimestamp("write a UTC time such as 2026-01-01T00:00:00Z")),
        "2026-01-01T00:00:00Z",
      ),
    ),
    fleets: said(
      "Groups of sensors alike.",
      v.pipe(v.array(fleetSchema), v.minLength(1, "describe at least one fleet")),
    ),
    timeline: said(
      "What happens to fleets together: a power cut is rate 0 with reboot, a burst is a rate above 1.",
      v.optional(v.array(phaseSchema), []),
    ),
    coap: said(
      "How sensors transmit (RFC 7252 §4.8), and what they do when the gateway asks them to come back.",
      v.optional(coapSchema, {}),
    ),
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
  v.forward(
    v.check(
      ({ duration: endMs, timeline }) => timeline.every((phase) => phase.at < endMs),
      "an entry begins when the duration is over: it would never happen; make the duration longer or its at earlier",
    ),
    ["timeline"],
  ),
);

export type Scenario = v.InferOutput<typeof scenarioSchema>;
export type Fleet = Scenario["fleets"][number];
export type Model = Fleet["model"];
export type Faults = Fleet["faults"];
export type Phase = Scenario["timeline"][number];
export type CoapSettings = Scenario["coap"];
