import { describe, expect, test } from "vitest";
import { FORMAT_COSE_MAC0, FORMAT_SENML_CBOR, FORMAT_SENSML_CBOR } from "@paddock/wire/content-formats.ts";
import {
  FULL,
  keyed,
  KEY_HEX,
  pack,
  packOf,
  sealed,
  TYPE_NON,
  World,
  type Sending,
  type WorldOptions,
} from "./fixture.ts";

/** What one message leaves behind: every counter that moved, what is known of its sender, and how it was handed on. */

const FROM = "2001:db8::1";
const BARN = { barn: { key: KEY_HEX } };
const TREE = { tree: { addresses: [FROM] } };
const forged = keyed(9, { keyHex: "22".repeat(32) });

/** All that counts up, flat; zeroes are left out. */
function counts(value: object, prefix = ""): Record<string, number> {
  const flat: Record<string, number> = {};
  for (const [name, count] of Object.entries(value)) {
    if (typeof count === "object" && count !== null) Object.assign(flat, counts(count as object, `${prefix}${name} `));
    else if (typeof count === "number" && count !== 0) flat[prefix + name] = count;
  }
  return flat;
}

const senderOf = (world: World) => world.ingest.senders().find(({ lastSeenUs }) => lastSeenUs !== undefined);

/** Sends one thing after others, and returns what it alone counted. */
function after(options: WorldOptions, before: (world: World) => void, act: (world: World) => void) {
  const world = new World({ limits: { maxExchanges: 64 }, ...options });
  before(world);
  const was = counts(world.ingest.counters);
  world.clock.advance(1000);
  act(world);
  const now = counts(world.ingest.counters);
  const moved: Record<string, number> = {};
  for (const [name, count] of Object.entries(now)) {
    const more = count - (was[name] ?? 0);
    if (more !== 0 && !name.startsWith("datagram")) moved[name] = more;
  }
  const { frames, bytes, duplicates, lastSeenUs, lastFrameUs } = senderOf(world)!;
  return { world, moved, sender: { frames, bytes, duplicates, lastSeenUs, lastFrameUs } };
}

const nothing = (): void => {};
const LATER = 1_001_000_000;
const EARLIER = 1_000_000_000;
const BYTES = pack().length;
const SEALED = sealed(1).length;

const full = (world: World): void => void (world.sink.refuseWith = FULL);

const plain =
  (frame: Uint8Array) =>
  (world: World): void =>
    world.ingest.handlePlain(frame, world.ingest.endpoint(FROM, 40_000), world.clock.monotonicUs());

const handed = (options: WorldOptions, ...sendings: Sending[]) => {
  const world = new World({ limits: { maxExchanges: 64 }, ...options });
  world.sink.slow = true;
  for (const sending of sendings) world.send(sending);
  return world.sink.waiting.map(({ frame, committed }) => Object.assign(frame, { committed: committed !== undefined }));
};

const codesOf = (sending: Sending) => new World().ask(sending).code;

describe("a message counts", () => {
  const one = { answers: 1 };
  test.each<[string, WorldOptions, before: Sending[], Sending, moved: Record<string, number>, sender: object]>([
    ["as a frame", {}, [], {}, { ...one, "accepted telemetry": 1, acceptedBytes: BYTES }, { frames: 1, bytes: BYTES }],
    ["as a frame of its lane", {}, [], { path: "i/bulk" }, { ...one, "accepted bulk": 1, acceptedBytes: BYTES }, {}],
    [
      "as its sensor's",
      { sensors: TREE },
      [],
      {},
      { ...one, "accepted telemetry": 1, acceptedBytes: BYTES },
      { frames: 1 },
    ],
    [
      "as a keyed one, unwrapped no further",
      { sensors: BARN },
      [],
      keyed(1),
      { ...one, "accepted telemetry": 1, acceptedBytes: SEALED },
      { frames: 1, bytes: SEALED },
    ],
    [
      "as a copy",
      {},
      [{ messageId: 5 }],
      { messageId: 5 },
      { ...one, duplicates: 1 },
      { frames: 1, duplicates: 1, lastFrameUs: EARLIER },
    ],
    [
      "as a copy by its number",
      { sensors: BARN },
      [keyed(1)],
      keyed(1),
      { ...one, sequenceDuplicates: 1 },
      { frames: 1, duplicates: 1, lastFrameUs: EARLIER },
    ],
    [
      "as no frame of any format",
      {},
      [],
      { format: 60 },
      { ...one, "refused format": 1 },
      { frames: 0, lastFrameUs: undefined },
    ],
    ["as no frame without a format", {}, [], { format: null }, { ...one, "refused format": 1 }, {}],
    ["as one of nobody known", { unknown: "refuse" }, [], {}, { ...one, "refused unknown-sensor": 1 }, {}],
    [
      "as one without its key",
      { sensors: { tree: { addresses: [FROM], key: KEY_HEX } } },
      [],
      {},
      { ...one, "refused key-required": 1 },
      {},
    ],
    ["as one of an unknown key", {}, [], keyed(1), { ...one, "refused unknown-key": 1 }, {}],
    [
      "as one under an id without a key",
      { sensors: TREE },
      [],
      keyed(1, { sensor: "tree" }),
      { ...one, "refused unknown-key": 1 },
      {},
    ],
    ["as a forged one", { sensors: BARN }, [], forged, { ...one, "refused tag": 1 }, {}],
    [
      "as one of the wrong algorithm",
      { sensors: { barn: { key: KEY_HEX, alg: "HMAC 256/64" } } },
      [],
      keyed(1),
      { ...one, "refused tag": 1 },
      {},
    ],
    [
      "as one of the right algorithm",
      { sensors: { barn: { key: KEY_HEX, alg: "HMAC 256/256" } } },
      [],
      keyed(1),
      { ...one, "accepted telemetry": 1, acceptedBytes: SEALED },
      {},
    ],
    [
      "as a replay",
      { sensors: BARN },
      [keyed(1)],
      keyed(1, { payload: pack(9) }),
      { ...one, "refused replay": 1 },
      { frames: 1 },
    ],
    ["as no COSE", {}, [], { format: FORMAT_COSE_MAC0, payload: Buffer.of(1) }, { ...one, "refused cose": 1 }, {}],
    ["as no SenML", {}, [], { payload: Buffer.of(1) }, { ...one, "refused senml": 1 }, {}],
    [
      "as no SenML within",
      { sensors: BARN },
      [],
      keyed(1, { payload: Buffer.of(1) }),
      { ...one, "refused senml": 1 },
      {},
    ],
    ["as too large", {}, [], { payload: Buffer.alloc(60 * 1024 + 1) }, { ...one, "refused too-large": 1 }, {}],
    ["as large enough to look into", {}, [], { payload: Buffer.alloc(60 * 1024) }, { ...one, "refused senml": 1 }, {}],
    [
      "as a block",
      {},
      [],
      { block1: { num: 0, more: true, szx: 0 }, payload: packOf(40).subarray(0, 16) },
      { ...one, blocks: 1 },
      { frames: 0 },
    ],
    [
      "as a block out of turn",
      {},
      [],
      { block1: { num: 1, more: true, szx: 0 }, payload: packOf(40).subarray(0, 16) },
      { ...one, "refused block-missing": 1 },
      {},
    ],
    [
      "as a block of a wrong length",
      {},
      [],
      { block1: { num: 0, more: true, szx: 0 } },
      { ...one, "refused block": 1 },
      {},
    ],
    [
      "as a body that is too large",
      {},
      [],
      { block1: { num: 0, more: true, szx: 0 }, size1: 99_999, payload: Buffer.alloc(16) },
      { ...one, "refused too-large": 1 },
      {},
    ],
    [
      "as too many",
      { rateFramesPerS: 0.5 },
      [{}],
      {},
      { ...one, "refused rate": 1 },
      { frames: 1, lastFrameUs: EARLIER },
    ],
    [
      "as the next one that it may send",
      { rateFramesPerS: 1 },
      [{}],
      {},
      { ...one, "accepted telemetry": 1, acceptedBytes: BYTES },
      { frames: 2 },
    ],
    [
      "as too many of a sensor's own rate",
      { sensors: { tree: { addresses: [FROM], rateFramesPerS: 0.5 } } },
      [{}],
      {},
      { ...one, "refused rate": 1 },
      {},
    ],
    [
      "as too many of a sensor without a rate of its own",
      { sensors: TREE, rateFramesPerS: 0.5 },
      [{}],
      {},
      { ...one, "refused rate": 1 },
      {},
    ],
    [
      "as too many bodies",
      { rateFramesPerS: 0.5 },
      [{}],
      { block1: { num: 0, more: false, szx: 6 } },
      { ...one, "refused rate": 1 },
      {},
    ],
    [
      "not against a rate with its later blocks",
      { rateFramesPerS: 0.5 },
      [{ block1: { num: 0, more: true, szx: 0 }, payload: packOf(40).subarray(0, 16) }],
      { block1: { num: 1, more: true, szx: 0 }, payload: packOf(40).subarray(16, 32) },
      { ...one, blocks: 1 },
      {},
    ],
    [
      "as too many of a keyed sensor",
      { sensors: { barn: { key: KEY_HEX, rateFramesPerS: 0.5 } } },
      [keyed(1)],
      keyed(2),
      { ...one, "refused rate": 1 },
      {},
    ],
    [
      "without a rate for keys of their own pace",
      { sensors: BARN },
      [keyed(1), keyed(2)],
      keyed(3),
      { ...one, "accepted telemetry": 1, acceptedBytes: SEALED },
      {},
    ],
  ])("%s", (_, options, before, sending, moved, sender) => {
    const result = after(
      options,
      (world) => before.forEach((each) => world.send(each)),
      (world) => world.send(sending),
    );
    expect(result.moved).toEqual(moved);
    expect(result.sender).toMatchObject({ lastSeenUs: LATER, ...sender });
  });

  test("as a copy of what is under way without an answer of its own", () => {
    for (const sending of [{ messageId: 5 }, { ...keyed(1), messageId: 5 }]) {
      const slow = (world: World): void => {
        world.sink.slow = true;
        world.send(sending);
      };
      expect(after({ sensors: BARN }, slow, (world) => world.send(sending)).moved).toEqual({ duplicates: 1 });
    }
  });

  test.each<[string, Sending, told: object]>([
    ["a CON", {}, { answers: 1 }],
    ["a NON that wants no answer", { type: TYPE_NON, noResponse: 26 }, {}],
    ["a keyed one", keyed(1), { answers: 1 }],
  ])("as a write that failed: %s", (_, sending, told) => {
    const slow = (world: World): void => {
      world.sink.slow = true;
      world.send({ ...sending, messageId: 5 });
    };
    const { world, moved, sender } = after({ sensors: BARN }, slow, ({ sink }) => sink.commit(FULL));
    expect(moved).toEqual({ commitFailed: 1, ...told });
    expect(sender.frames).toBe(1);
    expect(counts(world.ingest.counters)).not.toHaveProperty("refused pressure");
    expect(world.answers.map(({ code, maxAge }) => [code, maxAge])).toEqual("answers" in told ? [["5.03", 30]] : []);
    for (const { text } of world.answers) expect(text).not.toBe("");
    world.sink.slow = false;
    world.send({ ...sending, messageId: 5 });
    expect(world.sink.frames).toHaveLength(1);
  });

  test("as refused by the buffer, and is a new try", () => {
    for (const sending of [{ messageId: 5 }, { ...keyed(1), messageId: 5 }]) {
      const { world, moved, sender } = after({ sensors: BARN }, full, (it) => it.send(sending));
      expect(moved).toEqual({ answers: 1, "refused pressure": 1 });
      expect(sender).toMatchObject({ frames: 0, bytes: 0, lastSeenUs: LATER, lastFrameUs: undefined });
      world.sink.refuseWith = undefined;
      expect(world.send(sending)).toMatchObject([{ code: "2.04" }]);
    }
  });

  test("in blocks: the body once, a repeated last block as a copy", () => {
    const body = packOf(30);
    const block = (num: number) => ({
      block1: { num, more: (num + 1) * 16 < body.length, szx: 0 } as const,
      payload: body.subarray(num * 16, num * 16 + 16),
    });
    const last = Math.ceil(body.length / 16) - 1;
    const blocks = (world: World): void => {
      for (let num = 0; num < last; num++) world.send(block(num));
    };
    const whole = after({}, blocks, (world) => world.send(block(last)));
    expect(whole.moved).toEqual({ answers: 1, "accepted telemetry": 1, acceptedBytes: body.length });
    expect(whole.sender).toMatchObject({ frames: 1, bytes: body.length });
    const again = after(
      {},
      (world) => (blocks(world), world.send(block(last))),
      (world) => world.send(block(last)),
    );
    expect(again.moved).toEqual({ answers: 1, duplicates: 1 });
    expect(again.sender).toMatchObject({ frames: 1, duplicates: 1, lastSeenUs: EARLIER });
  });
});

describe("a plain datagram counts", () => {
  test.each<
    [string, WorldOptions, before: (world: World) => void, act: (world: World) => void, moved: object, sender: object]
  >([
    [
      "as a frame",
      {},
      nothing,
      plain(pack()),
      { "accepted telemetry": 1, acceptedBytes: BYTES },
      { frames: 1, lastFrameUs: LATER },
    ],
    [
      "as a keyed one",
      { sensors: BARN },
      nothing,
      plain(sealed(1)),
      { "accepted telemetry": 1, acceptedBytes: SEALED },
      { frames: 1 },
    ],
    [
      "as a copy by its number",
      { sensors: BARN },
      plain(sealed(1)),
      plain(sealed(1)),
      { sequenceDuplicates: 1 },
      { frames: 1, duplicates: 1 },
    ],
    [
      "as a replay",
      { sensors: BARN },
      plain(sealed(1)),
      plain(sealed(1, { payload: pack(9) })),
      { "refused replay": 1 },
      {},
    ],
    ["as no frame", {}, nothing, plain(Buffer.of(1)), { "refused senml": 1 }, { frames: 0 }],
    ["as too many", { rateFramesPerS: 0.5 }, plain(pack()), plain(pack()), { "refused rate": 1 }, { frames: 1 }],
    ["as one of nobody known", { unknown: "refuse" }, nothing, plain(pack()), { "refused unknown-sensor": 1 }, {}],
    [
      "as refused by the buffer",
      {},
      (world) => void (world.sink.refuseWith = FULL),
      plain(pack()),
      { "refused pressure": 1 },
      { frames: 0 },
    ],
  ])("%s", (_, options, before, act, moved, sender) => {
    const result = after(options, before, act);
    expect(result.moved).toEqual(moved);
    expect(result.sender).toMatchObject({ lastSeenUs: LATER, ...sender });
    expect(result.world.answers).toEqual([]);
  });

  test("as a copy of what is under way", () => {
    const slow = (world: World): void => {
      world.sink.slow = true;
      plain(sealed(1))(world);
    };
    const { world, moved } = after({ sensors: BARN }, slow, plain(sealed(1)));
    expect(moved).toEqual({ sequenceDuplicates: 1 });
    expect(world.sink.waiting).toHaveLength(1);
  });
});

describe("a frame is handed on", () => {
  test("with its sender, time and format, and a note of a CON alone", () => {
    const stream: Sending = {
      format: FORMAT_SENSML_CBOR,
      type: TYPE_NON,
      payload: Buffer.concat([Buffer.of(0x9f), pack().subarray(1)]),
    };
    const [con, non, quiet] = handed({}, {}, stream, { type: TYPE_NON, noResponse: 26 });
    expect(con).toMatchObject({
      lane: 1,
      format: FORMAT_SENML_CBOR,
      receivedUs: EARLIER,
      waits: true,
      side: undefined,
    });
    expect([con!.note === undefined, non!.note, quiet!.note]).toEqual([false, undefined, undefined]);
    expect(con!.note!.low !== 0 || con!.note!.high !== 0).toBe(true);
    expect(non).toMatchObject({ format: FORMAT_SENSML_CBOR, waits: true });
    expect(quiet).toMatchObject({ waits: false, committed: true });
  });

  test("each CON with a note of its own", () => {
    const [first, second] = handed({}, {}, { payload: pack(8) });
    expect(first!.note!.low).not.toBe(second!.note!.low);
    expect(first!.note!.high).not.toBe(second!.note!.high);
  });

  test("of a keyed sensor with its numbers, and a wait, as its copies ask", () => {
    const [of, unkeyed] = handed({ sensors: BARN }, { ...keyed(1), type: TYPE_NON, noResponse: 26 }, {});
    expect(of).toMatchObject({
      format: FORMAT_COSE_MAC0,
      waits: true,
      note: undefined,
      side: { key: expect.any(String) },
    });
    expect(Buffer.from(of!.encodedSource)).toEqual(Buffer.from("\x64barn", "latin1"));
    expect(unkeyed!.side).toBeUndefined();
  });

  test("under the names of LwM2M or those of SenML, streamed or not", () => {
    const slash = Buffer.from([0x81, 0xa2, 0x00, 0x64, ...Buffer.from("/3/0"), 0x02, 0x01]);
    const cut = Buffer.concat([Buffer.of(0x9f), pack().subarray(1)]);
    const cutSlash = Buffer.concat([Buffer.of(0x9f), slash.subarray(1)]);
    for (const [payload, format, path, code] of [
      [slash, FORMAT_SENML_CBOR, "dp", "2.04"] as const,
      [slash, FORMAT_SENML_CBOR, "i", "4.00"] as const,
      [cut, FORMAT_SENSML_CBOR, "i", "2.04"] as const,
      [cut, FORMAT_SENML_CBOR, "i", "4.00"] as const,
      [cutSlash, FORMAT_SENSML_CBOR, "dp", "2.04"] as const,
      [cutSlash, FORMAT_SENSML_CBOR, "i", "4.00"] as const,
      [cutSlash, FORMAT_SENML_CBOR, "dp", "4.00"] as const,
    ])
      expect([path, format, codesOf({ payload, format, path })]).toEqual([path, format, code]);
  });
});
