import { expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { AddressFeed } from "./address-feed.ts";
import type { StartIp } from "./ip-process.ts";
import type { LocalAddress } from "./source-address.ts";

/** An `ip` whose list is `lists.at(-1)`; each that was started is kept until it is killed. */
function fakeIp(...lists: string[]) {
  const monitors = new Set<(text: string) => void>();
  const startIp: StartIp = (args) => {
    let output: ((text: string) => void) | undefined;
    const changed = (text: string): void => output?.(text);
    if (args.includes("monitor")) monitors.add(changed);
    return {
      onOutput: (listener) => void (output = listener),
      onExit(listener) {
        if (args.includes("monitor")) return;
        queueMicrotask(() => {
          const info = { family: "inet6", local: lists.at(-1), scope: "global" };
          output?.(JSON.stringify([{ ifname: "wan0", addr_info: [info] }]));
          listener(undefined);
        });
      },
      kill: () => void monitors.delete(changed),
    };
  };
  return { startIp, lists, monitors };
}

const settled = () => new Promise(setImmediate);
const heard = () => {
  const told: string[] = [];
  return { told, listener: (all: readonly LocalAddress[]) => void told.push(all.map((one) => one.address).join()) };
};

test("one monitor serves everybody, and who comes later hears at once what is known", async () => {
  const { startIp, lists, monitors } = fakeIp("2001:db8::1");
  const clock = new VirtualClock();
  const feed = new AddressFeed({ startIp, clock });
  expect(monitors.size).toBe(0);
  const [first, second] = [heard(), heard()];
  feed.follow(first.listener);
  expect(first.told).toEqual([]);
  await settled();
  feed.follow(second.listener);
  expect(second.told).toEqual([]);
  await settled();
  expect([first.told, second.told]).toEqual([["2001:db8::1"], ["2001:db8::1"]]);
  expect(monitors.size).toBe(1);

  lists.push("2001:db8::2");
  for (const tell of monitors) tell("changed");
  clock.advance(20);
  await settled();
  expect([first.told.at(-1), second.told.at(-1)]).toEqual(["2001:db8::2", "2001:db8::2"]);
});

test("the monitor ends with the last follower, and a later one starts another and is told nothing old", async () => {
  const { startIp, lists, monitors } = fakeIp("2001:db8::1");
  const feed = new AddressFeed({ startIp, clock: new VirtualClock() });
  const { told, listener } = heard();
  const [leave, leaveToo] = [feed.follow(listener), feed.follow(listener)];
  await settled();
  leave();
  leave();
  expect(monitors.size).toBe(1);
  leaveToo();
  expect(monitors.size).toBe(0);
  told.length = 0;
  lists.push("2001:db8::3");
  feed.follow(listener);
  await settled();
  expect(told).toEqual(["2001:db8::3"]);
  expect(monitors.size).toBe(1);
});

test("who leaves at once hears nothing", async () => {
  const { startIp } = fakeIp("2001:db8::1");
  const feed = new AddressFeed({ startIp, clock: new VirtualClock() });
  const [first, second] = [heard(), heard()];
  feed.follow(first.listener);
  await settled();
  feed.follow(second.listener)();
  await settled();
  expect(second.told).toEqual([]);
});
