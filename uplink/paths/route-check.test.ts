import * as fc from "fast-check";
import { expect, test } from "vitest";
import { parseRoute, routeProblem } from "./route-check.ts";

const SOURCE = "2001:db8:a::2";

test("reads what ip prints", () => {
  const routed = '[{"dst":"2001:db8:9::1","from":"2001:db8:a::2","gateway":"fe80::1","dev":"wan0","table":"100"}]';
  expect(parseRoute(routed)).toEqual({ device: "wan0", nextHop: "fe80::1" });
  expect(parseRoute('[{"dst":"2001:db8:a::1","dev":"wan0"}]')).toEqual({ device: "wan0", nextHop: null });
  for (const text of ["", "[]", "[{}]", "RTNETLINK answers: Network is unreachable"]) {
    expect(parseRoute(text)).toBeUndefined();
  }
});

test("reads anything without throwing", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => parseRoute(text) === undefined || true));
});

test.each([
  [
    { interface: null, nextHop: null },
    { device: "lan0", nextHop: null },
  ],
  [
    { interface: "wan0", nextHop: null },
    { device: "wan0", nextHop: "fe80::1" },
  ],
  [
    { interface: "wan0", nextHop: "fe80::0001" },
    { device: "wan0", nextHop: "fe80::1" },
  ],
  [
    { interface: null, nextHop: "fe80::1%wan0" },
    { device: "wan0", nextHop: "fe80::1" },
  ],
])("%o is content with %o", (wish, route) => {
  expect(routeProblem(wish, SOURCE, route)).toBeUndefined();
});

test.each([
  [{ interface: "wan0", nextHop: null }, undefined, /no route from 2001:db8:a::2.*via ROUTER dev wan0/],
  [{ interface: "wan0", nextHop: "fe80::1" }, { device: "wan1", nextHop: "fe80::1" }, /leave by wan1, not by wan0/],
  [{ interface: null, nextHop: "2001:db8:a::1" }, { device: "wan0", nextHop: "fe80::1" }, /through fe80::1, not/],
  [{ interface: null, nextHop: "fe80::9%wan0" }, { device: "wan0", nextHop: null }, /via fe80::9 dev wan0 table TABLE/],
])("%o is not content with %o, and the sentence says the remedy", (wish, route, sentence) => {
  expect(routeProblem(wish, SOURCE, route)).toMatch(sentence);
});
