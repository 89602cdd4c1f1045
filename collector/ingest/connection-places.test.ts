import { beforeEach, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { type ConnectionPlace, ConnectionPlaces } from "./connection-places.ts";

let clock: VirtualClock;
let told: string[];
let places: ConnectionPlaces;

beforeEach(() => {
  clock = new VirtualClock();
  told = [];
  places = new ConnectionPlaces({ maxConnections: 8, unprovenMs: 20_000 }, clock, (reason) => told.push(reason));
});

function enter(name: string): ConnectionPlace {
  return places.enter({ soon: () => told.push(`${name} soon`), now: () => told.push(`${name} now`) })!;
}

test("a connection that shows no key is asked to go when its time is over, and soon has to", () => {
  const stranger = enter("stranger");
  enter("gateway").proven("gateway");
  clock.advance(9999);
  expect(stranger.goesOn()).toBe(true);
  clock.advance(1);
  expect(stranger.goesOn()).toBe(false);
  clock.advance(9999);
  expect(told).toEqual([]);
  clock.advance(1);
  expect(told).toEqual(["unproven", "stranger soon"]);
  clock.advance(3_600_000);
  expect(told).toEqual(["unproven", "stranger soon", "stranger now"]);
});

test("one that ends in time, or shows its key while it is asked to go, is not ended", () => {
  const [asked, gone] = [enter("asked"), enter("gone")];
  gone.leave();
  clock.advance(20_000);
  asked.proven("asked");
  clock.advance(3_600_000);
  expect(told).toEqual(["unproven", "asked soon"]);
});

test("strangers have a quarter of the places: the one there longest gives way to the next", () => {
  const proven = ["a", "b", "c"].map((name) => {
    const place = enter(name);
    place.proven(name);
    return place;
  });
  for (const name of ["one", "two", "three", "four"]) enter(name);
  expect(told).toEqual(["too-many", "one now", "too-many", "two now"]);
  expect([places.taken, places.unproven]).toEqual([5, 2]);
  for (const place of proven) place.leave();
  expect(places.taken).toBe(2);
});

test("a gateway that waits for its yes has time, goes behind strangers, and gives way all the same", () => {
  const waiting = enter("waiting");
  enter("stranger");
  waiting.known();
  enter("next");
  expect(told).toEqual(["too-many", "stranger now"]);
  clock.advance(10_000);
  enter("last");
  expect(told.slice(2)).toEqual(["too-many", "waiting now"]);
  expect(waiting.goesOn()).toBe(true);
  waiting.known();
  waiting.proven("waiting");
  expect(places.unproven).toBe(2);
});

test("full of gateways, it refuses who comes, and has a place again when one leaves", () => {
  const gateways = Array.from({ length: 8 }, (_, index) => {
    const place = enter(String(index));
    place.proven(String(index));
    return place;
  });
  expect(places.enter({ soon: () => {}, now: () => {} })).toBeUndefined();
  expect(told).toEqual(["too-many"]);
  gateways[0]!.leave();
  gateways[0]!.leave();
  enter("next").proven("next");
  expect(places.taken).toBe(8);
});

test("full, the gateway that has most gives up its oldest, and nobody has fewer than a few taken", () => {
  places = new ConnectionPlaces({ maxConnections: 100, unprovenMs: 20_000 }, clock, (reason) => told.push(reason));
  const proven = (gateway: string, count: number) =>
    Array.from({ length: count }, (_, index) => {
      const place = enter(`${gateway} ${index}`);
      place.proven(gateway);
      return place;
    });
  proven("modest", 32);
  const greedy = proven("greedy", 68);
  // Not the oldest any more.
  greedy[0]!.leave();
  enter("one").proven("other");
  expect(told).toEqual([]);
  enter("two").proven("other");
  expect(told).toEqual(["too-many", "greedy 1 now"]);
  for (let count = 0; count < 30; count++) enter(`more ${count}`).proven("other");
  expect(told.filter((event) => event.startsWith("greedy"))).toHaveLength(31);
  expect(told).toContain("greedy 31 now");
  told.length = 0;
  for (let count = 0; count < 4; count++) enter(`last ${count}`).proven("another");
  // 32 of each of three are left, and four of the last one.
  expect(told.filter((event) => event.startsWith("greedy"))).toHaveLength(4);
  expect(places.enter({ soon: () => {}, now: () => {} })).toBeUndefined();
  expect(places.taken).toBe(100);
});
