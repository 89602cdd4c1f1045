import { describe, expect, test } from "vitest";
import { CoapView, decodeMessage, encodeMessage, findOption, readMessage, type CoapMessage } from "./coap-message.ts";
import { COAP_OPTIONS_MAX, DATAGRAM_BYTES_MAX } from "./limits.ts";

/** Every shape of header and option, whole and cut short anywhere, against RFC 7252 §3 in plain words. */

const bytesOf = (...parts: (number | Uint8Array)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === "number" ? Buffer.of(part) : part)));

/** What RFC 7252 says of the first two bytes of a message of `length` bytes without options; undefined: it is one. */
function headerProblem(first: number, code: number, length: number): string | undefined {
  const [version, type, tokenLength, codeClass] = [first >> 6, (first >> 4) & 3, first & 15, code >> 5];
  if (version !== 1) return "version";
  if (tokenLength > 8) return "token-length";
  if (code === 0) {
    if (length > 4 || tokenLength > 0) return "empty-message";
    return type === 1 ? "type-code" : undefined;
  }
  if ([1, 6, 7].includes(codeClass)) return "code-class";
  if (type === 3) return "type-code";
  if (type === 2 && codeClass === 0) return "type-code";
  return length < 4 + tokenLength ? "too-short" : undefined;
}

test("of every first byte and every code it is known what they may be", () => {
  const view = new CoapView();
  let fine = 0;
  for (let first = 0; first < 256; first++) {
    for (let code = 0; code < 256; code++) {
      for (const length of new Set([4, 4 + (first & 15), Math.max(4, 3 + (first & 15))])) {
        const bytes = Buffer.alloc(length, 0);
        bytes[0] = first;
        bytes[1] = code;
        bytes[2] = 0xab;
        bytes[3] = 0xcd;
        const problem = headerProblem(first, code, length);
        const found = decodeMessage(bytes, view);
        if (found !== problem) expect([first, code, length, found]).toEqual([first, code, length, problem]);
        if (problem !== "version" && (view.type !== ((first >> 4) & 3) || view.messageId !== 0xabcd))
          expect([first, code, view.type, view.messageId]).toEqual([first, code, (first >> 4) & 3, 0xabcd]);
        if (problem !== undefined) continue;
        fine++;
        const { type, tokenStart, tokenLength, optionCount, payloadStart } = view;
        expect([view.code, type, tokenStart, tokenLength, optionCount, payloadStart].join()).toBe(
          [code, (first >> 4) & 3, 4, code === 0 ? 0 : first & 15, 0, length].join(),
        );
      }
    }
  }
  expect(fine).toBeGreaterThan(4000);
});

/** The nibble of a delta or length, and the bytes that it asks for behind the head. */
function nibble(value: number): [nibble: number, extension: Uint8Array] {
  if (value < 13) return [value, new Uint8Array(0)];
  if (value < 269) return [13, Uint8Array.of(value - 13)];
  return [14, Uint8Array.of((value - 269) >> 8, (value - 269) & 255)];
}

function optionBytes(delta: number, value: Uint8Array): Buffer {
  const [high, first] = nibble(delta);
  const [low, second] = nibble(value.length);
  return bytesOf((high << 4) | low, first, second, value);
}

const EDGES = [0, 1, 12, 13, 14, 268, 269, 270, 525, 1000];
const HEAD = Buffer.from("42451234aabb", "hex");

const problemOf = (...parts: (number | Uint8Array)[]) => decodeMessage(bytesOf(HEAD, ...parts), new CoapView());

describe("an option", () => {
  test.each(EDGES.flatMap((number) => EDGES.map((length) => [number, length] as const)))(
    "with delta %i and %i bytes is read and written, and nothing less than it",
    (number, length) => {
      const value = Buffer.alloc(length, 0x5a);
      const option = optionBytes(number, value);
      const whole = bytesOf(HEAD, option, 0x01, 0x77, 0xff, 0x70);
      const options = [
        { number, value },
        { number, value: Buffer.of(0x77) },
      ];
      const message = { type: 0, code: 0x45, messageId: 0x1234, token: Buffer.from("aabb", "hex"), options };
      expect(readMessage(whole)).toEqual({ ok: true, value: { ...message, payload: Buffer.of(0x70) } });
      expect(Buffer.compare(encodeMessage({ ...message, type: 0, payload: Buffer.of(0x70) }), whole)).toBe(0);
      const view = new CoapView();
      const fine = new Set([HEAD.length, HEAD.length + option.length, HEAD.length + option.length + 2, whole.length]);
      for (let cut = 4; cut < whole.length; cut += cut > 20 && cut < whole.length - 20 ? 7 : 1) {
        const problem = cut === whole.length - 1 ? "empty-payload" : fine.has(cut) ? undefined : "too-short";
        const found = decodeMessage(whole.subarray(0, cut), view);
        if (found !== problem) expect([cut, found]).toEqual([cut, problem]);
      }
    },
  );

  test("with a reserved nibble is none, and beyond the greatest number neither", () => {
    expect([problemOf(0xf0), problemOf(0xf1, 0), problemOf(0x0f), problemOf(0x1f, 0)]).toEqual([
      "option-delta",
      "option-delta",
      "option-length",
      "option-length",
    ]);
    const last = optionBytes(65_535, new Uint8Array(0));
    expect(problemOf(last)).toBeUndefined();
    expect(problemOf(last, 0x00)).toBeUndefined();
    expect(problemOf(last, 0x10)).toBe("option-number");
    expect(problemOf(0xe0, 0xff, 0xff)).toBe("option-number");
  });

  test("is found by its number from a place on", () => {
    const view = new CoapView();
    decodeMessage(bytesOf(HEAD, 0x10, 0x20, 0x00, 0x20), view);
    const found = [0, 1, 2, 3, 4, 5, 6].map((number) => findOption(view, number));
    expect(found).toEqual([-1, 0, -1, 1, -1, 3, -1]);
    expect([1, 2, 3, 4].map((from) => findOption(view, 3, from))).toEqual([1, 2, -1, -1]);
  });
});

describe("what is written", () => {
  const EMPTY = new Uint8Array(0);
  const fine: CoapMessage = { type: 0, code: 1, messageId: 1, token: EMPTY, options: [], payload: EMPTY };
  const empty: CoapMessage = { ...fine, code: 0 };
  const many = (count: number) => Array.from({ length: count }, () => ({ number: 11, value: EMPTY }));

  test.each<[string, CoapMessage, length: number]>([
    ["the least", fine, 4],
    ["an empty CON", empty, 4],
    ["an empty ACK", { ...empty, type: 2 }, 4],
    ["a reset", { ...empty, type: 3 }, 4],
    ["a NON", { ...fine, type: 1 }, 4],
    ["an ACK with a response", { ...fine, type: 2, code: 0x40 }, 4],
    ["the greatest code", { ...fine, code: 0xbf }, 4],
    ["the least id", { ...fine, messageId: 0 }, 4],
    ["the greatest id", { ...fine, messageId: 65_535 }, 4],
    ["the longest token", { ...fine, token: new Uint8Array(8) }, 12],
    ["the most options", { ...fine, options: many(COAP_OPTIONS_MAX) }, 4 + COAP_OPTIONS_MAX],
    ["the least number", { ...fine, options: [{ number: 0, value: EMPTY }] }, 5],
    ["the greatest number", { ...fine, options: [{ number: 65_535, value: EMPTY }] }, 7],
    ["a payload", { ...fine, payload: new Uint8Array(1) }, 6],
    ["as much as a datagram holds", { ...fine, payload: new Uint8Array(DATAGRAM_BYTES_MAX - 5) }, DATAGRAM_BYTES_MAX],
  ])("%s", (_, message, length) => {
    const bytes = encodeMessage(message);
    expect(bytes).toHaveLength(length);
    const read = readMessage(bytes);
    expect(
      read.ok && { ...read.value, token: read.value.token.length, options: read.value.options.length },
    ).toMatchObject({
      ...message,
      token: message.token.length,
      options: message.options.length,
      payload: expect.objectContaining({ length: message.payload.length }),
    });
  });

  test.each<[string, CoapMessage]>([
    ["an empty one with a token", { ...empty, token: new Uint8Array(1) }],
    ["an empty one with an option", { ...empty, options: many(1) }],
    ["an empty one with a payload", { ...empty, payload: new Uint8Array(1) }],
    ["a code of class 1", { ...fine, code: 0x3f }],
    ["a code of class 6", { ...fine, code: 0xc0 }],
    ["a code of class 7", { ...fine, code: 0xff }],
    ["a reset with a response", { ...fine, type: 3, code: 0x45 }],
    ["one byte more than a datagram holds", { ...fine, payload: new Uint8Array(DATAGRAM_BYTES_MAX - 4) }],
  ])("is not %s", (_, message) => {
    expect(() => encodeMessage(message)).toThrow(RangeError);
  });
});
