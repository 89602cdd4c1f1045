import { describe, expect, test } from "vitest";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { readBlock } from "@paddock/wire/coap-block.ts";
import { CoapView, decodeMessage, readMessage } from "@paddock/wire/coap-message.ts";
import {
  OPTION_BLOCK1,
  OPTION_BLOCK2,
  OPTION_CONTENT_FORMAT,
  OPTION_MAX_AGE,
  OPTION_SIZE1,
  OPTION_SIZE2,
  readUintOption,
} from "@paddock/wire/coap-options.ts";
import { AnswerTo, classify, isSuppressed, resetReply, type AnswerParts } from "./exchange.ts";

/* The message layer by itself: bytes in, the kind of message and the bytes of an answer out. */

function viewOf(hex: string) {
  const view = new CoapView();
  const problem = decodeMessage(Buffer.from(hex, "hex"), view);
  return { view, problem };
}

test.each([
  ["a CON request", "4002beef", "request"],
  ["a NON request", "5002beef", "request"],
  ["an empty CON, a ping", "4000beef", "ping"],
  ["a CON that is a response", "4044beef", "reset"],
  ["a CON that is malformed", "4902beef", "reset"],
  ["a NON that is malformed", "5902beef", "ignore"],
  ["a NON that is a response", "5044beef", "ignore"],
  ["an ACK", "6000beef", "ignore"],
  ["an RST", "7000beef", "ignore"],
])("%s (%s): %s (RFC 7252 §4.2, §4.3)", (_, hex, kind) => {
  const { view, problem } = viewOf(hex);
  expect(classify(view, problem)).toBe(kind);
});

test("a reset names the message and nothing else of it", () => {
  expect(resetReply(viewOf("4402beef01020304").view).toString("hex")).toBe("7000beef");
});

test.each([
  [0, []],
  [2, [0x44]],
  [8, [0x80, 0x9d]],
  [16, [0xa3]],
  [10, [0x44, 0x80, 0x9d]],
  [26, [0x44, 0x80, 0x9d, 0xa3]],
  [127, [0x44, 0x80, 0x9d, 0xa3]],
  [5, []],
])("No-Response %i leaves out the classes whose bits it has (RFC 7967 §2.1)", (value, left) => {
  expect([0x44, 0x80, 0x9d, 0xa3].filter((code) => isSuppressed(value, code))).toEqual(left);
});

const block = { num: 2, more: false, szx: 4 };
let drawn = 0;
const draw = () => 0x1000 + ++drawn;
const to = (hex: string, noResponse = 0, block1?: typeof block) =>
  new AnswerTo(viewOf(hex).view, noResponse, block1, draw);
const read = (bytes: Buffer | undefined) => {
  const { type, code, messageId, token, options, payload } = expectAccepted(readMessage(bytes!));
  const values = Object.fromEntries(
    options.map(({ number, value }) => [
      number,
      number === OPTION_BLOCK1 || number === OPTION_BLOCK2
        ? expectAccepted(readBlock(value, 0, value.length))
        : readUintOption(value, 0, value.length),
    ]),
  );
  const text = Buffer.from(payload).toString();
  return { type, code, messageId, token: Buffer.from(token).toString("hex"), values, text };
};
const plain = { values: {}, text: "" };
const words = (payload: string) => read(to("4002beef").bytes(0x80, { payload })).text;

describe("an answer", () => {
  test("to a CON is its ACK, to a NON a NON with a number of its own; both with the token", () => {
    drawn = 0;
    expect(read(to("4202beef0102").bytes(0x44))).toEqual({
      ...plain,
      type: 2,
      code: 0x44,
      messageId: 0xbeef,
      token: "0102",
    });
    expect(drawn).toBe(0);
    expect(read(to("5202beef0102").bytes(0x44))).toEqual({
      ...plain,
      type: 1,
      code: 0x44,
      messageId: 0x1001,
      token: "0102",
    });
    expect(drawn).toBe(1);
  });

  test("that nobody wants is an empty ACK, or nothing", () => {
    expect(to("4202beef0102", 2).bytes(0x44)!.toString("hex")).toBe("6000beef");
    expect(to("5202beef0102", 2).bytes(0x44)).toBeUndefined();
    expect(to("5202beef0102", 2).bytes(0x80)).toBeDefined();
  });

  test("carries what it is given, each as its own option", () => {
    const parts: AnswerParts = { contentFormat: 40, maxAge: 7, size1: 65_536, size2: 300, block2: block, payload: "x" };
    expect(read(to("4002beef").bytes(0x45, parts))).toMatchObject({
      values: {
        [OPTION_CONTENT_FORMAT]: 40,
        [OPTION_MAX_AGE]: 7,
        [OPTION_SIZE1]: 65_536,
        [OPTION_SIZE2]: 300,
        [OPTION_BLOCK2]: block,
      },
      text: "x",
    });
    expect(read(to("4002beef").bytes(0x45, { payload: Buffer.from("bytes") }))).toMatchObject({
      values: {},
      text: "bytes",
    });
  });

  test("says of a success alone which block it is about (RFC 7959 §2.3)", () => {
    for (const parts of [{}, { maxAge: 1 }]) {
      const values = { ...("maxAge" in parts && { [OPTION_MAX_AGE]: 1 }) };
      expect(read(to("4002beef", 0, block).bytes(0x44, parts)).values).toEqual({ ...values, [OPTION_BLOCK1]: block });
      expect(read(to("4002beef", 0, block).bytes(0x80, parts)).values).toEqual(values);
    }
    expect(read(to("4002beef", 0, block).bytes(0x44)).values).toEqual({ [OPTION_BLOCK1]: block });
  });

  test("has at most 120 bytes of words, cut between characters", () => {
    expect(words("a".repeat(120))).toBe("a".repeat(120));
    expect(words("a".repeat(121))).toBe(`${"a".repeat(117)}…`);
    expect(words("ä".repeat(61))).toBe(`${"ä".repeat(58)}…`);
  });
});
