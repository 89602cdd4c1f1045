import { createHash } from "node:crypto";
import { seededRandom } from "@paddock/base/random.ts";
import type { Fleet, Scenario } from "../scenario/schema.ts";
import { createDevice } from "./device.ts";
import { Heap } from "./heap.ts";
import type { MoteReading } from "./motes.ts";
import type { PlannedEndpoint, PlannedFrame } from "./planned-frame.ts";
import { SensorSchedule } from "./schedule.ts";
import { sensorKeyBytes } from "./sensor-key.ts";
import { SimulatedSensor } from "./sensor.ts";
import { sourceAddress } from "./source-address.ts";

/** Sequence numbers of keyed sensors start at the milliseconds since then, so that a later run is never a replay. */
const SEQUENCE_EPOCH_MS = Date.UTC(2026, 0, 1);
const SEQUENCES = 2 ** 40;

export interface PlanOptions {
  readonly scenario: Scenario;
  readonly seed: number;
  /** Needed when a fleet replays motes; see motes.ts. */
  readonly motes?: readonly (readonly MoteReading[])[];
  /** Unix ms of the sensors' clocks at the start; else the scenario's. */
  readonly clockMs?: number;
  /** Milliseconds; else the scenario's. */
  readonly durationMs?: number;
}

export interface Plan {
  readonly endpoints: readonly PlannedEndpoint[];
  /** Ids of the sensors that have a key. */
  readonly keyedSensors: readonly string[];
  readonly durationMs: number;
  readonly clockMs: number;
  /** The frames in order of time. Can be taken once. */
  readonly frames: Iterable<PlannedFrame>;
}

/** Number `index` of a fleet, as its gateway and its collector know it when it is keyed. */
export function sensorId(fleet: Fleet, index: number): string {
  return `${fleet.name}-${String(index).padStart(String(fleet.count - 1).length, "0")}`;
}

/**
 * Everything that a run will send, as a pure function of scenario, seed and clock: the same three give the same
 * datagrams at the same times. Frames come lazily, so a plan of any length takes memory for its sensors alone.
 */
export function makePlan(options: PlanOptions): Plan {
  const { scenario, seed, motes = [] } = options;
  const clockMs = options.clockMs ?? Date.parse(scenario.clock);
  const durationMs = options.durationMs ?? scenario.duration;
  const firstSequence = Math.max(0, Math.round(clockMs - SEQUENCE_EPOCH_MS)) % SEQUENCES;
  const endpoints: PlannedEndpoint[] = [];
  const sensors: SimulatedSensor[] = [];
  const keyedSensors: string[] = [];
  for (const fleet of scenario.fleets) {
    const phases = scenario.timeline
      .filter((phase) => phase.fleets === null || phase.fleets.includes(fleet.name))
      .toSorted((left, right) => left.at - right.at);
    for (let index = 0; index < fleet.count; index++) {
      const id = sensorId(fleet, index);
      const random = seededRandom(seedOf(seed, id));
      const schedule = new SensorSchedule(fleet, index, phases, random);
      const device = createDevice(fleet.model, index, motes);
      const firstEndpoint = endpoints.length;
      for (const source of fleet.sources) endpoints.push({ sensor: id, address: sourceAddress(source, index) });
      if (fleet.keyed) keyedSensors.push(id);
      const key = fleet.keyed ? sensorKeyBytes(seed, id) : undefined;
      sensors.push(
        new SimulatedSensor({
          id,
          index: sensors.length,
          fleet,
          device,
          schedule,
          random,
          firstEndpoint,
          clockMs,
          key,
          firstSequence,
        }),
      );
    }
  }
  return {
    endpoints,
    keyedSensors,
    durationMs,
    clockMs,
    frames: framesOf(sensors, durationMs * 1000),
  };
}

function* framesOf(sensors: readonly SimulatedSensor[], endUs: number): Generator<PlannedFrame> {
  const heap = new Heap<SimulatedSensor>((left, right) => {
    const leftDue = left.schedule.dueUs;
    const rightDue = right.schedule.dueUs;
    return leftDue < rightDue || (leftDue === rightDue && left.index < right.index);
  });
  for (const sensor of sensors) heap.push(sensor);
  let token = 0;
  const nextToken = (): number => {
    token = (token + 1) >>> 0;
    return token;
  };
  let n = 0;
  for (let sensor = heap.peek(); sensor !== undefined && sensor.schedule.dueUs < endUs; sensor = heap.peek()) {
    const frame = sensor.next(n, sensor.schedule.dueUs, nextToken);
    sensor.schedule.advance();
    heap.reorderFirst();
    if (frame === undefined) continue;
    n++;
    yield frame;
  }
}

/** Each sensor draws from its own sequence, so that a change to one fleet leaves the others as they were. */
function seedOf(seed: number, sensor: string): number {
  return createHash("sha256").update(`${seed}/${sensor}`).digest().readUInt32BE(0);
}
