import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { documentOf, keyed, KEY_HEX, World } from "./fixture.ts";
import { GenerationCache } from "./generation-cache.ts";
import { parseIpv6, parsePrefix, prefixKey } from "./ipv6.ts";
import { readSensorsFile } from "./sensors-file.ts";

describe("the sensors file", () => {
  let directory = "";
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "paddock-sensors-"));
  });
  afterAll(() => rm(directory, { recursive: true }));
  const read = async (document: unknown) => {
    await writeFile(join(directory, "sensors.json"), JSON.stringify(document));
    return await readSensorsFile(join(directory, "sensors.json"));
  };

  test("fills in defaults and reads key files", async () => {
    await writeFile(join(directory, "barn.key"), `${KEY_HEX}\n`);
    const { sensors } = await read({
      sensors: {
        barn: { keyFile: "barn.key", alg: "HMAC 256/64", lane: "alarm" },
        tree: { addresses: ["2001:db8::/32"] },
      },
    });
    expect(sensors).toEqual({
      barn: { key: KEY_HEX, alg: "HMAC 256/64", lane: "alarm", addresses: [], rateFramesPerS: 0 },
      tree: { addresses: ["2001:db8::/32"], rateFramesPerS: 0 },
    });
  });

  test.each([
    [{ barn: { key: "00ff" } }, "16 to 64 bytes"],
    [{ barn: { key: "xyz" } }, "hex"],
    [{ barn: {} }, "key or addresses"],
    [{ barn: { key: KEY_HEX, keyFile: "a" } }, "not both"],
    [{ barn: { addresses: ["10.0.0.1"] } }, "IPv6"],
    [{ barn: { addresses: ["2001:db8::/129"] } }, "IPv6"],
    [{ barn: { key: KEY_HEX, lane: "urgent" } }, "alarm"],
    [{ barn: { key: KEY_HEX, colour: "red" } }, "unknown key"],
    [{ ["b".repeat(65)]: { key: KEY_HEX } }, "1 to 64 bytes"],
    [{ paddock: { key: KEY_HEX } }, "paddock"],
  ])("refuses %j", async (sensors, message) => {
    await expect(read({ sensors })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining(message) as string,
    });
  });

  test("names a key file that is missing or no key", async () => {
    await expect(read({ sensors: { barn: { keyFile: "gone.key" } } })).rejects.toMatchObject({
      code: "CONFIG_UNREADABLE",
    });
    await writeFile(join(directory, "bad.key"), "secret");
    const failed = read({ sensors: { barn: { keyFile: "bad.key" } } });
    await expect(failed).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.not.stringContaining("secret") as string,
    });
  });
});

describe("sensors by address", () => {
  test("the longest prefix wins", () => {
    const world = new World({
      sensors: {
        field: { addresses: ["2001:db8::/32"] },
        row: { addresses: ["2001:db8:0:7::/63"] },
        tree: { addresses: ["2001:db8:0:7::5"] },
      },
    });
    const of = (text: string) => world.sensors.byAddress(parseIpv6(text)!)?.id;
    expect(["2001:db8:9::1", "2001:db8:0:6::1", "2001:db8:0:7::5", "2001:db9::1"].map(of)).toEqual([
      "field",
      "row",
      "tree",
      undefined,
    ]);
  });

  test("a reload applies to senders that are known already, and keeps counters and windows", () => {
    const world = new World({ unknown: "refuse", sensors: { barn: { key: KEY_HEX } } });
    expect(world.ask().code).toBe("4.03");
    expect(world.ask(keyed(7)).code).toBe("2.04");
    world.ingest.reload(documentOf({ barn: { key: KEY_HEX, lane: "bulk" }, tree: { addresses: ["2001:db8::1"] } }));
    expect(world.ask().code).toBe("2.04");
    expect(world.ask(keyed(8)).code).toBe("2.04");
    expect(world.sink.frames.map(({ lane }) => lane)).toEqual([1, 1, 2]);
    expect(world.ingest.senders()).toMatchObject([
      { sender: "barn", frames: 2, sequence: 8 },
      { sender: "tree", frames: 1 },
    ]);
    world.ingest.reload(documentOf({}));
    expect(world.ask().code).toBe("4.03");
    expect(world.ask(keyed(9)).code).toBe("4.01");
  });
});

test("a sensor shares its endpoint when it has several addresses and no key that tells its messages apart", () => {
  const one = "2001:db8::1";
  const two = [one, "2001:db8::2"];
  const { sensors } = new World({
    sensors: {
      one: { addresses: [one] },
      two: { addresses: two },
      prefix: { addresses: ["2001:db8:7::/127"] },
      both: { addresses: ["2001:db8:8::1", "2001:db8:9::/64"] },
      keyed: { addresses: two, key: KEY_HEX },
    },
  });
  const shares = ["one", "two", "prefix", "both", "keyed"].map((id) => sensors.byId(id)?.sharesEndpoint);
  expect(shares).toEqual([false, true, true, true, false]);
});

const hex = (text: string) => {
  const bytes = parseIpv6(text);
  return bytes === undefined ? undefined : Buffer.from(bytes).toString("hex");
};

describe("IPv6 text", () => {
  test.each([
    ["::", "0".repeat(32)],
    ["::1", `${"0".repeat(31)}1`],
    ["2001:DB8::8:800:200c:417a", "20010db80000000000080800200c417a"],
    ["1:2:3:4:5:6:7::", "00010002000300040005000600070000"],
    ["fe80::1%eth0", "fe800000000000000000000000000001"],
    ["::ffff:192.0.2.1", "00000000000000000000ffffc0000201"],
  ])("%s", (text, expected) => {
    expect(hex(text)).toBe(expected);
  });
  test.each([
    "",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "12345::",
    "g::",
    "::1.2.3.256",
    "1.2.3.4",
  ])("refuses %j", (text) => {
    expect(hex(text)).toBeUndefined();
  });
  test("prefixes", () => {
    const { address, bits } = parsePrefix("2001:db8:ffff::/33")!;
    expect([bits, prefixKey(address, bits)]).toEqual([33, "20010db8800000000000000000000000"]);
    expect(prefixKey(address, 0)).toBe("0".repeat(32));
    expect(parsePrefix("::/129")).toBeUndefined();
    expect(parsePrefix("::/x")).toBeUndefined();
  });
});

test("the generation cache keeps what is used and stays within its bound", () => {
  const cache = new GenerationCache<number, number>(100);
  for (let key = 0; key < 10_000; key++) {
    cache.set(key, key);
    expect(cache.get(0)).toBe(0);
    expect(cache.size).toBeLessThanOrEqual(100);
  }
  expect(cache.get(9_999)).toBe(9_999);
  expect(cache.get(5)).toBeUndefined();
  expect(new Map(cache.entries()).size).toBeLessThanOrEqual(100);
});
