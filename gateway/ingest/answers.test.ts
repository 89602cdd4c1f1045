import { describe, expect, test } from "vitest";
import { CODE_GET, CODE_PUT, TYPE_ACK, TYPE_NON, TYPE_RST } from "@paddock/wire/coap-codes.ts";
import { OPTION_ACCEPT, OPTION_BLOCK2, OPTION_URI_QUERY } from "@paddock/wire/coap-options.ts";
import { encodeBlock } from "@paddock/wire/coap-block.ts";
import { FRAME_BYTES_MAX } from "@paddock/wire/limits.ts";
import { FULL, keyed, KEY_HEX, pack, packOf, sealed, World, type Sending } from "./fixture.ts";

const BARN = { barn: { key: KEY_HEX, addresses: ["2001:db8::b"] } };

describe("the answer table of docs/protocol.md §1.2, for a CON and for a NON", () => {
  const rows: readonly (readonly [string, string, ConstructorParameters<typeof World>[0], Sending])[] = [
    ["2.04", "a valid frame", {}, {}],
    ["2.04", "a frame for a lane", {}, { path: "i/bulk" }],
    ["2.04", "LwM2M Send with a leading slash", {}, { path: "dp", payload: Buffer.from("81a200622f740207", "hex") }],
    ["2.04", "a keyed frame", { sensors: BARN }, keyed(1)],
    ["4.00", "a leading slash at /i", {}, { payload: Buffer.from("81a200622f740207", "hex") }],
    ["4.00", "no CBOR", {}, { payload: Buffer.from("ff", "hex") }],
    ["4.00", "no payload", {}, { payload: Buffer.alloc(0) }],
    ["4.00", "no COSE", {}, { format: 17 }],
    ["4.00", "a keyed frame around no SenML", { sensors: BARN }, keyed(1, { payload: Buffer.from([1]) })],
    ["4.01", "a wrong tag", { sensors: BARN }, keyed(1, { keyHex: "11".repeat(32) })],
    ["4.01", "an unknown key id", { sensors: BARN }, keyed(1, { sensor: "shed" })],
    [
      "4.01",
      "another algorithm than the file says",
      { sensors: { barn: { key: KEY_HEX, alg: "HMAC 256/64" } } },
      keyed(1),
    ],
    ["4.03", "an unknown sensor, where these are refused", { unknown: "refuse" }, {}],
    ["4.03", "a keyed sensor without its key", { sensors: BARN }, { from: "2001:db8::b" }],
    ["4.04", "no such resource", {}, { path: "j" }],
    ["4.04", "no such lane", {}, { path: "i/urgent" }],
    ["4.05", "a wrong method", {}, { code: CODE_PUT }],
    ["4.05", "POST of the list", {}, { path: ".well-known/core" }],
    [
      "4.06",
      "the list in CBOR",
      {},
      { code: CODE_GET, path: ".well-known/core", options: [{ number: OPTION_ACCEPT, value: Buffer.of(60) }] },
    ],
    ["4.08", "a block out of nothing", {}, { block1: { num: 1, more: false, szx: 6 } }],
    ["4.13", "a frame above the limit", {}, { payload: packOf(FRAME_BYTES_MAX + 1) }],
    ["4.15", "an unknown format", {}, { format: 60 }],
    ["4.15", "no format", {}, { format: null }],
  ];

  test.each(rows)("%s for %s", (code, _what, options, sending) => {
    const token = Buffer.from([1, 2, 3, 4, 5, 6, 7, 8]);
    const con = new World(options).ask({ ...sending, messageId: 0x1234, token });
    expect(con).toMatchObject({ type: TYPE_ACK, code, messageId: 0x1234, token: "0102030405060708" });
    const non = new World(options).ask({ ...sending, type: TYPE_NON, token });
    expect(non).toMatchObject({ type: TYPE_NON, code, token: "0102030405060708" });
    if (code >= "4") expect(con.text.length).toBeGreaterThan(0);
    if (code === "4.13") expect(con.size1).toBe(FRAME_BYTES_MAX);
  });

  test("nothing of a refused frame is stored, and its reason is shown", () => {
    const world = new World();
    world.ask({ format: 60 });
    expect(world.sink.frames).toEqual([]);
    expect(world.ingest.counters.refused.format).toBe(1);
    expect(world.ingest.senders()).toMatchObject([
      { sender: "2001:db8::1", known: false, frames: 0, refusedBy: { format: 1 }, lastRefusal: "format" },
    ]);
  });

  test("4.02 names the option for a CON; a NON is dropped and counted", () => {
    const world = new World();
    const options = [{ number: 9, value: Buffer.of(1) }];
    expect(world.ask({ options })).toMatchObject({ code: "4.02", text: "Option OSCORE is not understood." });
    expect(world.send({ options, type: TYPE_NON })).toEqual([]);
    expect(world.ask({ options: [{ number: 2051, value: Buffer.of(1) }] }).code).toBe("4.02");
    expect(world.ask({ options: [{ number: OPTION_ACCEPT, value: Buffer.alloc(3) }] }).code).toBe("4.02");
    expect(world.ask({ options: [{ number: 2048, value: Buffer.of(1) }] }).code).toBe("2.04");
    expect(world.ingest.counters.refused["critical-option"]).toBe(4);
  });

  test("options of answers, such as Location-Path and the numbers reserved beside it, are elective in a request", () => {
    const world = new World();
    for (const number of [8, 20, 128, 132, 136, 140]) {
      expect(world.ask({ options: [{ number, value: Buffer.of(1) }] }).code, String(number)).toBe("2.04");
    }
  });

  test("a malformed CON is reset, a malformed NON dropped, another version ignored", () => {
    const world = new World();
    expect(world.sendBytes(Buffer.from("4902123400", "hex"))).toMatchObject([{ type: TYPE_RST, messageId: 0x1234 }]);
    expect(world.sendBytes(Buffer.from("5902123400", "hex"))).toEqual([]);
    expect(world.sendBytes(Buffer.from("0002123400", "hex"))).toEqual([]);
    expect(world.sendBytes(Buffer.from("4002", "hex"))).toEqual([]);
    expect(world.ingest.counters.refused.malformed).toBe(4);
  });

  test("a ping is reset; ACK, RST and responses are not answered, but a CON response is reset", () => {
    const world = new World();
    expect(world.sendBytes(Buffer.from("40001234", "hex"))).toMatchObject([
      { type: TYPE_RST, code: "0.00", messageId: 0x1234 },
    ]);
    expect(world.sendBytes(Buffer.from("60001234", "hex"))).toEqual([]);
    expect(world.sendBytes(Buffer.from("70001234", "hex"))).toEqual([]);
    expect(world.sendBytes(Buffer.from("50441234", "hex"))).toEqual([]);
    expect(world.sendBytes(Buffer.from("40441234", "hex"))).toMatchObject([{ type: TYPE_RST }]);
    expect(world.ingest.counters).toMatchObject({ pings: 1, ignored: 4 });
  });

  test("5.03 with Max-Age when the sink refuses, and when the write fails later; the same message is then a new try", () => {
    const world = new World();
    world.sink.refuseWith = FULL;
    const bytes = world.encode({});
    expect(world.sendBytes(bytes)).toMatchObject([{ type: TYPE_ACK, code: "5.03", maxAge: 30 }]);
    world.sink.refuseWith = undefined;
    world.sink.slow = true;
    expect(world.sendBytes(bytes)).toEqual([]);
    world.sink.commit({ reason: "stopping", retryAfterS: 5 });
    expect(world.answers.at(-1)).toMatchObject({ type: TYPE_ACK, code: "5.03", maxAge: 5 });
    expect(world.ingest.counters).toMatchObject({ commitFailed: 1 });
    world.sink.slow = false;
    expect(world.sendBytes(bytes)).toMatchObject([{ code: "2.04" }]);
    expect(world.sink.frames).toHaveLength(1);
  });

  test("a refusal that no wait mends has no Max-Age, also behind one that had", () => {
    const world = new World();
    world.sink.refuseWith = FULL;
    expect(world.ask()).toMatchObject({ code: "5.03", maxAge: 30 });
    expect(world.ask({ payload: Buffer.from("ff", "hex") })).toMatchObject({ code: "4.00", maxAge: undefined });
  });

  test("4.29 with Max-Age over the rate; other addresses are not affected", () => {
    const world = new World({ rateFramesPerS: 0.5 });
    expect(world.ask().code).toBe("2.04");
    expect(world.ask()).toMatchObject({ code: "4.29", maxAge: 2 });
    expect(world.ask({ from: "2001:db8::2" }).code).toBe("2.04");
    world.clock.advance(2000);
    expect(world.ask().code).toBe("2.04");
  });

  test("a sensor's own rate counts for all its addresses, and for a keyed one only what verifies", () => {
    const sensors = {
      tree: { addresses: ["2001:db8::1", "2001:db8::2"], rateFramesPerS: 1 },
      barn: { key: KEY_HEX, rateFramesPerS: 1 },
    };
    const world = new World({ sensors });
    const codes = [1, 2, 1].map((host) => world.ask({ from: `2001:db8::${host}` }).code);
    expect(codes).toEqual(["2.04", "2.04", "4.29"]);
    for (let forged = 1; forged < 10; forged++)
      expect(world.ask({ ...keyed(forged, { keyHex: "22".repeat(32) }), from: "2001:db8::9" }).code).toBe("4.01");
    expect([1, 2, 3].map((sequence) => world.ask({ ...keyed(sequence), from: "2001:db8::9" }).code)).toEqual([
      "2.04",
      "2.04",
      "4.29",
    ]);
  });
});

describe("when and whether", () => {
  test("a CON is answered after the commit and not before", () => {
    const world = new World();
    world.sink.slow = true;
    expect(world.send()).toEqual([]);
    world.sink.commit();
    expect(world.answers).toMatchObject([{ type: TYPE_ACK, code: "2.04" }]);
  });

  test("No-Response leaves out its classes; a CON still gets its empty ACK, after the commit", () => {
    const world = new World();
    expect(world.send({ type: TYPE_NON, noResponse: 26 })).toEqual([]);
    expect(world.send({ type: TYPE_NON, noResponse: 26, format: 60 })).toEqual([]);
    expect(world.send({ type: TYPE_NON, noResponse: 2 })).toEqual([]);
    expect(world.ask({ type: TYPE_NON, noResponse: 2, format: 60 }).code).toBe("4.15");
    expect(world.ask({ type: TYPE_NON, noResponse: 0 }).code).toBe("2.04");
    world.sink.slow = true;
    expect(world.send({ noResponse: 26, messageId: 77 })).toEqual([]);
    world.sink.commit();
    expect(world.answers.at(-1)).toMatchObject({ type: TYPE_ACK, code: "0.00", messageId: 77, token: "" });
    expect(world.sink.frames).toHaveLength(4);
  });

  test("each answer that is a message of its own has an id of its own, and each that leaves is counted", () => {
    const world = new World();
    const ids = [1, 2, 3].map((messageId) => world.ask({ type: TYPE_NON, messageId }).messageId);
    expect(new Set(ids).size).toBe(3);
    expect(world.ingest.counters.answers).toBe(3);
  });

  test("a frame for which nobody waits may linger", () => {
    const world = new World();
    world.sink.slow = true;
    world.send({ type: TYPE_NON, noResponse: 26 });
    world.send({ type: TYPE_NON, noResponse: 2 });
    world.send({ type: TYPE_NON });
    expect(world.sink.waiting.map(({ frame }) => frame.waits)).toEqual([false, true, true]);
  });

  test("the lane is the path's, else the sensor's, else telemetry; the source is the sensor, else address and port", () => {
    const world = new World({ sensors: { tree: { addresses: ["2001:db8:7::/64"], lane: "alarm" } } });
    world.ask({ from: "2001:db8:7::5" });
    world.ask({ from: "2001:db8:7::5", path: "i/bulk" });
    world.ask({ from: "2001:db8:8::5", port: 0x1234 });
    expect(world.sink.frames.map(({ lane }) => lane)).toEqual([0, 2, 1]);
    expect(world.sink.frames[0]!.source).toEqual(Buffer.from("\x64tree", "latin1"));
    expect(world.sink.frames[2]!.source.toString("hex")).toBe("5220010db80008000000000000000000051234");
    expect(world.ingest.counters.accepted).toEqual({ alarm: 1, telemetry: 1, bulk: 1 });
  });

  test("a plain datagram is a frame and never answered", () => {
    const world = new World({ sensors: BARN });
    const from = world.ingest.endpoint("2001:db8::1", 9);
    world.ingest.handlePlain(pack(), from, world.clock.monotonicUs());
    world.ingest.handlePlain(sealed(1), from, world.clock.monotonicUs());
    world.ingest.handlePlain(sealed(1), from, world.clock.monotonicUs());
    world.ingest.handlePlain(Buffer.of(1), from, world.clock.monotonicUs());
    expect(world.sink.frames.map(({ format }) => format)).toEqual([112, 17]);
    expect(world.ingest.counters).toMatchObject({ answers: 0, sequenceDuplicates: 1, refused: { senml: 1 } });
  });
});

/** A request for the list. */
const get = (queries: readonly string[] = [], block2?: Uint8Array): Sending => ({
  code: CODE_GET,
  path: ".well-known/core",
  format: null,
  payload: Buffer.alloc(0),
  options: [
    ...queries.map((query) => ({ number: OPTION_URI_QUERY, value: Buffer.from(query) })),
    ...(block2 === undefined ? [] : [{ number: OPTION_BLOCK2, value: block2 }]),
  ],
});

describe("the list of resources", () => {
  test("is filtered by rt, href, ct and if", () => {
    const world = new World();
    expect(world.ask(get()).text).toContain("</i/alarm>");
    expect(world.ask(get(["rt=paddock.lane.alarm"])).text).toMatch(/^<\/i\/alarm>[^<]*$/);
    expect(world.ask(get(["href=/dp"])).text).toMatch(/^<\/dp>[^<]*$/);
    expect(world.ask(get(["ct=112", "if=paddock*"])).text).toContain("</i>");
    expect(world.ask(get(["rt=other"]))).toMatchObject({ code: "2.05", text: "" });
  });

  test("comes in the blocks that a small client asks for", () => {
    const world = new World();
    const whole = world.ask(get()).text;
    let text = "";
    for (let num = 0; text.length < whole.length; num++)
      text += world.ask(get([], encodeBlock({ num, more: false, szx: 1 }))).text;
    expect(text).toBe(whole);
    expect(world.ask(get([], encodeBlock({ num: 1000, more: false, szx: 1 })))).toMatchObject({
      code: "4.00",
      text: "No such block.",
    });
    expect(world.ask(get([], Buffer.of(7)))).toMatchObject({
      code: "4.00",
      text: "A Block option has the reserved size exponent 7.",
    });
  });

  test("is limited in rate, because its answers are larger than its requests", () => {
    const world = new World();
    const codes = Array.from({ length: 200 }, () => world.ask(get()).code);
    expect(codes.filter((code) => code === "2.05")).toHaveLength(100);
    expect(world.answers.at(-1)).toMatchObject({ code: "4.29", maxAge: 1 });
  });

  test("over multicast: answered within the leisure, errors and other requests never", () => {
    const world = new World();
    const from = world.ingest.endpoint("fe80::1%eth0", 5683);
    const cast = (sending: Sending): void =>
      world.ingest.handleMulticast(
        world.encode({ type: TYPE_NON, ...sending }),
        from,
        world.clock.monotonicUs(),
        world.reply,
      );
    cast({});
    cast({ path: "j" });
    cast({ ...get(), type: 0 });
    cast(get(["rt=other"]));
    world.clock.advance(5000);
    expect(world.answers).toEqual([]);
    cast(get());
    expect(world.answers).toEqual([]);
    world.clock.advance(5000);
    expect(world.answers).toMatchObject([{ type: TYPE_NON, code: "2.05", to: "[fe80::1%eth0]:5683" }]);
    expect(world.sink.frames).toEqual([]);
  });
});
