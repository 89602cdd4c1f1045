import { expect, test, vi } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { PathRoutes, type RoutedPath } from "./path-routes.ts";

const FIBRE: RoutedPath = { name: "fibre", interface: "wan0", nextHop: null };
const PLAIN: RoutedPath = { name: "plain", interface: null, nextHop: null };
const ENDS = { source: "2001:db8:a::2", destination: "2001:db8:9::1" };

function rig(paths: readonly RoutedPath[] = [FIBRE]) {
  const clock = new VirtualClock();
  const log = {
    ...silentLog,
    info: vi.fn<(event: string, fields?: object) => void>(),
    warn: vi.fn<(event: string, fields?: object) => void>(),
  };
  const asked: string[] = [];
  const answer: { text: string; problem: string | undefined } = { text: routeBy("wan0"), problem: undefined };
  const ends = new Map([["fibre", ENDS]]);
  const routes = new PathRoutes({
    paths,
    ends: (path) => ends.get(path),
    clock,
    log,
    startIp(args) {
      asked.push(args.join(" "));
      let output: (text: string) => void;
      return {
        onOutput: (listener) => void (output = listener),
        onExit: (listener) =>
          queueMicrotask(() => {
            output(answer.text);
            listener(answer.problem);
          }),
        kill() {},
      };
    },
  });
  const settle = async (ms = 0) => {
    clock.advance(ms);
    await new Promise(setImmediate);
  };
  return { routes, answer, asked, ends, log, settle };
}

function routeBy(device: string): string {
  return JSON.stringify([{ dst: ENDS.destination, from: ENDS.source, gateway: "fe80::1", dev: device }]);
}

test("asks by source, again every minute, and leaves out paths without one", async () => {
  const { routes, asked, settle } = rig([FIBRE, PLAIN]);
  routes.consider();
  await settle();
  expect(asked).toEqual(["-j -6 route get 2001:db8:9::1 from 2001:db8:a::2"]);
  expect(routes.finding("fibre")).toEqual({ device: "wan0", nextHop: "fe80::1", problem: null });
  expect(routes.finding("plain")).toBeNull();
  await settle(59_999);
  expect(asked.length).toBe(1);
  await settle(1);
  expect(asked.length).toBe(2);
  routes.stop();
  await settle(600_000);
  expect(asked.length).toBe(2);
});

test("a route that is not as configured is told once, and so is that it is right again", async () => {
  const { routes, answer, log, settle } = rig();
  answer.text = routeBy("wan1");
  routes.consider();
  await settle();
  expect(routes.finding("fibre")).toBeNull();
  await settle(2000);
  await settle(60_000);
  expect(log.warn.mock.calls).toEqual([["path-route", { path: "fibre", detail: routes.finding("fibre")!.problem }]]);
  expect(routes.finding("fibre")!.problem).toMatch(
    /leave by wan1, not by wan0; add "ip -6 rule add from 2001:db8:a::2/,
  );
  answer.text = routeBy("wan0");
  await settle(60_000);
  expect(log.info).toHaveBeenCalledTimes(1);
  answer.text = "";
  answer.problem = "exit 2";
  await settle(60_000);
  await settle(2000);
  expect(routes.finding("fibre")).toMatchObject({ device: null, problem: expect.stringMatching(/^there is no route/) });
});

test("without ip nothing is known, and nobody is alarmed", async () => {
  const { routes, answer, log, settle } = rig();
  answer.problem = "spawn ip ENOENT";
  routes.consider();
  await settle();
  expect(routes.finding("fibre")).toBeNull();
  expect(log.warn).not.toHaveBeenCalled();
});

test("a source that changes while it is asked about is asked about again at once", async () => {
  const { routes, asked, ends, settle } = rig();
  routes.consider();
  ends.set("fibre", { ...ENDS, source: "2001:db8:b::2" });
  routes.consider();
  await settle();
  await settle();
  expect(asked.at(-1)).toContain("from 2001:db8:b::2");
  ends.delete("fibre");
  routes.consider();
  await settle();
  expect(routes.finding("fibre")).toBeNull();
  expect(asked.length).toBe(2);
});

test("a rule that follows its address a moment later is no problem", async () => {
  const { routes, answer, log, settle } = rig();
  answer.text = routeBy("wan1");
  routes.consider();
  await settle();
  answer.text = routeBy("wan0");
  await settle(2000);
  expect(routes.finding("fibre")).toMatchObject({ device: "wan0", problem: null });
  expect(log.warn).not.toHaveBeenCalled();
});
