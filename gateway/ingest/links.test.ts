import { describe, expect, test } from "vitest";
import { local } from "./fixture.ts";
import { bindableAddresses, isAnyAddress, linksOf, reachableAt } from "./links.ts";

const ADDRESSES = [
  local("lo", "::1"),
  local("lo", "fe80::1"),
  local("eth0", "2001:db8::1"),
  local("eth0", "fe80::2"),
  local("eth0", "2001:db8::bad", { tentative: true }),
  local("eth0", "2001:db8::dad", { duplicate: true }),
  local("wan", "2001:db8:1::1", { interfaceIndex: 3, deprecated: true }),
  local("eth1", "fe80::2", { interfaceIndex: 7 }),
];

test("every address that is proven unique is bound, link-local ones on each of their links", () => {
  expect([...bindableAddresses(ADDRESSES)]).toEqual([
    ["::1", "::1"],
    ["fe80::1%lo#1", "fe80::1%lo"],
    ["2001:db8::1", "2001:db8::1"],
    ["fe80::2%eth0#2", "fe80::2%eth0"],
    ["2001:db8:1::1", "2001:db8:1::1"],
    ["fe80::2%eth1#7", "fe80::2%eth1"],
  ]);
});

test("links are where neighbours can be reached by link-local multicast, and nowhere else", () => {
  expect(linksOf(ADDRESSES)).toEqual([
    { name: "eth0", index: 2, addresses: ["2001:db8::1", "fe80::2"] },
    { name: "eth1", index: 7, addresses: ["fe80::2"] },
  ]);
});

describe("what neighbours on a link reach of a listener", () => {
  const [eth0, eth1] = linksOf(ADDRESSES);
  test.each([
    ["::", ["2001:db8::1", "fe80::2"], ["fe80::2"]],
    ["0:0::0", ["2001:db8::1", "fe80::2"], ["fe80::2"]],
    ["::1", [], []],
    ["2001:0db8:0::0001", ["2001:db8::1"], []],
    ["fe80::2%eth1", [], ["fe80::2"]],
    ["2001:db8:1::1", [], []],
    ["no address", [], []],
  ])("bound to %s", (listen, onEth0, onEth1) => {
    expect([reachableAt(listen, eth0!), reachableAt(listen, eth1!)]).toEqual([onEth0, onEth1]);
  });
});

test("the wildcard is known however it is written", () => {
  expect(["::", "0::0", "0:0:0:0:0:0:0:0", "::1", "x"].map(isAnyAddress)).toEqual([true, true, true, false, false]);
});
