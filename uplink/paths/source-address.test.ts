import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  chooseSource,
  FOREVER_S,
  isPrefix,
  parseAddresses,
  type LocalAddress,
  type SourceWish,
} from "./source-address.ts";

const address = (text: string, rest: Partial<LocalAddress> = {}): LocalAddress => ({
  interfaceName: "wan0",
  address: text,
  prefixLength: 64,
  scope: "global",
  tentative: false,
  duplicate: false,
  deprecated: false,
  temporary: false,
  preferredLifetimeS: 3600,
  validLifetimeS: 7200,
  ...rest,
});
const WAN: SourceWish = { interfaceName: "wan0" };
const HALF = { preferredLifetimeS: 1800 };

describe("the source of a path", () => {
  test.each<[string, LocalAddress[], SourceWish, string | undefined, { current?: string; destination?: string }?]>([
    ["the only one", [address("2001:db8:a::5")], WAN, "2001:db8:a::5"],
    ["of its interface", [address("2001:db8:a::5", { interfaceName: "lan0" })], WAN, undefined],
    [
      "of its prefix",
      [address("2001:db8:b::5"), address("2001:db8:a::5")],
      { source: "2001:db8:a::/48" },
      "2001:db8:a::5",
    ],
    ["of prefix and interface", [address("2001:db8:a::5")], { ...WAN, source: "2001:db8:b::/48" }, undefined],
    ["an address in other words", [address("2001:db8:a::5")], { ...WAN, source: "2001:DB8:A:0::5" }, "2001:db8:a::5"],
    ["never link-local", [address("fe80::1", { scope: "link" })], WAN, undefined],
    ["not the loopback's unless named", [address("::1", { scope: "host", interfaceName: "wan0" })], WAN, undefined],
    ["the loopback's when named", [address("::1", { scope: "host" })], { source: "::1/128" }, "::1"],
    ["not while it is tentative", [address("2001:db8:a::5", { tentative: true })], WAN, undefined],
    ["not what failed the check", [address("2001:db8:a::5", { tentative: true, duplicate: true })], WAN, undefined],
    [
      "not a deprecated one",
      [address("2001:db8:a::5", { deprecated: true }), address("2001:db8:b::5", HALF)],
      WAN,
      "2001:db8:b::5",
    ],
    ["a deprecated one without another", [address("2001:db8:a::5", { deprecated: true })], WAN, "2001:db8:a::5"],
    ["the longest preferred", [address("2001:db8:a::5", HALF), address("2001:db8:b::5")], WAN, "2001:db8:b::5"],
    [
      "a stable one",
      [address("2001:db8:a::5", { temporary: true }), address("2001:db8:a::6", HALF)],
      WAN,
      "2001:db8:a::6",
    ],
    ["not a local one for the world", [address("fd00::5"), address("2001:db8:a::5", HALF)], WAN, "2001:db8:a::5"],
    [
      "a local one for a local destination",
      [address("fd00::5", HALF), address("2001:db8:a::5")],
      WAN,
      "fd00::5",
      { destination: "fd11::1" },
    ],
    [
      "the one in use",
      [address("2001:db8:a::5", HALF), address("2001:db8:b::5")],
      WAN,
      "2001:db8:a::5",
      { current: "2001:db8:a::5" },
    ],
    [
      "not the one in use once it is deprecated",
      [address("2001:db8:a::5", { deprecated: true }), address("2001:db8:b::5")],
      WAN,
      "2001:db8:b::5",
      { current: "2001:db8:a::5" },
    ],
  ])("%s", (_, addresses, wish, expected, context) => {
    expect(chooseSource(addresses, wish, context).address).toBe(expected);
    expect(chooseSource(addresses.toReversed(), wish, context).address).toBe(expected);
  });

  test.each<[LocalAddress[], SourceWish, string]>([
    [[], { interfaceName: "wan0", source: "2001:db8:a::/48" }, "no address on wan0 in 2001:db8:a::/48"],
    [[], { interfaceName: "wan0", source: "2001:db8:a::5" }, "no address on wan0 that is 2001:db8:a::5"],
    [
      [address("2001:db8:a::5", { tentative: true }), address("2001:db8:a::6", { duplicate: true })],
      WAN,
      "no address on wan0; 2001:db8:a::5 is still being checked for duplicates; 2001:db8:a::6 belongs to somebody else on the link",
    ],
    [[address("2001:db8:a::5")], WAN, "the only one on wan0, preferred for 3600 s"],
    [
      [address("::5", { temporary: true }), address("::6", { temporary: true })],
      WAN,
      "the best of 2 on wan0, temporary, preferred for 3600 s",
    ],
    [[address("2001:db8:a::5", { deprecated: true })], WAN, "the only one on wan0, deprecated"],
  ])("says why, %#", (addresses, wish, why) => {
    expect(chooseSource(addresses, wish).why).toBe(why);
  });

  test("stays where it is while nothing speaks against it, whatever else comes and goes", () => {
    const other = fc.record({
      tail: fc.integer({ min: 6, max: 0xffff }),
      deprecated: fc.boolean(),
      temporary: fc.boolean(),
      preferredLifetimeS: fc.nat(100_000),
    });
    fc.assert(
      fc.property(fc.array(other), (others) => {
        const rest = others.map(({ tail, ...flags }) => address(`2001:db8:a::${tail.toString(16)}`, flags));
        const current = "2001:db8:a::5";
        expect(chooseSource([...rest, address(current, HALF)], WAN, { current }).address).toBe(current);
      }),
    );
  });
});

test("reads what ip prints", () => {
  const infos = [
    {
      family: "inet6",
      local: "2001:db8:a::5",
      prefixlen: 64,
      scope: "global",
      deprecated: true,
      dynamic: true,
      valid_life_time: 100,
      preferred_life_time: 0,
    },
    { family: "inet6", local: "2001:db8:a::6", scope: "global", temporary: true, dadfailed: true, tentative: true },
    { family: "inet", local: "192.0.2.1", scope: "global" },
    { family: "inet6", local: "nonsense", scope: "global" },
    null,
  ];
  const read = parseAddresses([{}, null, { ifname: "wan0", addr_info: infos }]);
  expect(read).toEqual([
    address("2001:db8:a::5", { deprecated: true, preferredLifetimeS: 0, validLifetimeS: 100 }),
    address("2001:db8:a::6", {
      prefixLength: 128,
      temporary: true,
      tentative: true,
      duplicate: true,
      preferredLifetimeS: FOREVER_S,
      validLifetimeS: FOREVER_S,
    }),
  ]);
});

test("reads anything without throwing", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => Array.isArray(parseAddresses(value))));
});

test.each([
  ["2001:db8::/48", true],
  ["::1/128", true],
  ["::/0", true],
  ["2001:db8::/129", false],
  ["2001:db8::", false],
  ["192.0.2.0/24", false],
  ["2001:db8::/4/8", false],
  ["2001:db8::/", false],
])("%s is a prefix: %s", (text, expected) => {
  expect(isPrefix(text)).toBe(expected);
});
