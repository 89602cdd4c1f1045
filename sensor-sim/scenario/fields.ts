import { isIPv6 } from "node:net";
import { parseDurationMs } from "@paddock/base/duration.ts";
import * as v from "valibot";

/** Building blocks of the scenario schema: each names what it wants, so that a refusal says how to write it. */

/** A duration as text; the output is milliseconds. */
export const duration = v.pipe(
  v.string("write a duration such as 250ms or 5s"),
  v.regex(/^\d+(\.\d+)?\s*(us|ms|s|min|m|h|d)$/, "write a number with us, ms, s, min, h or d, such as 5s"),
  v.transform((text) => {
    const parsed = parseDurationMs(text);
    return parsed.ok ? parsed.value : Number.NaN;
  }),
);

/** A duration above zero; the output is milliseconds. */
export const positiveDuration = v.pipe(
  duration,
  v.check((ms) => ms > 0, "write a duration above zero"),
);

export const probability = v.pipe(
  v.number("write a probability from 0 to 1"),
  v.minValue(0, "write a probability from 0 to 1"),
  v.maxValue(1, "write a probability from 0 to 1"),
);

export function whole(min: number, max: number) {
  const message = `write a whole number from ${min} to ${max}`;
  return v.pipe(v.number(message), v.integer(message), v.minValue(min, message), v.maxValue(max, message));
}

export const finite = v.pipe(v.number("write a number"), v.finite("write a finite number"));

/** An IPv6 address, or a prefix in which sensor number i takes the i-th address. `::` lets the kernel choose. */
export const source = v.pipe(
  v.string("write an IPv6 address such as ::1 or a prefix such as fd00:1::/64"),
  v.check((text) => {
    const [address, length, ...rest] = text.split("/");
    if (rest.length > 0 || address === undefined || !isIPv6(address) || address.includes("%")) return false;
    return length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= 112);
  }, "write an IPv6 address such as ::1, or a prefix of at most 112 bits such as fd00:1::/64"),
);

export const fleetName = v.pipe(
  v.string("write a name"),
  v.regex(/^[a-z0-9][a-z0-9-]{0,39}$/, "write a name of at most 40 lower-case letters, digits and hyphens"),
);

/** A name that RFC 8428 §4.5.1 allows behind the base name. */
export const measurementName = v.pipe(
  v.string("write a name"),
  v.regex(/^[A-Za-z0-9\-:./_]{1,32}$/, "write at most 32 of letters, digits, - : . / _ (RFC 8428 §4.5.1)"),
);

export const unit = v.pipe(v.string("write a SenML unit"), v.maxLength(16, "write a SenML unit such as Cel or %RH"));
