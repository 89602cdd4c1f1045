import { fc } from "./testing/fast-check.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { describe, expect, test } from "vitest";
import {
  CoapView,
  decodeMessage,
  encodeMessage,
  findOption,
  optionValue,
  readMessage,
  writeBareReply,
} from "./coap-message.ts";
import { COAP_OPTIONS_MAX, DATAGRAM_BYTES_MAX } from "./limits.ts";
import { coapMessages } from "./testing/coap-arbitrary.ts";
import { toJson, vectorBytes } from "./testing/vectors.ts";

const EMPTY = new Uint8Array(0);
const withOptions = (count: number) => Buffer.concat([Buffer.from("40010001", "hex"), Buffer.alloc(count, 0x10)]);

describe("encode and decode", () => {
  test("any message comes back as it was, its options in order", () => {
    fc.assert(
      fc.property(coapMessages, (message) => {
        const options = message.options.toSorted((left, right) => left.number - right.number);
        expect(toJson(expectAccepted(readMessage(encodeMessage(message))))).toEqual(toJson({ ...message, options }));
      }),
    );
  });

  test("options with the same number keep their order", () => {
    const path = ["i", "alarm"].map((segment) => ({ number: 11, value: Buffer.from(segment) }));
    const encoded = encodeMessage({
      type: 0,
      code: 2,
      messageId: 1,
      token: EMPTY,
      options: [{ number: 12, value: EMPTY }, ...path],
      payload: EMPTY,
    });
    const view = new CoapView();
    expect(decodeMessage(encoded, view)).toBeUndefined();
    const first = findOption(view, 11);
    expect(Buffer.from(optionValue(view, first)).toString()).toBe("i");
    expect(Buffer.from(optionValue(view, findOption(view, 11, first + 1))).toString()).toBe("alarm");
    expect(findOption(view, 11, first + 2)).toBe(-1);
    expect(findOption(view, 60)).toBe(-1);
  });

  test("a view is used again without traces of the message before", () => {
    const view = new CoapView();
    decodeMessage(vectorBytes("coap-message", "post-block"), view);
    expect(decodeMessage(vectorBytes("coap-message", "ping"), view)).toBeUndefined();
    expect(view).toMatchObject({
      type: 0,
      code: 0,
      messageId: 0x1234,
      tokenLength: 0,
      optionCount: 0,
      payloadStart: 4,
    });
  });

  test("takes as many options as the view holds, and not one more", () => {
    expect(decodeMessage(withOptions(COAP_OPTIONS_MAX), new CoapView())).toBeUndefined();
    expect(decodeMessage(withOptions(COAP_OPTIONS_MAX + 1), new CoapView())).toBe("option-count");
  });

  test.each([
    ["an empty option whose number takes a byte", "40010001d0ff", 268, 0],
    ["an empty option whose number takes two", "40010001e00001", 270, 0],
    ["an option of 13 bytes", `400100011d00${"61".repeat(13)}`, 1, 13],
    ["an option of 269 bytes", `400100011e0000${"61".repeat(269)}`, 1, 269],
  ])("%s may end a message, which is cut short one byte earlier", (_, hex, number, length) => {
    const view = new CoapView();
    const bytes = Buffer.from(hex, "hex");
    expect(decodeMessage(bytes, view)).toBeUndefined();
    expect([view.optionCount, view.optionNumbers[0], view.optionLengths[0]]).toEqual([1, number, length]);
    for (let cut = 5; cut < bytes.length; cut++) expect(decodeMessage(bytes.subarray(0, cut), view)).toBe("too-short");
  });

  test("a datagram of the greatest length is fine, a longer one is not", () => {
    const longest = Buffer.alloc(DATAGRAM_BYTES_MAX, 0x61);
    longest.write("40020001ff", "hex");
    const view = new CoapView();
    expect(decodeMessage(longest, view)).toBeUndefined();
    expect(view.payloadStart).toBe(5);
    expect(decodeMessage(Buffer.concat([longest, Buffer.from("a")]), view)).toBe("too-long");
  });

  test("a malformed CON still says whom to reset", () => {
    const view = new CoapView();
    expect(decodeMessage(Buffer.from("4902beef", "hex"), view)).toBe("token-length");
    expect(view).toMatchObject({ type: 0, messageId: 0xbeef });
  });

  test("what cannot be answered looks like a NON", () => {
    const view = new CoapView();
    for (const hex of ["", "4002be", "8002beef", "0002beef", "c002beef"]) {
      decodeMessage(Buffer.from("4002beef", "hex"), view);
      expect(decodeMessage(Buffer.from(hex, "hex"), view)).toBeDefined();
      expect(view.type).toBe(1);
    }
  });
});

describe("encodeMessage refuses what no message can be", () => {
  const fine = { type: 0, code: 1, messageId: 1, token: EMPTY, options: [], payload: EMPTY } as const;
  test.each([
    ["token of 9 bytes", { token: new Uint8Array(9) }],
    ["code class 1", { code: 0x21 }],
    ["code 256", { code: 256 }],
    ["empty NON", { type: 1, code: 0 }],
    ["RST with a code", { type: 3 }],
    ["ACK with a request", { type: 2 }],
    ["type 4", { type: 4 }],
    ["type -1", { type: -1 }],
    ["type 1.5", { type: 1.5 }],
    ["code -1", { code: -1 }],
    ["code 2.5", { code: 2.5 }],
    ["message id -1", { messageId: -1 }],
    ["message id 1.5", { messageId: 1.5 }],
    ["option 1.5", { options: [{ number: 1.5, value: EMPTY }] }],
    ["message id 65536", { messageId: 65_536 }],
    ["empty with payload", { code: 0, payload: Uint8Array.of(1) }],
    ["option 65536", { options: [{ number: 65_536, value: EMPTY }] }],
    ["option -1", { options: [{ number: -1, value: EMPTY }] }],
    ["65 options", { options: Array.from({ length: 65 }, () => ({ number: 11, value: EMPTY })) }],
    ["longer than a datagram", { payload: new Uint8Array(DATAGRAM_BYTES_MAX) }],
  ] as const)("%s", (_, change) => {
    expect(() => encodeMessage({ ...fine, ...change } as typeof fine)).toThrow(RangeError);
  });
});

describe("writeBareReply", () => {
  const target = Buffer.alloc(12);
  const request = new CoapView();

  test("an answer echoes the token", () => {
    decodeMessage(vectorBytes("coap-message", "post-frame"), request);
    const length = writeBareReply(target, 2, 0x44, request.messageId, request);
    expect(length).toBe(12);
    expect(expectAccepted(readMessage(target.subarray(0, length)))).toMatchObject({
      type: 2,
      code: 0x44,
      messageId: 0xbeef,
    });
    expect(target.subarray(4, 12).toString()).toBe("tok8byte");
  });

  test("a reset is four bytes, whatever the request carried", () => {
    const length = writeBareReply(target, 3, 0, 0xbeef, request);
    expect(target.subarray(0, length).toString("hex")).toBe("7000beef");
  });

  test("an answer to a request without a token has none", () => {
    decodeMessage(vectorBytes("coap-message", "rfc7252-figure-16-request"), request);
    const length = writeBareReply(target, 1, 0x44, 9, request);
    expect(target.subarray(0, length).toString("hex")).toBe("50440009");
  });
});
