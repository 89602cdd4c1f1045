import { readFile, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import * as v from "valibot";
import { readConfigFile } from "@paddock/base/config.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { LANES } from "@paddock/wire/lanes.ts";
import { SENSOR_ID_BYTES_MAX } from "@paddock/wire/limits.ts";
import { parsePrefix } from "./ipv6.ts";

/** HMAC keys shorter than the hash's security level are a mistake; longer than its block gains nothing (RFC 2104 §3). */
const KEY_BYTES_MIN = 16;
const KEY_BYTES_MAX = 64;

const keyHex = v.pipe(
  v.string(),
  v.regex(/^(?:[0-9a-fA-F]{2})+$/, "write the key as pairs of hex digits"),
  v.check(
    (text) => text.length >= KEY_BYTES_MIN * 2 && text.length <= KEY_BYTES_MAX * 2,
    `a key has ${KEY_BYTES_MIN} to ${KEY_BYTES_MAX} bytes`,
  ),
);

const sensorSchema = v.pipe(
  v.strictObject({
    /** The sensor's HMAC key in hex. */
    key: v.optional(keyHex),
    /** A file with the key in hex, relative to the sensors file. */
    keyFile: v.optional(v.pipe(v.string(), v.minLength(1, "name a file"))),
    /** The only algorithm that is accepted of this sensor; either one when absent. */
    alg: v.optional(v.picklist(["HMAC 256/64", "HMAC 256/256"], 'write "HMAC 256/64" or "HMAC 256/256"')),
    /** Where its frames go when the resource path does not say. */
    lane: v.optional(v.picklist(LANES, `write one of ${LANES.join(", ")}`)),
    /** IPv6 addresses or prefixes from which it sends. */
    addresses: v.optional(
      v.array(
        v.pipe(
          v.string(),
          v.check(
            (text) => parsePrefix(text) !== undefined,
            "write an IPv6 address, or a prefix such as 2001:db8:7::/64",
          ),
        ),
      ),
      [],
    ),
    /** Frames per second; 0 or absent for the setting of the whole gateway. */
    rateFramesPerS: v.optional(v.pipe(v.number(), v.minValue(0, "write 0 or more")), 0),
  }),
  v.check((sensor) => sensor.key === undefined || sensor.keyFile === undefined, "give key or keyFile, not both"),
  v.check(
    (sensor) => sensor.addresses.length > 0 || sensor.key !== undefined || sensor.keyFile !== undefined,
    "give a key or addresses: without either no frame can be recognised as this sensor's",
  ),
);

const sensorId = v.pipe(
  v.string(),
  v.check(
    (id) => id.length > 0 && Buffer.byteLength(id) <= SENSOR_ID_BYTES_MAX && id !== "paddock",
    `a sensor id has 1 to ${SENSOR_ID_BYTES_MAX} bytes and is not "paddock"`,
  ),
);

/** `{ "sensors": { ID: { key | keyFile, alg, lane, addresses, rateFramesPerS } } }` */
export const sensorsFileSchema = v.strictObject({ sensors: v.record(sensorId, sensorSchema) });

export type SensorsDocument = v.InferOutput<typeof sensorsFileSchema>;
export type SensorEntry = SensorsDocument["sensors"][string];

export interface SensorsFile extends SensorsDocument {
  /** Files with keys in them that every user of this machine can read. */
  readonly exposed: readonly string[];
}

/** The group may read: whoever provisions the machine often is another user than the one that runs the gateway. */
const OTHERS_MAY_READ = 0o004;

/**
 * Reads a sensors file and the key files that it names; every entry of the result has its key inline. Throws
 * CONFIG_UNREADABLE or CONFIG_INVALID.
 */
export async function readSensorsFile(path: string): Promise<SensorsFile> {
  const document: SensorsDocument = await readConfigFile(sensorsFileSchema, path, { namedBy: "sensors.file" });
  const sensors: Record<string, SensorEntry> = {};
  const withKeys = new Set<string>();
  for (const [id, entry] of Object.entries(document.sensors)) {
    const { keyFile, ...rest } = entry;
    const from = keyFile === undefined ? path : resolve(dirname(path), keyFile);
    if (keyFile !== undefined || entry.key !== undefined) withKeys.add(from);
    sensors[id] = keyFile === undefined ? entry : { ...rest, key: await readKey(id, from) };
  }
  return { sensors, exposed: await exposedOf([...withKeys]) };
}

async function exposedOf(paths: readonly string[]): Promise<string[]> {
  const modes = await Promise.all(paths.map(async (path) => (await stat(path)).mode));
  return paths.filter((_, index) => (modes[index]! & OTHERS_MAY_READ) !== 0);
}

async function readKey(id: string, path: string): Promise<string> {
  let text: string;
  try {
    text = (await readFile(path, "utf8")).trim();
  } catch (error) {
    throw new PaddockError("CONFIG_UNREADABLE", `The key of sensor ${id} cannot be read: ${messageOf(error)}.`, {
      cause: error,
    });
  }
  const checked = v.safeParse(keyHex, text);
  if (checked.success) return checked.output;
  throw new PaddockError("CONFIG_INVALID", `${path} is not the key of sensor ${id}: ${checked.issues[0].message}.`);
}
