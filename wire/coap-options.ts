/**
 * CoAP option numbers and what their tables say of them (RFC 7252 §5.10 and the RFC named at each). A value whose length
 * is out of its range counts as an option that was not recognised (RFC 7252 §5.4.3), so the message codec lets it pass
 * and the endpoint asks `optionLengthFits`.
 */

export const OPTION_IF_MATCH = 1;
export const OPTION_URI_HOST = 3;
export const OPTION_ETAG = 4;
export const OPTION_IF_NONE_MATCH = 5;
export const OPTION_OBSERVE = 6;
export const OPTION_URI_PORT = 7;
export const OPTION_LOCATION_PATH = 8;
export const OPTION_OSCORE = 9;
export const OPTION_URI_PATH = 11;
export const OPTION_CONTENT_FORMAT = 12;
export const OPTION_MAX_AGE = 14;
export const OPTION_URI_QUERY = 15;
export const OPTION_HOP_LIMIT = 16;
export const OPTION_ACCEPT = 17;
export const OPTION_LOCATION_QUERY = 20;
export const OPTION_BLOCK2 = 23;
export const OPTION_BLOCK1 = 27;
export const OPTION_SIZE2 = 28;
export const OPTION_PROXY_URI = 35;
export const OPTION_PROXY_SCHEME = 39;
export const OPTION_SIZE1 = 60;
export const OPTION_ECHO = 252;
export const OPTION_NO_RESPONSE = 258;
export const OPTION_REQUEST_TAG = 292;

export interface OptionRule {
  readonly name: string;
  /** Bytes of the value. */
  readonly min: number;
  readonly max: number;
  /** Whether it may stand more than once in a message (RFC 7252 §5.4.5). */
  readonly repeatable: boolean;
}

const RULES: ReadonlyMap<number, OptionRule> = new Map([
  [OPTION_IF_MATCH, rule("If-Match", 0, 8, true)],
  [OPTION_URI_HOST, rule("Uri-Host", 1, 255)],
  [OPTION_ETAG, rule("ETag", 1, 8, true)],
  [OPTION_IF_NONE_MATCH, rule("If-None-Match", 0, 0)],
  // RFC 7641 §2
  [OPTION_OBSERVE, rule("Observe", 0, 3)],
  [OPTION_URI_PORT, rule("Uri-Port", 0, 2)],
  [OPTION_LOCATION_PATH, rule("Location-Path", 0, 255, true)],
  // RFC 8613 §2
  [OPTION_OSCORE, rule("OSCORE", 0, 255)],
  [OPTION_URI_PATH, rule("Uri-Path", 0, 255, true)],
  [OPTION_CONTENT_FORMAT, rule("Content-Format", 0, 2)],
  [OPTION_MAX_AGE, rule("Max-Age", 0, 4)],
  [OPTION_URI_QUERY, rule("Uri-Query", 0, 255, true)],
  // RFC 8768 §3
  [OPTION_HOP_LIMIT, rule("Hop-Limit", 1, 1)],
  [OPTION_ACCEPT, rule("Accept", 0, 2)],
  [OPTION_LOCATION_QUERY, rule("Location-Query", 0, 255, true)],
  // RFC 7959 §2.1, §4
  [OPTION_BLOCK2, rule("Block2", 0, 3)],
  [OPTION_BLOCK1, rule("Block1", 0, 3)],
  [OPTION_SIZE2, rule("Size2", 0, 4)],
  [OPTION_PROXY_URI, rule("Proxy-Uri", 1, 1034)],
  [OPTION_PROXY_SCHEME, rule("Proxy-Scheme", 1, 255)],
  [OPTION_SIZE1, rule("Size1", 0, 4)],
  // RFC 9175 §2.2.1, §3.2.1
  [OPTION_ECHO, rule("Echo", 1, 40)],
  [OPTION_REQUEST_TAG, rule("Request-Tag", 0, 8, true)],
  // RFC 7967 §2
  [OPTION_NO_RESPONSE, rule("No-Response", 0, 1)],
]);

function rule(name: string, min: number, max: number, repeatable = false): OptionRule {
  return { name, min, max, repeatable };
}

/** What the RFCs say of an option, or undefined for one that is not in the table. */
export function optionRule(number: number): OptionRule | undefined {
  return RULES.get(number);
}

/** Whether a message with this option must be refused by who does not know it (RFC 7252 §5.4.6). */
export function isCritical(number: number): boolean {
  return (number & 1) === 1;
}

/** Whether a value of this many bytes is in the range of the option; an option that is not in the table has none. */
export function optionLengthFits(number: number, length: number): boolean {
  const found = RULES.get(number);
  return found === undefined || (length >= found.min && length <= found.max);
}

export function isRepeatable(number: number): boolean {
  return RULES.get(number)?.repeatable ?? true;
}

/** An option for people: its name, else its number. */
export function optionName(number: number): string {
  return RULES.get(number)?.name ?? String(number);
}

/** The value of a uint option (RFC 7252 §3.2): big endian, leading zeros allowed. Exact up to 6 bytes. */
export function readUintOption(bytes: Uint8Array, start: number, length: number): number {
  let value = 0;
  for (let at = start; at < start + length; at++) value = value * 256 + (bytes[at] ?? 0);
  return value;
}

/** The shortest form of a uint option value: no byte for 0. Throws RangeError unless 0 <= value <= 2^32-1. */
export function encodeUintOption(value: number): Uint8Array {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
    throw new RangeError(`a uint option holds 0 to 2^32-1, not ${value}`);
  }
  let length = 0;
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) length++;
  const bytes = new Uint8Array(length);
  for (let at = length - 1, rest = value; at >= 0; at--, rest = Math.floor(rest / 256)) bytes[at] = rest & 0xff;
  return bytes;
}
