import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { systemClock, VirtualClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { until } from "@paddock/base/testing/until.ts";
import { serveControl } from "@paddock/uplink/bfd/control-server.ts";
import { BfdReflector } from "@paddock/uplink/bfd/reflector.ts";
import { Speaker } from "@paddock/uplink/bfd/speaker.ts";
import { Forwarder } from "@paddock/uplink/forward/forwarder.ts";
import { parseGatewayConfig } from "../config.ts";
import { uplinkPaths } from "./configured-paths.ts";
import { PathWatch } from "./path-watch.ts";
import { StandbyPace } from "./standby-pace.ts";
import { RecordingSink } from "../testing/recording-sink.ts";

const SEEN = {
  pace: "configured",
  why: "",
  detectedInMs: null,
  sinceWallMs: null,
  downs: 0,
  trouble: null,
  sessions: [],
} as const;
const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

/** A fibre and a metered LTE path; nothing answers at their endpoints. */
function configOf(dataDir: string, remotePort: number) {
  // A busy machine may stand still for longer than the usual three packets.
  const bfd = { endToEnd: { mode: "seamless", remotePort, discriminator: 900, intervalMs: 50, detectMult: 20 } };
  const endpoint = "https://[::1]:9";
  return parseGatewayConfig({
    dataDir,
    bfd: { socket: join(dataDir, "bfd.sock") },
    collector: { publicKey: "ab".repeat(32) },
    paths: [
      { name: "fibre", endpoint, bfd },
      { name: "lte", endpoint, preference: 50, metered: { bytesPerMonth: 1_000_000 }, bfd },
    ],
  });
}

test("a running session slows down and speeds up again without falling", async () => {
  const directory = await mkdtemp(join(tmpdir(), "paddock-pace-"));
  cleanUps.push(() => rm(directory, { recursive: true, force: true }));
  const reflector = new BfdReflector({ seamless: { listen: [{ address: "::1", port: 0 }], discriminators: [900] } });
  const [port] = await reflector.start();
  cleanUps.push(() => reflector.close(0));
  const config = configOf(directory, port!);
  const speaker = new Speaker();
  cleanUps.push(() => speaker.close());
  const control = await serveControl(speaker, config.bfd.socket!);
  cleanUps.push(() => control.close());
  const sink = new RecordingSink();
  const { told } = sink;
  const watch = (await PathWatch.start({ config, sink, clock: systemClock, log: silentLog }))!;
  cleanUps.push(() => watch.stop());
  await until(() => expect(told.toSorted()).toEqual(["fibre up", "lte up"]));

  const intervals = () =>
    Object.fromEntries(speaker.report().sessions.map((session) => [session.name, session.transmitIntervalMs]));
  const before = intervals();
  watch.setPaces(new Map([["lte", "slow"]]));
  await until(() => expect(intervals()).toEqual({ ...before, "lte end-to-end": 10_000 }));
  expect(watch.status("lte")).toMatchObject({ pace: "slow", downs: 0 });
  const received = () => speaker.report().sessions.find(({ name }) => name === "lte end-to-end")!.received;
  watch.setPaces(new Map([["lte", "configured"]]));
  const from = received();
  // More than one detection time of the fast pace goes by with these.
  await until(() => expect(received()).toBeGreaterThan(from + 25));
  expect(intervals()).toEqual(before);
  expect(told.length).toBe(2);
});

test("it decides once for what happens together, and again after a while", () => {
  const clock = new VirtualClock();
  const forwarder = new Forwarder({
    source: { backlog: () => [], read: () => Promise.resolve([]), acknowledge: async () => {}, onSealed() {} },
    paths: uplinkPaths(configOf("/x", 7784)),
    openLink: () => new Promise(() => {}),
    clock,
  });
  const setPaces = vi.fn<PathWatch["setPaces"]>();
  const pace = new StandbyPace({ forwarder, watch: { status: () => SEEN, setPaces }, clock });
  pace.consider();
  pace.consider();
  clock.advance(0);
  expect(setPaces.mock.calls).toEqual([
    [
      new Map([
        ["fibre", "configured"],
        ["lte", "configured"],
      ]),
    ],
  ]);
  clock.advance(5000);
  expect(setPaces).toHaveBeenCalledTimes(2);
  pace.stop();
  pace.consider();
  clock.advance(60_000);
  expect(setPaces).toHaveBeenCalledTimes(2);
});

test("where no watched path is metered nothing is decided", () => {
  const clock = new VirtualClock();
  const forwarder = { status: () => ({ paths: [] }) as unknown as ReturnType<Forwarder["status"]> };
  const setPaces = vi.fn<PathWatch["setPaces"]>();
  new StandbyPace({ forwarder, watch: { status: () => null, setPaces }, clock }).consider();
  clock.advance(60_000);
  expect(setPaces).not.toHaveBeenCalled();
});
