import { describe, expect, test } from "vitest";
import { CoapView, decodeMessage, encodeMessage } from "@paddock/wire/coap-message.ts";
import {
  OPTION_ACCEPT,
  OPTION_BLOCK1,
  OPTION_BLOCK2,
  OPTION_CONTENT_FORMAT,
  OPTION_NO_RESPONSE,
  OPTION_SIZE1,
  OPTION_URI_HOST,
  OPTION_URI_PATH,
  OPTION_URI_PORT,
  OPTION_URI_QUERY,
} from "@paddock/wire/coap-options.ts";
import { RequestFields, RESOURCE_CORE, RESOURCE_FRAMES, RESOURCE_LWM2M, RESOURCE_NONE } from "./request.ts";

const ABSENT = {
  resource: RESOURCE_NONE,
  lane: -1,
  contentFormat: -1,
  accept: -1,
  size1: -1,
  noResponse: 0,
  block1: -1,
  block2: -1,
  badOption: -1,
};

type Option = readonly [number: number, value: string | readonly number[]];

/** Used again for each request, as the endpoint does: what an earlier one left in them must not count. */
const fields = new RequestFields();
const view = new CoapView();

function read(...options: readonly Option[]): typeof ABSENT {
  const datagram = encodeMessage({
    type: 0,
    code: 2,
    messageId: 1,
    token: Buffer.from([1]),
    options: options.map(([number, value]) => ({ number, value: Buffer.from(value as string) })),
    payload: Buffer.from([0]),
  });
  expect(decodeMessage(datagram, view)).toBeUndefined();
  fields.read(view);
  return Object.assign({}, fields);
}

function path(...segments: readonly string[]): Option[] {
  return segments.map((segment) => [OPTION_URI_PATH, segment] as const);
}

// 26 asks for no answer at all, wherever it is believed to be a No-Response.
const ALONE: readonly (readonly [name: string, option: Option, read: Partial<typeof ABSENT>])[] = [
  ["Content-Format", [OPTION_CONTENT_FORMAT, [0, 26]], { contentFormat: 26 }],
  ["Accept", [OPTION_ACCEPT, [26]], { accept: 26 }],
  ["Size1", [OPTION_SIZE1, [1, 0, 26]], { size1: 65_562 }],
  ["No-Response", [OPTION_NO_RESPONSE, [26]], { noResponse: 26 }],
  ["Block1", [OPTION_BLOCK1, [26]], { block1: 0 }],
  ["Block2", [OPTION_BLOCK2, [26]], { block2: 0 }],
  ["Uri-Host", [OPTION_URI_HOST, [26]], {}],
  ["Uri-Port", [OPTION_URI_PORT, [26]], {}],
  ["Uri-Query", [OPTION_URI_QUERY, [26]], {}],
];

describe("the options of a request", () => {
  test.each(ALONE)("%s is read as what it is, and as nothing else", (_, option, expected) => {
    expect(read(option)).toEqual({ ...ABSENT, ...expected });
  });

  test("nothing is left over from the request before", () => {
    read(...ALONE.map(([, option]) => option), ...path("i", "alarm"), [9999, ""]);
    expect(read()).toEqual(ABSENT);
  });

  test("each of all is found beside the others, a Block option by its place", () => {
    const all = ALONE.map(([, option]) => option).toSorted(([left], [right]) => left - right);
    const at = (number: number): number => all.findIndex(([one]) => one === number);
    expect(read(...all)).toEqual({
      ...ABSENT,
      contentFormat: 26,
      accept: 26,
      size1: 65_562,
      noResponse: 26,
      block1: at(OPTION_BLOCK1),
      block2: at(OPTION_BLOCK2),
    });
  });

  test.each<readonly [string, readonly Option[], number]>([
    ["that is unknown", [[9999, ""]], 9999],
    ["that may stand once, twice", [...twice(OPTION_ACCEPT, [60])], OPTION_ACCEPT],
    ["that is too long", [[OPTION_BLOCK1, [1, 2, 3, 4]]], OPTION_BLOCK1],
    ["that is too short", [[OPTION_URI_HOST, ""]], OPTION_URI_HOST],
    ["a segment of the path that is too long", path("x".repeat(256)), OPTION_URI_PATH],
  ])("a critical one %s is named, the first of several", (_, options, number) => {
    expect(read(...options)).toMatchObject({ badOption: number });
    expect(read(...options, [10_001, ""])).toMatchObject({ badOption: number });
  });

  test.each<readonly [string, readonly Option[]]>([
    ["that is unknown", [[9998, ""]]],
    ["that is too long", [[OPTION_SIZE1, [1, 2, 3, 4, 5]]]],
    ["No-Response that is too long", [[OPTION_NO_RESPONSE, [0, 26]]]],
    ["Content-Format that is too long", [[OPTION_CONTENT_FORMAT, [0, 0, 1]]]],
  ])("an elective one %s counts as absent", (_, options) => {
    expect(read(...options)).toEqual(ABSENT);
  });

  test("of an elective one that stands twice the first counts", () => {
    const first = [[OPTION_CONTENT_FORMAT, [112]] as const, [OPTION_NO_RESPONSE, [2]] as const];
    const second = [[OPTION_CONTENT_FORMAT, [110]] as const, [OPTION_NO_RESPONSE, [26]] as const];
    expect(read(...first, ...second)).toEqual({ ...ABSENT, contentFormat: 112, noResponse: 2 });
  });

  test("a segment of the path may have 255 bytes", () => {
    expect(read(...path("x".repeat(255)))).toEqual(ABSENT);
  });

  test("what may stand more than once may", () => {
    expect(read(...twice(OPTION_URI_QUERY, "a=b"))).toEqual(ABSENT);
  });
});

describe("the path of a request", () => {
  test.each<[path: readonly string[], resource: number, lane?: number]>([
    [["i"], RESOURCE_FRAMES],
    [["dp"], RESOURCE_LWM2M],
    [["i", "alarm"], RESOURCE_FRAMES, 0],
    [["i", "telemetry"], RESOURCE_FRAMES, 1],
    [["i", "bulk"], RESOURCE_FRAMES, 2],
    [[".well-known", "core"], RESOURCE_CORE],
    [[], RESOURCE_NONE],
    [["j"], RESOURCE_NONE],
    [["ii"], RESOURCE_NONE],
    [["dq"], RESOURCE_NONE],
    [["d"], RESOURCE_NONE],
    [["i", ""], RESOURCE_NONE],
    [["i", "bulb"], RESOURCE_NONE],
    [["i", "core"], RESOURCE_NONE],
    [["dp", "bulk"], RESOURCE_NONE],
    [["dp", "core"], RESOURCE_NONE],
    [[".well-knowm", "core"], RESOURCE_NONE],
    [["alarm", "i"], RESOURCE_NONE],
    [[".well-known", "i"], RESOURCE_NONE],
    [[".well-known", "bulk"], RESOURCE_NONE],
    [["i", "alarm", ""], RESOURCE_NONE],
  ])("%j", (segments, resource, lane = -1) => {
    expect(read(...path(...segments))).toEqual({ ...ABSENT, resource, lane });
    // Its first segment is not the first option.
    expect(read([OPTION_URI_HOST, "host"], ...path(...segments))).toEqual({ ...ABSENT, resource, lane });
  });
});

function twice(number: number, value: Option[1]): [Option, Option] {
  return [
    [number, value],
    [number, value],
  ];
}
