import { expect, test } from "vitest";
import { seededRandom } from "@paddock/base/random.ts";
import { FUZZ_LIMIT_MS, MILLION } from "@paddock/base/testing/fuzz.ts";
import { TYPE_ACK, TYPE_CON } from "@paddock/wire/coap-codes.ts";
import { FULL, keyed, KEY_HEX, packOf, TYPE_NON, World } from "./fixture.ts";

const sendNowhere = (): void => {};

test(
  `${MILLION} frames from made-up sources stay within every bound`,
  () => {
    const limits = {
      maxHosts: 1000,
      maxEndpoints: 3000,
      maxExchanges: 4096,
      maxTransfers: 20,
      maxTransferBytes: 200_000,
    };
    const world = new World({ limits, rateFramesPerS: 5 });
    const random = seededRandom(4);
    const frame = world.encode({ type: TYPE_NON, noResponse: 26 });
    const block = world.encode({
      type: TYPE_NON,
      noResponse: 26,
      block1: { num: 0, more: true, szx: 0 },
      payload: packOf(100).subarray(0, 16),
    });
    world.sink.submit = () => undefined;
    for (let index = 0; index < MILLION; index++) {
      const bytes = index % 10 === 0 ? block : frame;
      bytes.writeUInt16BE(random.below(0x1_0000), 2);
      const from = world.ingest.endpoint(`2001:db8::${random.below(0x1_0000).toString(16)}`, random.below(0x1_0000));
      world.ingest.handleDatagram(bytes, from, world.clock.monotonicUs() + index, sendNowhere);
      if (index % 50_000 !== 0) continue;
      const memory = world.ingest.memory();
      expect(memory.hosts).toBeLessThanOrEqual(1000);
      expect(memory.endpoints).toBeLessThanOrEqual(3000);
      expect(memory.exchanges).toBeLessThanOrEqual(4096);
      expect(memory.transfers).toBeLessThanOrEqual(20);
      expect(memory.transferBytes).toBeLessThanOrEqual(200_000);
    }
    expect(world.ingest.senders().length).toBeLessThanOrEqual(1000);
    const { datagrams, accepted, blocks, duplicates, refused } = world.ingest.counters;
    expect(datagrams).toBe(MILLION);
    expect(accepted.telemetry + blocks + duplicates + refused.rate).toBe(MILLION);
  },
  FUZZ_LIMIT_MS,
);

test("a keyed sensor's memory stays bounded however its numbers jump", () => {
  const world = new World({ sensors: { barn: { key: KEY_HEX } } });
  for (let jump = 0; jump < 2000; jump++) world.send(keyed(jump * (jump % 7)));
  expect(world.sensors.byId("barn")!.guard.size).toBeLessThanOrEqual(128);
});

test(
  `${MILLION} random and mutated datagrams: nothing throws, a CON gets at most one answer, a NON never an ACK or RST`,
  () => {
    const world = new World({
      sensors: { barn: { key: KEY_HEX }, tree: { addresses: ["2001:db8::2", "2001:db8::3"] } },
      limits: { maxExchanges: 4096 },
    });
    const random = seededRandom(5);
    const seeds = [
      world.encode({}),
      world.encode({ type: TYPE_NON, noResponse: 2, path: "i/alarm" }),
      world.encode({ path: "dp", token: Buffer.alloc(8, 1) }),
      world.encode({ block1: { num: 0, more: true, szx: 2 }, payload: packOf(80).subarray(0, 64) }),
      world.encode({ block1: { num: 1, more: false, szx: 2 }, payload: packOf(80).subarray(64) }),
      world.encode({ code: 1, path: ".well-known/core", format: null, payload: Buffer.alloc(0) }),
      world.encode(keyed(1)),
      world.encode(keyed(2, { algorithm: 4 })),
    ];
    const froms = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "fe80::1%eth0", "not an address"].map((text) =>
      world.ingest.endpoint(text, 1),
    );
    let answers: Uint8Array[] = [];
    const reply = (bytes: Uint8Array): void => void answers.push(bytes);
    const waiting: (() => void)[] = [];
    let frames = 0;
    world.sink.submit = (_frame, committed) => {
      const lot = random.below(8);
      if (lot === 0) return FULL;
      frames++;
      if (committed !== undefined) waiting.push(() => committed(lot === 1 ? FULL : undefined));
      return undefined;
    };
    for (let index = 0; index < MILLION; index++) {
      const bytes =
        random.below(4) === 0
          ? random.bytes(random.below(60))
          : mutated(seeds[random.below(seeds.length)]!, (bound) => random.below(bound));
      answers = [];
      world.clock.advance(1);
      world.ingest.handleDatagram(bytes, froms[random.below(froms.length)]!, world.clock.monotonicUs(), reply);
      const atOnce = answers.length;
      const type = bytes.length >= 4 && bytes[0]! >> 6 === 1 ? (bytes[0]! >> 4) & 3 : -1;
      if (atOnce > (type === TYPE_CON || type === TYPE_NON ? 1 : 0))
        throw new Error(`${atOnce} answers to ${bytes.toString("hex")}`);
      if (type === TYPE_NON && atOnce === 1 && answers[0]![0]! >> 4 >= 4 + TYPE_ACK)
        throw new Error("a NON got an ACK or RST");
      if (type === TYPE_CON && atOnce === 1 && Buffer.compare(answers[0]!.subarray(2, 4), bytes.subarray(2, 4)) !== 0)
        throw new Error("another Message-ID");
      if (waiting.length > 20) for (const done of waiting.splice(0)) done();
    }
    expect(frames).toBeGreaterThan(MILLION / 100);
    const { refused } = world.ingest.counters;
    for (const reason of [
      "malformed",
      "critical-option",
      "no-resource",
      "method",
      "format",
      "senml",
      "cose",
      "tag",
      "block-missing",
      "pressure",
    ] as const) {
      expect(refused[reason], reason).toBeGreaterThan(0);
    }
  },
  FUZZ_LIMIT_MS,
);

function mutated(seed: Buffer, below: (bound: number) => number): Buffer {
  let bytes = Buffer.from(seed);
  for (let change = below(4); change > 0; change--) {
    const at = below(bytes.length);
    const kind = below(4);
    if (kind === 0) bytes[at]! ^= 1 << below(8);
    else if (kind === 1) bytes[at] = below(256);
    else if (kind === 2) bytes = Buffer.from(bytes.subarray(0, Math.max(1, at)));
    else bytes.writeUInt16BE(below(0x1_0000), Math.min(2, Math.max(0, bytes.length - 2)));
    if (bytes.length < 2) return bytes;
  }
  return bytes;
}
