import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { CODE_EMPTY, isRequest, TYPE_ACK, TYPE_CON, TYPE_NON, TYPE_RST, type CoapType } from "./coap-codes.ts";
import { COAP_OPTIONS_MAX, COAP_TOKEN_BYTES_MAX, DATAGRAM_BYTES_MAX } from "./limits.ts";

/** The CoAP message codec (RFC 7252 §3), strict. Decoding fills a view that is used again and allocates nothing. */

/** Where the parts of a message lie in `bytes`. Good until the next decode into the same view. */
export class CoapView {
  bytes: Uint8Array = NOTHING;
  type: CoapType = TYPE_NON;
  /** class << 5 | detail; 0 is the empty message. */
  code = 0;
  messageId = 0;
  tokenStart = 0;
  tokenLength = 0;
  /** Options in `optionNumbers`, `optionStarts`, `optionLengths`, in ascending order of their numbers. */
  optionCount = 0;
  readonly optionNumbers = new Uint16Array(COAP_OPTIONS_MAX);
  readonly optionStarts = new Uint16Array(COAP_OPTIONS_MAX);
  readonly optionLengths = new Uint16Array(COAP_OPTIONS_MAX);
  /** `bytes.length` when there is no payload. */
  payloadStart = 0;
}

/** Why a message is not one. Doubles as a metric label. */
export type CoapProblem =
  /** Shorter than its fixed header, token or option says. */
  | "too-short"
  /** Longer than a UDP datagram can be. */
  | "too-long"
  /** Not version 1. To be ignored in silence (RFC 7252 §3). */
  | "version"
  /** Token length 9 to 15. */
  | "token-length"
  /** Option delta nibble 15 outside the payload marker. */
  | "option-delta"
  | "option-length"
  /** The sum of the deltas is above 65535. */
  | "option-number"
  /** More than COAP_OPTIONS_MAX options. */
  | "option-count"
  /** A payload marker with nothing behind it. */
  | "empty-payload"
  /** Code 0.00 with a token, options or payload (RFC 7252 §4.1). */
  | "empty-message"
  /** A reserved code class: 1, 6 or 7. */
  | "code-class"
  /** A code that this type cannot carry: NON empty, RST not empty, ACK with a request (RFC 7252 §4.2, §4.3). */
  | "type-code";

const PROBLEM_TEXT: Readonly<Record<CoapProblem, string>> = {
  "too-short": "The datagram ends inside the message's header, token or an option.",
  "too-long": "The datagram is longer than UDP over IPv6 carries.",
  version: "The version is not 1.",
  "token-length": "The token length is 9 or more.",
  "option-delta": "An option delta is the reserved value 15.",
  "option-length": "An option length is the reserved value 15.",
  "option-number": "An option number is above 65535.",
  "option-count": `There are more than ${COAP_OPTIONS_MAX} options.`,
  "empty-payload": "A payload marker has no payload behind it.",
  "empty-message": "An empty message has bytes behind its header.",
  "code-class": "The code is of a reserved class.",
  "type-code": "The type cannot carry this code.",
};

export function describeCoapProblem(problem: CoapProblem): string {
  return PROBLEM_TEXT[problem];
}

/**
 * Reads a datagram into `view`; undefined means it is a well-formed message. Never throws. With a problem, `type` and
 * `messageId` still hold wherever the header has them, so that a malformed CON can be reset; where it has not, and for
 * another version, `type` is NON, which nobody answers. The other fields are undefined in meaning then.
 */
export function decodeMessage(bytes: Uint8Array, view: CoapView): CoapProblem | undefined {
  view.bytes = bytes;
  view.type = TYPE_NON;
  view.code = 0;
  view.messageId = 0;
  view.tokenStart = HEADER_BYTES;
  view.tokenLength = 0;
  view.optionCount = 0;
  view.payloadStart = bytes.length;
  if (bytes.length < HEADER_BYTES) return "too-short";
  const first = bytes[0]!;
  if (first >> 6 !== VERSION) return "version";
  const type = ((first >> 4) & 3) as CoapType;
  const code = bytes[1]!;
  view.type = type;
  view.code = code;
  view.messageId = (bytes[2]! << 8) | bytes[3]!;
  if (bytes.length > DATAGRAM_BYTES_MAX) return "too-long";
  const tokenLength = first & 15;
  if (tokenLength > COAP_TOKEN_BYTES_MAX) return "token-length";
  if (code === CODE_EMPTY) {
    if (bytes.length > HEADER_BYTES || tokenLength > 0) return "empty-message";
    return type === TYPE_NON ? "type-code" : undefined;
  }
  const codeClass = code >> 5;
  if (codeClass === 1 || codeClass >= 6) return "code-class";
  if (type === TYPE_RST || (type === TYPE_ACK && codeClass === 0)) return "type-code";
  if (bytes.length < HEADER_BYTES + tokenLength) return "too-short";
  view.tokenLength = tokenLength;
  return decodeOptions(bytes, HEADER_BYTES + tokenLength, view);
}

function decodeOptions(bytes: Uint8Array, start: number, view: CoapView): CoapProblem | undefined {
  const end = bytes.length;
  let at = start;
  let number = 0;
  let count = 0;
  while (at < end) {
    const head = bytes[at++]!;
    if (head === PAYLOAD_MARKER) {
      if (at === end) return "empty-payload";
      view.payloadStart = at;
      return undefined;
    }
    let delta = head >> 4;
    let length = head & 15;
    if (delta === 15) return "option-delta";
    if (length === 15) return "option-length";
    if (delta === 13) {
      if (at >= end) return "too-short";
      delta = bytes[at++]! + 13;
    } else if (delta === 14) {
      if (at + 2 > end) return "too-short";
      delta = ((bytes[at]! << 8) | bytes[at + 1]!) + 269;
      at += 2;
    }
    if (length === 13) {
      if (at >= end) return "too-short";
      length = bytes[at++]! + 13;
    } else if (length === 14) {
      if (at + 2 > end) return "too-short";
      length = ((bytes[at]! << 8) | bytes[at + 1]!) + 269;
      at += 2;
    }
    number += delta;
    if (number > 0xffff) return "option-number";
    if (length > end - at) return "too-short";
    if (count === COAP_OPTIONS_MAX) return "option-count";
    view.optionNumbers[count] = number;
    view.optionStarts[count] = at;
    view.optionLengths[count] = length;
    view.optionCount = ++count;
    at += length;
  }
  return undefined;
}

/** The index of the first option with this number at or after `from`, or -1. */
export function findOption(view: CoapView, number: number, from = 0): number {
  for (let index = from; index < view.optionCount; index++) {
    const found = view.optionNumbers[index]!;
    if (found === number) return index;
    if (found > number) return -1;
  }
  return -1;
}

/** The value of the option at `index`, as a view. */
export function optionValue(view: CoapView, index: number): Uint8Array {
  const start = view.optionStarts[index]!;
  return view.bytes.subarray(start, start + view.optionLengths[index]!);
}

export interface CoapOption {
  readonly number: number;
  readonly value: Uint8Array;
}

/** A message as a value, for everything but the hot path. */
export interface CoapMessage {
  readonly type: CoapType;
  readonly code: number;
  readonly messageId: number;
  readonly token: Uint8Array;
  readonly options: readonly CoapOption[];
  readonly payload: Uint8Array;
}

/** Reads a datagram into a value of its own, whose parts are views into `bytes`. */
export function readMessage(bytes: Uint8Array): Outcome<CoapMessage, CoapProblem> {
  const view = new CoapView();
  const problem = decodeMessage(bytes, view);
  if (problem !== undefined) return refuse(problem, PROBLEM_TEXT[problem]);
  const options: CoapOption[] = [];
  for (let index = 0; index < view.optionCount; index++) {
    options.push({ number: view.optionNumbers[index]!, value: optionValue(view, index) });
  }
  return accept({
    type: view.type,
    code: view.code,
    messageId: view.messageId,
    token: bytes.subarray(view.tokenStart, view.tokenStart + view.tokenLength),
    options,
    payload: bytes.subarray(view.payloadStart),
  });
}

/**
 * Encodes a message; options are put in order, those with the same number keep theirs. Throws RangeError for what
 * `readMessage` would refuse. Lengths of option values are not checked against the tables in coap-options.ts.
 */
export function encodeMessage(message: CoapMessage): Buffer {
  const { type, code, messageId, token, payload } = message;
  checkHeader(type, code, messageId);
  if (token.length > COAP_TOKEN_BYTES_MAX)
    throw new RangeError(`a CoAP token has at most 8 bytes, not ${token.length}`);
  if (code === CODE_EMPTY && (token.length > 0 || message.options.length > 0 || payload.length > 0)) {
    throw new RangeError("an empty CoAP message has no token, options or payload");
  }
  if (message.options.length > COAP_OPTIONS_MAX) {
    throw new RangeError(`${message.options.length} CoAP options; at most ${COAP_OPTIONS_MAX}`);
  }
  const options = message.options.toSorted((left, right) => left.number - right.number);
  let size = HEADER_BYTES + token.length + PAYLOAD_MARKER_BYTES + payload.length;
  for (const { value } of options) size += OPTION_HEAD_BYTES_MAX + value.length;
  const target = Buffer.allocUnsafe(size);
  let at = writeHeader(target, type, code, messageId, token.length);
  target.set(token, at);
  at += token.length;
  let previous = 0;
  for (const { number, value } of options) {
    if (!Number.isInteger(number) || number < 0 || number > 0xffff)
      throw new RangeError(`CoAP option number ${number}`);
    at = writeOptionHead(target, at, number - previous, value.length);
    target.set(value, at);
    at += value.length;
    previous = number;
  }
  if (payload.length > 0) {
    target[at++] = PAYLOAD_MARKER;
    target.set(payload, at);
    at += payload.length;
  }
  if (at > DATAGRAM_BYTES_MAX) throw new RangeError(`a CoAP message of ${at} bytes fits no UDP datagram`);
  return target.subarray(0, at);
}

/**
 * Writes a message without options or payload that answers `request`: an ACK, NON or CON with its token, or, with code
 * 0.00, an empty ACK or RST. Returns its length, at most 12. Allocates nothing.
 */
export function writeBareReply(
  target: Uint8Array,
  type: CoapType,
  code: number,
  messageId: number,
  request: CoapView,
): number {
  const tokenLength = code === CODE_EMPTY ? 0 : request.tokenLength;
  writeHeader(target, type, code, messageId, tokenLength);
  const { bytes, tokenStart } = request;
  for (let index = 0; index < tokenLength; index++) target[HEADER_BYTES + index] = bytes[tokenStart + index]!;
  return HEADER_BYTES + tokenLength;
}

function checkHeader(type: number, code: number, messageId: number): void {
  if (!Number.isInteger(type) || type < TYPE_CON || type > TYPE_RST) throw new RangeError(`CoAP type ${type}`);
  const codeClass = code >> 5;
  if (!Number.isInteger(code) || code < 0 || codeClass === 1 || codeClass >= 6)
    throw new RangeError(`CoAP code ${code}`);
  if (!Number.isInteger(messageId) || messageId < 0 || messageId > 0xffff) {
    throw new RangeError(`CoAP message id ${messageId}`);
  }
  const fits = code === CODE_EMPTY ? type !== TYPE_NON : type !== TYPE_RST && !(type === TYPE_ACK && isRequest(code));
  if (!fits) throw new RangeError(`CoAP type ${type} cannot carry code ${code}`);
}

function writeHeader(target: Uint8Array, type: number, code: number, messageId: number, tokenLength: number): number {
  target[0] = (VERSION << 6) | (type << 4) | tokenLength;
  target[1] = code;
  target[2] = messageId >> 8;
  target[3] = messageId & 0xff;
  return HEADER_BYTES;
}

function writeOptionHead(target: Uint8Array, offset: number, delta: number, length: number): number {
  target[offset] = (nibbleOf(delta) << 4) | nibbleOf(length);
  return writeExtended(target, writeExtended(target, offset + 1, delta), length);
}

function nibbleOf(value: number): number {
  if (value < 13) return value;
  return value < 269 ? 13 : 14;
}

function writeExtended(target: Uint8Array, offset: number, value: number): number {
  if (value < 13) return offset;
  if (value < 269) {
    target[offset] = value - 13;
    return offset + 1;
  }
  target[offset] = (value - 269) >> 8;
  target[offset + 1] = (value - 269) & 0xff;
  return offset + 2;
}

const VERSION = 1;
const HEADER_BYTES = 4;
const PAYLOAD_MARKER = 0xff;
const PAYLOAD_MARKER_BYTES = 1;
/** One byte of nibbles and two of extension for each. */
const OPTION_HEAD_BYTES_MAX = 5;
const NOTHING = new Uint8Array(0);
