import * as v from "valibot";
import { readConfigFile } from "@paddock/base/config.ts";
import { LANES } from "@paddock/wire/lanes.ts";

/**
 * The configuration of the HTTP bridge: which forms of old scripts there are, and what reading each field is. One JSON
 * document, checked as a whole before anything starts. Unknown keys are errors.
 */

const describe = v.description;
const text = (min: number, max: number) => v.pipe(v.string(), v.minLength(min), v.maxLength(max));
const whole = (min: number, max: number, unit: string) =>
  v.pipe(v.number(), v.integer(`must be a whole number of ${unit}`), v.minValue(min), v.maxValue(max));
const port = whole(0, 65_535, "ports");

const NAME = /^[A-Za-z0-9\-:./_]*$/u;
const name = v.pipe(text(0, 200), v.regex(NAME, "may hold A-Z a-z 0-9 - : . / _ (RFC 8428 §4.5.1)"));

const Field = v.strictObject({
  field: v.pipe(text(1, 128), describe("The form's or query's field")),
  name: v.pipe(name, describe("Its SenML name, behind the form's name and the sensor's id")),
  kind: v.optional(v.picklist(["number", "text", "boolean"]), "number"),
  unit: v.optional(v.nullable(text(1, 32)), null),
  required: v.pipe(v.optional(v.boolean(), true), describe("Whether a request without it is refused")),
});

const Form = v.strictObject({
  path: v.pipe(text(1, 256), v.regex(/^\//u, "must start with /"), describe("Where the script sends to: /log.php")),
  name: v.pipe(v.optional(name, ""), describe("Base name of all readings, such as urn:dev:ow:")),
  id: v.pipe(
    v.optional(v.nullable(text(1, 128)), null),
    describe("Field with the sensor's id, which follows the base name; null: there is none"),
  ),
  fields: v.pipe(v.array(Field), v.minLength(1), v.maxLength(64)),
  time: v.pipe(
    v.optional(
      v.nullable(
        v.strictObject({ field: text(1, 128), format: v.picklist(["unix-seconds", "unix-milliseconds", "iso"]) }),
      ),
      null,
    ),
    describe("Field with the time of the readings; null, and a request without it: when the gateway gets them"),
  ),
  decimalComma: v.pipe(v.optional(v.boolean(), false), describe("Whether numbers may be written 21,5")),
  lane: v.optional(v.picklist(LANES), "telemetry"),
});

export const BridgeConfigSchema = v.strictObject({
  listen: v.pipe(
    v.optional(v.strictObject({ address: text(2, 64), port }), { address: "::1", port: 8080 }),
    describe("Old scripts know no keys: let nobody else reach it"),
  ),
  gateway: v.pipe(
    v.optional(v.strictObject({ address: text(2, 64), port: v.optional(port, 5683) }), { address: "::1" }),
    describe("Address and CoAP port of the gateway"),
  ),
  answerMs: v.pipe(
    v.optional(whole(100, 120_000, "ms"), 10_000),
    describe("How long a script waits at most for the gateway's yes; then it gets 503"),
  ),
  requestsMax: v.pipe(v.optional(whole(1, 10_000, "requests"), 64), describe("At once; more get 503")),
  forms: v.pipe(v.array(Form), v.minLength(1), v.maxLength(256)),
});

export type BridgeConfig = v.InferOutput<typeof BridgeConfigSchema>;
export type BridgeForm = BridgeConfig["forms"][number];

/** Reads and checks a configuration file. Throws CONFIG_UNREADABLE or CONFIG_INVALID. */
export function readBridgeConfig(path: string): Promise<BridgeConfig> {
  return readConfigFile(BridgeConfigSchema, path);
}
