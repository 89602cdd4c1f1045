import { isIP } from "node:net";
import * as v from "valibot";

/** What the fields of the configuration are made of: kinds of values, each with the sentence that says what was expected. */

export const MIB = 1024 * 1024;

/** A field with the text that the generated tables and the schema show for it. */
export const described = <Schema extends v.GenericSchema>(schema: Schema, text: string) =>
  v.pipe(schema, v.description(text));

export const whole = (min: number, max: number, unit: string) =>
  v.pipe(
    v.number(`expected a whole number of ${unit}`),
    v.integer(`expected a whole number of ${unit}`),
    v.minValue(min, `expected ${min} to ${max} ${unit}`),
    v.maxValue(max, `expected ${min} to ${max} ${unit}`),
  );

/** A section that may be null, which stands for `whenNull`. */
export const nullableSection = <Entries extends v.ObjectEntries>(
  section: v.StrictObjectSchema<Entries, undefined>,
  whenNull: v.InferOutput<v.StrictObjectSchema<Entries, undefined>>,
) =>
  v.pipe(
    v.nullable(section),
    v.transform((value) => value ?? whenNull),
  );

export const share = v.pipe(v.number(), v.minValue(0, "expected 0 to 1"), v.maxValue(1, "expected 0 to 1"));

export const filePath = v.pipe(v.string("expected a file path"), v.minLength(1, "expected a file path"));

export const ipAddress = v.pipe(
  v.string("expected an IP address"),
  v.check((text) => isIP(text.split("%")[0]!) !== 0, "expected an IPv6 (or IPv4) address, such as :: or fe80::1%eth0"),
);

export const portOf = (of: "UDP" | "TCP") => {
  const message = `expected a ${of} port, 0 to 65535`;
  return v.pipe(v.number(message), v.integer(message), v.minValue(0, message), v.maxValue(65_535, message));
};
