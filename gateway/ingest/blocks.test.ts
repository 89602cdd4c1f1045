import { describe, expect, test } from "vitest";
import { OPTION_BLOCK1, OPTION_REQUEST_TAG } from "@paddock/wire/coap-options.ts";
import { FRAME_BYTES_MAX } from "@paddock/wire/limits.ts";
import { FULL, keyed, KEY_HEX, packOf, TYPE_CON, TYPE_NON, World, type Answer, type Sending } from "./fixture.ts";

const BODY = packOf(2405);

/** Sends one block of BODY. */
function sendBlock(world: World, num: number, szx: number, sending: Sending = {}, body: Uint8Array = BODY): Answer[] {
  const size = 16 << szx;
  const payload = body.subarray(num * size, (num + 1) * size);
  return world.send({ block1: { num, more: (num + 1) * size < body.length, szx }, payload, ...sending });
}

function sendAll(world: World, szx: number, sending: Sending = {}, body: Uint8Array = BODY): string[] {
  const codes: string[] = [];
  for (let num = 0; num * (16 << szx) < body.length; num++) {
    codes.push(...sendBlock(world, num, szx, { token: Buffer.of(num), ...sending }, body).map(({ code }) => code));
  }
  return codes;
}

/** The value of an answer's Block1 option in hex. */
const block1Of = (answer: Answer) =>
  Buffer.from(answer.options.find(({ number }) => number === OPTION_BLOCK1)!.value).toString("hex");

describe("Block1", () => {
  test.each(([TYPE_CON, TYPE_NON] as const).flatMap((type) => [0, 2, 4, 6].map((szx) => [type, szx] as const)))(
    "type %d, size exponent %d, a new token per block",
    (type, szx) => {
      const world = new World();
      const codes = sendAll(world, szx, { type });
      expect(codes.slice(0, -1).every((code) => code === "2.31")).toBe(true);
      expect(codes.at(-1)).toBe("2.04");
      expect(world.sink.frames.map(({ frame }) => frame)).toEqual([BODY]);
      expect(world.ingest.memory().transferBytes).toBeLessThan(1024);
    },
  );

  test("each answer names its block, and a retransmission of any block gets the same answer", () => {
    const world = new World();
    const blocks = [0, 1, 2].map((num) =>
      world.encode({
        block1: { num, more: num < 2, szx: 6 },
        payload: BODY.subarray(num * 1024, (num + 1) * 1024),
        messageId: num,
      }),
    );
    const first = blocks.map((bytes) => world.sendBytes(bytes)[0]!);
    const again = blocks.map((bytes) => world.sendBytes(bytes)[0]!);
    expect(again).toEqual(first);
    expect(first.map(block1Of)).toEqual(["0e", "1e", "26"]);
    expect(world.sink.frames).toHaveLength(1);
  });

  test("who sends in blocks waits for the write, also where no answer is wanted: the transfer ends with it", () => {
    const world = new World();
    world.sink.slow = true;
    for (let num = 0; num * 1024 < BODY.length; num++) sendBlock(world, num, 6, { type: TYPE_NON, noResponse: 26 });
    expect(world.sink.waiting.map(({ frame }) => frame.waits)).toEqual([true]);
  });

  test("blocks may come smaller from some block on", () => {
    const world = new World();
    expect(sendBlock(world, 0, 6)[0]!.code).toBe("2.31");
    const codes: string[] = [];
    for (let num = 4; num * 256 < BODY.length; num++) codes.push(sendBlock(world, num, 4)[0]!.code);
    expect(codes.at(-1)).toBe("2.04");
    expect(world.sink.frames[0]!.frame).toEqual(BODY);
  });

  test("a missing block is 4.08 and the transfer goes on with the right one", () => {
    const world = new World();
    sendBlock(world, 0, 6);
    expect(sendBlock(world, 2, 6)[0]).toMatchObject({
      code: "4.08",
      text: "The block starts at byte 2048; byte 1024 is next.",
    });
    expect(sendBlock(world, 1, 6)[0]!.code).toBe("2.31");
    expect(sendBlock(world, 2, 6)[0]!.code).toBe("2.04");
  });

  test("a repeated block under a new Message-ID is taken once; a repeated last one is answered as before", () => {
    const world = new World();
    world.sink.slow = true;
    sendBlock(world, 0, 6);
    expect(sendBlock(world, 0, 6)[0]!.code).toBe("2.31");
    sendBlock(world, 1, 6);
    expect(sendBlock(world, 2, 6)).toEqual([]);
    expect(sendBlock(world, 2, 6)).toEqual([]);
    world.sink.commit();
    expect(sendBlock(world, 2, 6)[0]!.code).toBe("2.04");
    expect(world.sink.frames).toHaveLength(1);
  });

  test("a block of zeros is a block like others, wherever it stands", () => {
    // A record with 256 bytes of data; the room for them is made with the first block, and holds zeros.
    const body = Buffer.concat([Buffer.from("81a200616108590100", "hex"), Buffer.alloc(256)]);
    for (const size1 of [undefined, body.length]) {
      const world = new World();
      const codes = sendAll(world, 1, size1 === undefined ? {} : { size1 }, body);
      expect(codes.at(-1)).toBe("2.04");
      expect(world.sink.frames.map(({ frame }) => Buffer.from(frame))).toEqual([body]);
    }
  });

  test("the same body in one block, twice, is two frames", () => {
    const world = new World();
    for (let time = 0; time < 2; time++)
      expect(world.ask({ block1: { num: 0, more: false, szx: 6 } }).code).toBe("2.04");
    expect(world.sink.frames).toHaveLength(2);
  });

  test("a new first block starts over; transfers of other tags, paths and senders do not mix", () => {
    const world = new World();
    const other = packOf(2000);
    sendBlock(world, 0, 6, {}, other);
    const tagged = { options: [{ number: OPTION_REQUEST_TAG, value: Buffer.of(1) }] };
    for (const variant of [{}, tagged, { path: "i/alarm" }, { from: "2001:db8::2" }, { port: 1 }])
      sendBlock(world, 0, 6, variant);
    for (const variant of [{}, tagged, { path: "i/alarm" }, { from: "2001:db8::2" }, { port: 1 }]) {
      sendBlock(world, 1, 6, variant);
      expect(sendBlock(world, 2, 6, variant)[0]!.code).toBe("2.04");
    }
    expect(world.sink.frames.map(({ frame }) => frame.equals(BODY))).toEqual([true, true, true, true, true]);
  });

  test("a changed Content-Format midway, a block of a wrong length and the reserved size are refused", () => {
    const world = new World();
    sendBlock(world, 0, 6);
    expect(sendBlock(world, 1, 6, { format: 113 })[0]!.code).toBe("4.08");
    expect(sendBlock(world, 1, 6, { payload: Buffer.alloc(1000) })[0]!.code).toBe("4.00");
    const reserved = { options: [{ number: OPTION_BLOCK1, value: Buffer.of(7) }] };
    expect(world.ask({ ...reserved })).toMatchObject({ code: "4.00" });
    expect(world.ingest.counters.refused).toMatchObject({ block: 2, "block-missing": 1 });
  });

  test("too large: by Size1 at once, else when the limit is passed; 60 KiB fit", () => {
    const world = new World();
    const tooLarge = sendBlock(world, 0, 6, { size1: FRAME_BYTES_MAX + 1 })[0]!;
    expect(tooLarge).toMatchObject({ code: "4.13", size1: FRAME_BYTES_MAX });
    // npm coap 1.5.0 takes any answer with its block's number for a yes, and would go on behind the block.
    expect(tooLarge.options.map(({ number }) => number)).not.toContain(OPTION_BLOCK1);
    expect(sendAll(world, 6, {}, packOf(FRAME_BYTES_MAX - 8)).at(-1)).toBe("2.04");
    expect(sendAll(world, 6, {}, packOf(FRAME_BYTES_MAX + 8))).toContain("4.13");
    expect(world.sink.frames).toHaveLength(1);
  });

  test("an invalid body is 4.00 and forgotten", () => {
    const world = new World();
    const junk = Buffer.alloc(2000, 1);
    expect(sendAll(world, 6, {}, junk)).toEqual(["2.31", "4.00"]);
    expect(world.ingest.memory()).toMatchObject({ transfers: 0, transferBytes: 0 });
  });

  test("under pressure the last block alone is a new try; after a failed write the client starts over", () => {
    const world = new World();
    sendBlock(world, 0, 6);
    sendBlock(world, 1, 6);
    world.sink.refuseWith = FULL;
    expect(sendBlock(world, 2, 6)[0]!.code).toBe("5.03");
    world.sink.refuseWith = undefined;
    world.sink.slow = true;
    expect(sendBlock(world, 2, 6)).toEqual([]);
    world.sink.commit(FULL);
    expect(world.answers.at(-1)!.code).toBe("5.03");
    world.sink.slow = false;
    expect(sendBlock(world, 2, 6)[0]!.code).toBe("4.08");
    expect(sendAll(world, 6).at(-1)).toBe("2.04");
    expect(world.sink.frames).toHaveLength(1);
  });

  test("a keyed frame in blocks, and its copy over another prefix", () => {
    const world = new World({ sensors: { barn: { key: KEY_HEX } } });
    const { payload, format } = keyed(1, { payload: BODY });
    expect(sendAll(world, 6, { format: format! }, payload).at(-1)).toBe("2.04");
    expect(sendAll(world, 6, { format: format!, from: "2001:db8::2" }, payload).at(-1)).toBe("2.04");
    expect(world.sink.frames).toHaveLength(1);
    // The copy's blocks are forgotten; of the frame its last block is kept, to know it again.
    expect(world.ingest.memory().transfers).toBe(1);
  });

  test("a whole body counts once against the rate", () => {
    const world = new World({ rateFramesPerS: 0.5 });
    expect(sendAll(world, 6).at(-1)).toBe("2.04");
    expect(sendBlock(world, 0, 6)[0]!.code).toBe("4.29");
  });

  test("senders that are refused cannot fill the memory; abandoned transfers age out and are bounded", () => {
    const refusing = new World({ unknown: "refuse" });
    expect(sendBlock(refusing, 0, 6)[0]!.code).toBe("4.03");
    expect(refusing.ingest.memory().transfers).toBe(0);
    const world = new World({ limits: { maxTransfers: 50, maxTransferBytes: 200_000 } });
    for (let port = 1; port <= 500; port++) {
      sendBlock(world, 0, 6, { port, size1: port % 2 === 0 ? FRAME_BYTES_MAX : 2000 });
      expect(world.ingest.memory().transfers).toBeLessThanOrEqual(50);
      expect(world.ingest.memory().transferBytes).toBeLessThanOrEqual(200_000);
    }
    world.clock.advance(248_000);
    sendBlock(world, 0, 6);
    expect(world.ingest.memory()).toMatchObject({ transfers: 1, transferBytes: 4096 });
  });
});
