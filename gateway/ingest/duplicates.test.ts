import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { scaled } from "@paddock/base/testing/fuzz.ts";
import { seededRandom } from "@paddock/base/random.ts";
import { generateIdentity } from "@paddock/wire/identity.ts";
import { RECORDS_MAX } from "@paddock/wire/limits.ts";
import { ContentHash } from "./content-hash.ts";
import { DuplicateRing, PENDING } from "./duplicate-ring.ts";
import { earlierExchanges, encodeExchanges, exchangeBook, restoreExchanges } from "./exchange-memory.ts";
import { FULL, keyed, KEY_HEX, pack, sealed, TYPE_NON, World } from "./fixture.ts";

describe("copies by endpoint, Message-ID and content", () => {
  test("a copy of a CON under way is silent, of a done one answered the same; it is stored once", () => {
    const world = new World();
    world.sink.slow = true;
    const bytes = world.encode({});
    expect(world.sendBytes(bytes)).toEqual([]);
    expect(world.sendBytes(bytes)).toEqual([]);
    world.sink.commit();
    expect(world.answers).toHaveLength(1);
    expect(world.sendBytes(bytes)).toEqual([world.answers[0]]);
    expect(world.sink.frames).toHaveLength(1);
    expect(world.ingest.counters.duplicates).toBe(2);
  });

  test("a copy of a NON is stored once and answered as the first was, or not at all with No-Response", () => {
    const world = new World();
    const bytes = world.encode({ type: TYPE_NON });
    expect(world.sendBytes(bytes)).toMatchObject([{ code: "2.04" }]);
    expect(world.sendBytes(bytes)).toMatchObject([{ code: "2.04" }]);
    const quiet = world.encode({ type: TYPE_NON, noResponse: 26 });
    expect([...world.sendBytes(quiet), ...world.sendBytes(quiet)]).toEqual([]);
    expect(world.sink.frames).toHaveLength(2);
  });

  test("the copy of a NON that wants no answer and whose write failed is stored, not dropped", () => {
    const world = new World();
    world.sink.slow = true;
    const quiet = world.encode({ type: TYPE_NON, noResponse: 26 });
    world.sendBytes(quiet);
    expect(world.sink.waiting[0]!.frame.waits).toBe(false);
    world.sink.commit(FULL);
    expect(world.ingest.counters.commitFailed).toBe(1);
    expect(world.ingest.senders()).toMatchObject([{ refusedBy: { pressure: 1 }, lastRefusal: "pressure" }]);
    world.sendBytes(quiet);
    world.sink.commit();
    world.sendBytes(quiet);
    expect(world.sink.frames).toHaveLength(1);
    expect(world.ingest.counters.duplicates).toBe(1);
    expect(world.answers).toEqual([]);
  });

  test("a sensor that reboots and reuses its Message-IDs loses nothing", () => {
    const world = new World();
    for (const boot of [0, 1]) {
      for (let messageId = 1; messageId <= 20; messageId++) {
        const payload = pack(boot * 100 + messageId);
        expect(world.ask({ messageId, payload }).code).toBe("2.04");
        expect(world.ask({ messageId, payload, type: TYPE_NON }).code).toBe("2.04");
      }
    }
    expect(world.sink.frames).toHaveLength(80);
  });

  test("the same bytes from another port, another address or after 247 s are a new message", () => {
    const world = new World();
    const bytes = world.encode({ messageId: 5 });
    world.sendBytes(bytes);
    world.sendBytes(bytes, "2001:db8::1", 40_001);
    world.sendBytes(bytes, "2001:db8::2");
    world.sendBytes(bytes, "fe80::1%eth0");
    world.sendBytes(bytes, "fe80::1%eth1");
    world.clock.advance(248_000);
    world.sendBytes(bytes);
    expect(world.sink.frames).toHaveLength(6);
  });

  test("one datagram over two prefixes counts once for an unkeyed sensor with several addresses", () => {
    const world = new World({ sensors: { tree: { addresses: ["2001:db8:1::5", "2001:db8:2::/64"] } } });
    const bytes = world.encode({});
    expect(world.sendBytes(bytes, "2001:db8:1::5")).toMatchObject([{ code: "2.04" }]);
    expect(world.sendBytes(bytes, "2001:db8:2::77", 40_002)).toMatchObject([
      { code: "2.04", to: "[2001:db8:2::77]:40002" },
    ]);
    expect(world.sink.frames).toHaveLength(1);
    expect(world.ingest.senders()).toMatchObject([{ sender: "tree", frames: 1, duplicates: 1 }]);
  });

  test("an unkeyed sensor of one address is a sender for each of its ports, as anybody is", () => {
    const world = new World({ sensors: { tree: { addresses: ["2001:db8:1::5"] } } });
    const bytes = world.encode({});
    world.sendBytes(bytes, "2001:db8:1::5");
    world.sendBytes(bytes, "2001:db8:1::5", 40_002);
    expect(world.sink.frames).toHaveLength(2);
  });

  test("refused messages do not push good ones out of the memory", () => {
    const world = new World({ limits: { maxExchanges: 4 } });
    const bytes = world.encode({});
    world.sendBytes(bytes);
    for (let junk = 0; junk < 100; junk++) world.ask({ payload: Buffer.of(junk) });
    expect(world.sendBytes(bytes)).toHaveLength(1);
    expect(world.sink.frames).toHaveLength(1);
  });
});

const stateOf = (world: World, boot: number, atS: number): Buffer => {
  const keys = world.sink.frames.flatMap(({ note }) => (note === undefined ? [] : [note]));
  const { key, value } = exchangeBook(boot).entry(
    2,
    atS * 1_000_000 + 999_999,
    keys.flatMap(({ low, high }) => [low, high]),
  );
  expect(key).toBe("exchange:bulk");
  return Buffer.from(value!);
};

const ofBoot = (boot: number) => new Map([["exchange:bulk", encodeExchanges(boot, 500, [5, 6])]]);

describe("copies after a restart", () => {
  const secret = generateIdentity().privateKey;
  const restored = (boot: number, state: Uint8Array) => ({ secret, boot, states: new Map([["exchange:bulk", state]]) });
  test("the copy of a CON whose answer was lost with the process is answered, not stored again", () => {
    const before = new World({ exchanges: { secret, boot: 1, states: new Map() } });
    const bytes = before.encode({ messageId: 77 });
    before.sendBytes(bytes);
    before.sendBytes(before.encode({ type: TYPE_NON, messageId: 78 }));
    expect(before.sink.frames.map(({ note }) => note === undefined)).toEqual([false, true]);

    const after = new World({ seed: 2, exchanges: restored(1, stateOf(before, 1, 999)) });
    expect(after.sendBytes(bytes)).toMatchObject([{ code: "2.04", messageId: 77 }]);
    expect(after.sink.frames).toEqual([]);
    expect(after.ask({ messageId: 78 }).code).toBe("2.04");
    expect(after.sendBytes(bytes, "2001:db8::2")).toMatchObject([{ code: "2.04" }]);
    expect(after.sink.frames).toHaveLength(2);
  });

  test("what is older than an exchange, of another boot or damaged is a new message", () => {
    const before = new World({ exchanges: { secret, boot: 1, states: new Map() } });
    const bytes = before.encode({ messageId: 77 });
    before.sendBytes(bytes);
    for (const exchanges of [
      restored(1, stateOf(before, 1, 1000 - 248)),
      restored(2, stateOf(before, 1, 999)),
      restored(1, stateOf(before, 1, 999).subarray(0, 19)),
      restored(1, Buffer.of(1)),
    ]) {
      const after = new World({ exchanges });
      after.sendBytes(bytes);
      expect(after.sink.frames).toHaveLength(1);
    }
  });

  test("a segment begins with boot, time and length, however large they are", () => {
    expect(encodeExchanges(0x8000_0001, 0x9000_0002, [-1, 7]).toString("hex")).toBe(
      ["80000001", "90000002", "00000008", "ffffffff", "00000007"].join(""),
    );
  });

  test("a boot whose number has its highest bit set knows its own segments, and no other's", () => {
    const boots = [0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
    for (const written of boots) {
      const kept = boots.map((boot) => earlierExchanges(ofBoot(written), boot, 500).value !== null);
      expect(kept).toEqual(boots.map((boot) => boot === written));
    }
  });

  test("of a segment that is cut short nothing is believed, of those before it all is", () => {
    const whole = encodeExchanges(1, 500, [5, 6]);
    const cut = Buffer.concat([whole, encodeExchanges(1, 501, [7, 8, 9, 10]).subarray(0, 20)]);
    expect(earlierExchanges(new Map([["exchange:bulk", cut]]), 1, 501).value).toEqual(whole);
  });

  test("what is left of one run outlives the next ones, as long as an exchange lasts", () => {
    let states = new Map<string, Uint8Array>([["exchange:bulk", encodeExchanges(1, 500, [5, 6])]]);
    const begin = (nowS: number) => {
      const { key, value } = earlierExchanges(states, 1, nowS);
      states = new Map([["exchange:bulk", encodeExchanges(1, nowS, [nowS, 0])]]);
      if (value !== null) states.set(key, value);
      const ring = new DuplicateRing(64);
      restoreExchanges(ring, { secret, boot: 1, states });
      const keys = [[5, 6] as const, ...[510, 740, 760].map((low) => [low, 0] as const)];
      return keys.map(([low, high]) => ring.find(low, high, nowS) > 0);
    };
    expect(begin(510)).toEqual([true, true, false, false]);
    expect(begin(740)).toEqual([true, true, true, false]);
    expect(begin(760)).toEqual([false, false, true, true]);
    expect(earlierExchanges(new Map(), 1, 5).value).toBeNull();
    const one = new Map([["exchange:bulk", encodeExchanges(1, 500, [5, 6])]]);
    expect(earlierExchanges(one, 1, 747).value).toEqual(one.get("exchange:bulk"));
    expect(earlierExchanges(one, 1, 748).value).toBeNull();
    for (let lane = 0; lane < 40; lane++) states.set(`exchange:${lane}`, encodeExchanges(1, 760, Array(4096).fill(1)));
    expect(earlierExchanges(states, 1, 760).value!.length).toBeLessThanOrEqual(4 * (12 + 8 * RECORDS_MAX));
  });

  test("a keyed frame needs none of it", () => {
    const world = new World({ sensors: { barn: { key: KEY_HEX } } });
    world.ask(keyed(1));
    expect(world.sink.frames[0]).toMatchObject({ note: undefined });
  });
});

/** The code that answers a keyed frame at once, if any. */
const reply = (
  world: World,
  sequence: number,
  options: Parameters<typeof sealed>[1] = {},
  from = "2001:db8::1",
): string | undefined => world.send({ ...keyed(sequence, options), from })[0]?.code;

describe("copies by sequence number", () => {
  const sensors = { barn: { key: KEY_HEX } };
  test("equal bytes are 2.04 and stored once, other bytes under the number 4.01, whatever the address", () => {
    const world = new World({ sensors });
    expect(reply(world, 1)).toBe("2.04");
    expect(reply(world, 1, {}, "2001:db8:2::1")).toBe("2.04");
    expect(reply(world, 1, { payload: pack(8) })).toBe("4.01");
    expect(world.sink.frames).toHaveLength(1);
    expect(world.ingest.counters.sequenceDuplicates).toBe(1);
  });

  test("a copy waits for the write that is under way and shares its outcome; a failed write frees the number", () => {
    const world = new World({ sensors });
    world.sink.slow = true;
    expect(reply(world, 1)).toBeUndefined();
    expect(reply(world, 1, {}, "2001:db8:2::1")).toBeUndefined();
    expect(reply(world, 1, { payload: pack(8) })).toBe("4.01");
    world.sink.commit(FULL);
    expect(world.answers.slice(1).map(({ code, to }) => [code, to])).toEqual([
      ["5.03", "[2001:db8:2::1]:40000"],
      ["5.03", "[2001:db8::1]:40000"],
    ]);
    world.sink.slow = false;
    expect(reply(world, 1)).toBe("2.04");
    expect(world.sink.frames).toHaveLength(1);
  });

  test("of 70,000 copies in one stalled write 16 wait, and no more than 17 answers come of it", () => {
    const world = new World({ sensors });
    world.sink.slow = true;
    const bytes = world.encode(keyed(1));
    for (let copy = 0; copy <= 70_000; copy++) {
      bytes.writeUInt16BE(copy & 0xffff, 2);
      world.sendBytes(bytes, "2001:db8::1", 1 + (copy >> 16));
    }
    expect(world.ingest.counters.sequenceDuplicates).toBe(70_000);
    expect(world.answers).toEqual([]);
    world.sink.commit();
    expect(world.answers.map(({ code }) => code)).toEqual(Array(17).fill("2.04"));
    expect(world.sink.frames).toHaveLength(1);
    expect(reply(world, 1)).toBe("2.04");
  });

  test("a number that the sink refused at once is free too", () => {
    const world = new World({ sensors });
    world.sink.refuseWith = FULL;
    expect(reply(world, 1)).toBe("5.03");
    world.sink.refuseWith = undefined;
    expect(reply(world, 1)).toBe("2.04");
  });

  test("late ones within 64 are taken, older ones refused; gaps are counted", () => {
    const world = new World({ sensors });
    expect(reply(world, 100)).toBe("2.04");
    expect(reply(world, 200)).toBe("2.04");
    expect(world.ingest.senders()[0]).toMatchObject({ gaps: 99, sequence: 200 });
    expect(reply(world, 137)).toBe("2.04");
    expect(reply(world, 136)).toBe("4.01");
    expect(reply(world, 100, { payload: pack(8) })).toBe("4.01");
    expect(world.ingest.senders()[0]).toMatchObject({ gaps: 98, frames: 3, refusedBy: { replay: 2 } });
  });

  test("a reboot that resets the Message-ID but not the sequence number loses nothing", () => {
    const world = new World({ sensors });
    for (let sequence = 1; sequence <= 10; sequence++) {
      expect(world.ask({ ...keyed(sequence), messageId: ((sequence - 1) % 5) + 1 }).code).toBe("2.04");
    }
    expect(world.sink.frames).toHaveLength(10);
  });

  test("after a restart the durable windows refuse replays, and know the copies of the last frames", () => {
    const before = new World({ sensors });
    for (let sequence = 1; sequence <= 20; sequence++) reply(before, sequence);
    before.sink.slow = true;
    reply(before, 21);
    const after = new World({ sensors, restored: before.sink.side });
    expect(reply(after, 20)).toBe("2.04");
    expect(reply(after, 20, { payload: pack(9) })).toBe("4.01");
    expect(reply(after, 2)).toBe("4.01");
    expect(after.sink.frames).toHaveLength(0);
    expect(reply(after, 21)).toBe("2.04");
    expect(after.sink.frames).toHaveLength(1);
  });

  test("lanes that are written independently do not lose each other's numbers over a restart", () => {
    const before = new World({ sensors });
    before.sink.slow = true;
    before.send({ ...keyed(1), path: "i/alarm" });
    const alarm = before.sink.waiting.splice(0);
    before.send({ ...keyed(2), path: "i/bulk" });
    before.sink.commit();
    before.sink.waiting.push(...alarm);
    before.sink.commit();
    const after = new World({ sensors, restored: before.sink.side });
    expect([reply(after, 1), reply(after, 2), reply(after, 3)]).toEqual(["2.04", "2.04", "2.04"]);
    expect(after.sink.frames).toHaveLength(1);
  });

  test("another lane's number that was given back is free after a restart", () => {
    const before = new World({ sensors });
    before.sink.slow = true;
    before.send({ ...keyed(1), path: "i/alarm" });
    const alarm = before.sink.waiting.splice(0);
    before.send({ ...keyed(2), path: "i/bulk" });
    before.sink.commit();
    before.sink.waiting.push(...alarm);
    before.sink.commit(FULL);
    const after = new World({ sensors, restored: before.sink.side });
    expect(reply(after, 1)).toBe("2.04");
    expect(after.sink.frames).toHaveLength(1);
  });

  test("a new key starts a new life, also over a restart; damaged state counts as none", () => {
    const world = new World({ sensors });
    expect(reply(world, 500)).toBe("2.04");
    const other = "77".repeat(32);
    const swapped = { barn: { addresses: [], rateFramesPerS: 0, key: other } };
    world.ingest.reload({ sensors: swapped });
    expect(reply(world, 500)).toBe("4.01");
    expect(reply(world, 0, { keyHex: other })).toBe("2.04");
    world.ingest.reload({ sensors: { barn: { ...swapped.barn, key: KEY_HEX } } });
    expect(reply(world, 500, { payload: pack(3) })).toBe("4.01");
    const restarted = new World({ sensors, restored: world.sink.side });
    expect(reply(restarted, 1)).toBe("2.04");
    const damaged = new World({ sensors, restored: new Map([["replay:barn/telemetry", Buffer.from("83")]]) });
    expect(reply(damaged, 1)).toBe("2.04");
  });

  test("stored numbers are never stored again and new ones never refused, against a plain model", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            sequence: fc.nat(150),
            value: fc.nat(1),
            fails: fc.boolean(),
            lane: fc.constantFrom("alarm", "bulk"),
            restart: fc.nat(9),
          }),
          { maxLength: 60, size: "max" },
        ),
        (steps) => {
          let world = new World({ sensors });
          const stored = new Map<number, number>();
          for (const { sequence, value, fails, lane, restart } of steps) {
            const highest = Math.max(-1, ...stored.keys());
            world.sink.slow = true;
            world.send({ ...keyed(sequence, { payload: pack(value) }), path: `i/${lane}` });
            const submitted = world.sink.waiting.length === 1;
            expect(submitted).toBe(!stored.has(sequence) && sequence > highest - 64);
            world.sink.commit(fails ? FULL : undefined);
            if (submitted && !fails) stored.set(sequence, value);
            if (restart > 0) continue;
            const disk = world.sink.side;
            world = new World({ sensors, restored: disk });
            for (const [key, state] of disk) world.sink.side.set(key, state);
          }
        },
      ),
      { numRuns: scaled(240) },
    );
  });
});

describe("the ring", () => {
  test("agrees with a plain model", () => {
    const operation = fc.record({
      key: fc.nat(40),
      what: fc.constantFrom("add", "forget", "settle"),
      later: fc.nat(60),
    });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 300, size: "max" }), (operations) => {
        const ring = new DuplicateRing(16);
        const model = new Map<number, { ticket: number; addedS: number; code: number }>();
        const order: { key: number; ticket: number }[] = [];
        let nowS = 0;
        for (const { key, what, later } of operations) {
          nowS += later;
          // Few home positions, so that runs of the table collide and wrap.
          const low = key % 5 === 0 ? -1 : key % 5;
          const entry = model.get(key);
          const live = entry !== undefined && nowS - entry.addedS <= 247;
          const ticket = ring.find(low, key, nowS);
          expect(ticket).toBe(live ? entry.ticket : 0);
          if (live) expect(ring.codeOf(ticket)).toBe(entry.code);
          if (what === "add" && !live) {
            const added = ring.add(low, key, nowS);
            order.push({ key, ticket: added });
            model.set(key, { ticket: added, addedS: nowS, code: PENDING });
            const oldest = order.at(-17);
            if (oldest !== undefined && model.get(oldest.key)?.ticket === oldest.ticket) model.delete(oldest.key);
          } else if (what === "forget" && live) {
            ring.forget(ticket);
            model.delete(key);
          } else if (what === "settle" && live) {
            ring.settle(ticket, 0x44);
            entry.code = 0x44;
          }
          expect(ring.size).toBe(model.size);
        }
      }),
    );
  });

  test("a ticket of an entry that gave way changes nothing", () => {
    const ring = new DuplicateRing(2);
    const first = ring.add(1, 1, 0);
    ring.add(2, 2, 0);
    const third = ring.add(3, 3, 0);
    ring.settle(first, 0x44);
    ring.forget(first);
    expect([ring.find(1, 1, 0), ring.find(3, 3, 0), ring.codeOf(third), ring.size]).toEqual([0, third, PENDING, 2]);
  });
});

test("the hash tells apart messages that differ in one bit, in length or in context, and depends on the seed", () => {
  const hash = new ContentHash(seededRandom(1));
  const of = (bytes: Uint8Array, context = 0): string => {
    hash.of(bytes, context);
    return `${hash.low},${hash.high}`;
  };
  const base = seededRandom(2).bytes(103);
  const seen = new Set([of(base), of(base, 1), of(base.subarray(0, 102)), of(Buffer.concat([base, Buffer.of(0)]))]);
  for (let bit = 0; bit < base.length * 8; bit++) {
    const changed = Buffer.from(base);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    seen.add(of(changed));
  }
  expect(seen.size).toBe(4 + base.length * 8);
  const low = new Set<number>();
  const high = new Set<number>();
  for (let index = 0; index < 20_000; index++) {
    hash.of(Buffer.from([index & 0xff, index >> 8, 0, 0, 0, 0]));
    low.add(hash.low);
    high.add(hash.high);
  }
  expect(low.size).toBeGreaterThan(19_990);
  expect(high.size).toBeGreaterThan(19_990);
  const first = of(base);
  const other = new ContentHash(seededRandom(3));
  other.of(base);
  expect(`${other.low},${other.high}`).not.toBe(first);
});
