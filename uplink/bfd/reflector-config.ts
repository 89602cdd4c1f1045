import { isIP } from "node:net";
import * as v from "valibot";
import { parsePrefix } from "./address-filter.ts";
import { INTERVAL_MS_MIN } from "./intervals.ts";

/** The parts of a configuration that the collector and `paddock bfd --standalone` share. */
const text = v.pipe(v.string(), v.minLength(2), v.maxLength(64));

/** An address to answer at. */
export const REFLECTOR_ADDRESS = v.pipe(
  text,
  v.check(
    (address) => isIP(address.split("%")[0]!) !== 0 && !/^(::|0\.0\.0\.0)$/.test(address),
    "must be one address of this machine, not :: (an answer leaves from the address that was asked)",
  ),
);

/** Milliseconds. A reflector keeps no timer, so its pace may be finer than that of sessions. */
export const REFLECTOR_INTERVAL_MS = v.pipe(v.number(), v.minValue(1), v.maxValue(60_000));

/** Milliseconds. */
export const PASSIVE_INTERVAL_MS = v.pipe(v.number(), v.minValue(INTERVAL_MS_MIN), v.maxValue(60_000));

/** Whose packets are answered. */
export const ALLOWED_PREFIX = v.pipe(
  text,
  v.check((entry) => parsePrefix(entry) !== undefined, "must be an address or a prefix, such as 2001:db8::/32"),
);
