import { createHmac, createSecretKey, type KeyObject } from "node:crypto";
import { TokenBucket } from "@paddock/base/token-bucket.ts";
import { encodeSource } from "@paddock/wire/record.ts";
import { isLane, LANES, laneName, laneOf, type Lane, type LaneName } from "@paddock/wire/lanes.ts";
import { parsePrefix, prefixKey } from "./ipv6.ts";
import type { Refusal } from "./refusals.ts";
import { ReplayGuard } from "./replay-guard.ts";
import { decodeReplayState, FINGERPRINT_BYTES, type ReplayState } from "./replay-state.ts";
import type { SensorEntry, SensorsDocument } from "./sensors-file.ts";
import { SenderStats } from "./stats.ts";

/** COSE algorithm numbers by the names of the IANA registry (RFC 9053 §3.1). */
const ALGORITHMS = { "HMAC 256/64": 4, "HMAC 256/256": 5 } as const;

/** A sensor of the sensors file. The object stays the same over reloads, and so do its counters. */
export class Sensor {
  readonly id: string;
  readonly encodedSource: Uint8Array;
  readonly stats = new SenderStats();
  readonly bucket = new TokenBucket();
  /** Keys of the durable replay states, by lane. */
  readonly stateKeys: readonly string[];
  lane: Lane | undefined;
  key: KeyObject | undefined;
  /** The only COSE algorithm to accept, or undefined for either. */
  algorithm: number | undefined;
  framesPerS = 0;
  addresses: readonly string[] = [];
  /** An unkeyed sensor with several addresses: one datagram that comes from two of them is one message. */
  sharesEndpoint = false;
  guard: ReplayGuard;
  /** Guards by key fingerprint. */
  readonly guards = new Map<string, ReplayGuard>();

  constructor(id: string) {
    this.id = id;
    this.encodedSource = encodeSource(id);
    this.stateKeys = stateKeysOf(id);
    this.guard = new ReplayGuard(NO_FINGERPRINT);
  }
}

/** A sender as `paddock gateway sensors` shows it. */
export interface SenderReport {
  /** The sensor's id, or the address of an unknown sender. */
  readonly sender: string;
  readonly known: boolean;
  readonly keyed: boolean;
  readonly lane: LaneName | undefined;
  readonly addresses: readonly string[];
  readonly frames: number;
  readonly bytes: number;
  readonly duplicates: number;
  /** Sequence numbers that were passed over; undefined without a key. */
  readonly gaps: number | undefined;
  /** The highest durable sequence number; undefined without one. */
  readonly sequence: number | undefined;
  /** CLOCK_MONOTONIC in µs, or undefined for never. */
  readonly lastSeenUs: number | undefined;
  readonly lastFrameUs: number | undefined;
  readonly refusedBy: Readonly<Partial<Record<Refusal, number>>>;
  readonly lastRefusal: Refusal | undefined;
  readonly lastRefusalDetail: string | undefined;
}

export interface SensorsOptions {
  /** What happens to a frame without key from an address that no sensor has. */
  readonly unknown: "accept" | "refuse";
  /** The store's side entries under `replay:`, by key: what `encodeState` wrote; `splitStates` leaves these. */
  readonly restored?: ReadonlyMap<string, Uint8Array>;
}

/** The prefix of the side entries that hold replay states. */
export const STATE_PREFIX = "replay:";
const NO_FINGERPRINT = new Uint8Array(FINGERPRINT_BYTES);

/**
 * The states of sensors that the document names, and the keys of all others: a sensor that is gone for good would else
 * be read at every start for ever. One that comes back later begins without its numbers, so give it another key.
 */
export function splitStates(
  states: ReadonlyMap<string, Uint8Array>,
  { sensors }: SensorsDocument,
): { readonly kept: ReadonlyMap<string, Uint8Array>; readonly gone: readonly string[] } {
  const wanted = new Set(
    Object.entries(sensors).flatMap(([id, { key }]) => (key === undefined ? [] : stateKeysOf(id))),
  );
  const kept = new Map([...states].filter(([key]) => wanted.has(key)));
  return { kept, gone: [...states.keys()].filter((key) => !wanted.has(key)) };
}

/** Keys of a sensor's durable states, by lane. */
function stateKeysOf(id: string): string[] {
  return LANES.map((lane) => `${STATE_PREFIX}${id}/${lane}`);
}

/** The sensors by id and by address. */
export class Sensors {
  readonly unknown: "accept" | "refuse";
  readonly #restored: ReadonlyMap<string, Uint8Array>;
  /** Every sensor that some document named: one that comes back finds its window and its counters. */
  readonly #everSeen = new Map<string, Sensor>();
  #current = new Map<string, Sensor>();
  /** Prefix lengths in use, the longest first, each with its sensors by `prefixKey`. */
  #byPrefix: (readonly [number, ReadonlyMap<string, Sensor>])[] = [];

  constructor(options: SensorsOptions) {
    this.unknown = options.unknown;
    this.#restored = options.restored ?? new Map();
  }

  /** Takes the sensors of a document in place of the present ones. Hosts must be described anew after it. */
  load(document: SensorsDocument): void {
    const current = new Map<string, Sensor>();
    const byPrefix = new Map<number, Map<string, Sensor>>();
    for (const [id, entry] of Object.entries(document.sensors)) {
      const sensor = this.#everSeen.get(id) ?? new Sensor(id);
      this.#everSeen.set(id, sensor);
      this.#configure(sensor, entry);
      current.set(id, sensor);
      for (const text of entry.addresses) {
        const prefix = parsePrefix(text)!;
        const sensors = byPrefix.get(prefix.bits) ?? new Map<string, Sensor>();
        byPrefix.set(prefix.bits, sensors.set(prefixKey(prefix.address, prefix.bits), sensor));
      }
    }
    this.#current = current;
    this.#byPrefix = [...byPrefix].toSorted((left, right) => right[0] - left[0]);
  }

  get count(): number {
    return this.#current.size;
  }

  byId(id: string): Sensor | undefined {
    return this.#current.get(id);
  }

  /** The sensor with the longest prefix that holds the address. */
  byAddress(address: Uint8Array): Sensor | undefined {
    for (const [bits, sensors] of this.#byPrefix) {
      const found = sensors.get(prefixKey(address, bits));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Every sensor of the file. */
  report(): SenderReport[] {
    return [...this.#current.values()].map((sensor) => reportOf(sensor.id, sensor.stats, sensor));
  }

  #configure(sensor: Sensor, entry: SensorEntry): void {
    sensor.lane = entry.lane === undefined ? undefined : laneOf(entry.lane);
    sensor.algorithm = entry.alg === undefined ? undefined : ALGORITHMS[entry.alg];
    sensor.framesPerS = entry.rateFramesPerS;
    sensor.addresses = entry.addresses;
    const several = entry.addresses.length > 1 || entry.addresses.some((text) => parsePrefix(text)!.bits < 128);
    sensor.sharesEndpoint = several && entry.key === undefined;
    const key = entry.key === undefined ? undefined : createSecretKey(Buffer.from(entry.key, "hex"));
    sensor.key = key;
    if (key === undefined) return;
    // Another key is another life of the sensor: its numbers start anew, and its old frames do not verify. The old
    // life's numbers are kept for the case that the old key comes back.
    const fingerprint = fingerprintOf(key);
    const life = fingerprint.toString("hex");
    sensor.guard = sensor.guards.get(life) ?? new ReplayGuard(fingerprint, this.#statesOf(sensor, fingerprint));
    sensor.guards.set(life, sensor.guard);
  }

  #statesOf(sensor: Sensor, fingerprint: Uint8Array): (readonly [Lane, ReplayState])[] {
    const states: (readonly [Lane, ReplayState])[] = [];
    for (const [lane, key] of sensor.stateKeys.entries()) {
      const bytes = this.#restored.get(key);
      const state = bytes === undefined ? undefined : decodeReplayState(bytes, fingerprint);
      if (state !== undefined && isLane(lane)) states.push([lane, state]);
    }
    return states;
  }
}

/** Tells keys apart without telling them. */
function fingerprintOf(key: KeyObject): Buffer {
  return createHmac("sha256", key).update("paddock replay window").digest().subarray(0, FINGERPRINT_BYTES);
}

/** What is shown of a sender; `sensor` is undefined for an unknown one. */
export function reportOf(sender: string, stats: SenderStats, sensor: Sensor | undefined): SenderReport {
  const keyed = sensor?.key !== undefined;
  return {
    sender,
    known: sensor !== undefined,
    keyed,
    lane: sensor?.lane === undefined ? undefined : laneName(sensor.lane),
    addresses: sensor?.addresses ?? [sender],
    frames: stats.frames,
    bytes: stats.bytes,
    duplicates: stats.duplicates,
    gaps: keyed ? sensor.guard.gaps : undefined,
    sequence: keyed && sensor.guard.highest >= 0 ? sensor.guard.highest : undefined,
    lastSeenUs: stats.lastSeenUs > 0 ? stats.lastSeenUs : undefined,
    lastFrameUs: stats.lastFrameUs > 0 ? stats.lastFrameUs : undefined,
    refusedBy: { ...stats.refusedBy },
    lastRefusal: stats.lastRefusal,
    lastRefusalDetail: stats.lastRefusal === undefined ? undefined : stats.lastRefusalDetail,
  };
}
