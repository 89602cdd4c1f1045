import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { until } from "@paddock/base/testing/until.ts";
import { serveControl } from "@paddock/uplink/bfd/control-server.ts";
import { FakeNetwork } from "@paddock/uplink/bfd/fake-network.ts";
import { reflect } from "@paddock/uplink/bfd/reflect.ts";
import { Speaker } from "@paddock/uplink/bfd/speaker.ts";
import { parseGatewayConfig, type GatewayConfig } from "../config.ts";
import { RecordingSink } from "../testing/recording-sink.ts";
import { PathWatch } from "./path-watch.ts";

/* Sessions of one path together, over a network and in a time of our own: a router at ::f, collectors at ::c and ::d. */

const US = "fd00::a";
const ROUTER = "fd00::f";
const [FIRST, SECOND] = ["https://[fd00::c]:9", "https://[fd00::d]:9"] as const;
const cleanUps: (() => unknown)[] = [];

let clock: VirtualClock;
let config: GatewayConfig;
let network: FakeNetwork;
let speaker: Speaker;
let served: { discriminators: Set<number>; requiredMinRxUs: number; disabled: boolean };
let sink: RecordingSink;
let watch: PathWatch;

beforeEach(async () => {
  const directory = await mkdtemp(join(tmpdir(), "paddock-sessions-"));
  cleanUps.push(() => rm(directory, { recursive: true, force: true }));
  clock = new VirtualClock();
  network = new FakeNetwork(clock);
  served = { discriminators: new Set([900]), requiredMinRxUs: 10_000, disabled: false };
  network.answer = (datagram) => (reflect(datagram, served) === undefined ? datagram : undefined);
  const router = new Speaker({ transport: network, clock });
  router.add({ name: "gateway", kind: "single-hop", local: ROUTER, remote: US, intervalMs: 50 });
  cleanUps.push(() => router.close(0));
  speaker = new Speaker({ transport: network, clock });
  cleanUps.push(() => speaker.close(0));
  config = parseGatewayConfig({
    dataDir: directory,
    bfd: { socket: join(directory, "bfd.sock") },
    collector: { publicKey: "ab".repeat(32) },
    paths: [
      {
        name: "fibre",
        source: US,
        nextHop: ROUTER,
        endpoint: FIRST,
        fallbackEndpoints: [SECOND],
        bfd: {
          endToEnd: { mode: "seamless", discriminator: 900, intervalMs: 100 },
          firstHop: { mode: "single-hop", intervalMs: 50 },
        },
      },
    ],
  });
  const control = await serveControl(speaker, config.bfd.socket!);
  cleanUps.push(() => control.close());
  sink = new RecordingSink();
  watch = (await PathWatch.start({ config, sink, clock, log: silentLog }))!;
  cleanUps.push(() => watch.stop());
  await comes(() => expect(sessions().map(({ liveness }) => liveness)).toEqual(["up", "up"]));
});

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

/** Lets time pass until it is so; what is said over the control socket arrives meanwhile. */
function comes(condition: () => unknown): Promise<void> {
  return until(() => {
    clock.advance(20);
    return condition();
  });
}

/** Bytes of everything that the speaker has. */
function carried(): number {
  return speaker.report().sessions.reduce((sum, { bytes }) => sum + bytes, 0);
}

function sessions() {
  return watch.status("fibre")!.sessions;
}

test("a first hop that falls silent takes the path down at once; packets from end to end bring it back", async () => {
  expect(sessions().map(({ scope, mode, local, remote }) => ({ scope, mode, local, remote }))).toEqual([
    { scope: "endToEnd", mode: "seamless", local: US, remote: "fd00::c" },
    { scope: "firstHop", mode: "single-hop", local: US, remote: ROUTER },
  ]);
  network.passes = (from) => from !== ROUTER;
  await comes(() => expect(sink.told.at(-1)).toBe("fibre down"));
  expect(sink.why.get("fibre")).toMatch(/^first hop: BFD detection-expired/);
  expect(watch.status("fibre")!.detectedInMs).toBeGreaterThan(100);
  await comes(() => expect(sink.told.at(-1)).toBe("fibre up"));
  expect(sink.why.get("fibre")).toMatch(/^end to end: .* although the first hop is down/);
  expect(watch.status("fibre")).toMatchObject({ downs: 1 });
});

test("what dies behind the first hop takes the path down, and it stays so", async () => {
  network.passes = (_from, to) => to !== "fd00::c";
  await comes(() => expect(sink.told.at(-1)).toBe("fibre down"));
  expect(sink.why.get("fibre")).toMatch(/^end to end: BFD detection-expired/);
  expect(sessions().map(({ liveness }) => liveness)).toEqual(["down", "up"]);
  network.passes = () => true;
  await comes(() => expect(sink.told.at(-1)).toBe("fibre up"));
});

test("with another endpoint the session from end to end goes there, and what the first one proved is forgotten", async () => {
  network.passes = (_from, to) => to !== "fd00::c";
  await comes(() => expect(sink.told.at(-1)).toBe("fibre down"));
  watch.setEndpoint("fibre", SECOND);
  expect(sink.told.at(-1)).toBe("fibre unknown");
  await comes(() => expect(sink.told.at(-1)).toBe("fibre up"));
  expect(sessions()[0]!.remote).toBe("fd00::d");
  expect(sessions()[1]!.liveness).toBe("up");
});

test("the speaker's figures stand in the status", async () => {
  await watch.refresh();
  const [endToEnd, firstHop] = sessions();
  expect(endToEnd!.report).toMatchObject({ state: "up", remoteState: null, transmitIntervalMs: 100 });
  expect(firstHop!.report).toMatchObject({ state: "up", remoteState: "up", detectionTimeMs: 150 });
});

test("what watching cost is handed on once, also when the speaker was there before and goes on", async () => {
  const before = carried();
  await comes(() => expect(carried()).toBeGreaterThan(before + 5000));
  await watch.stop();
  const first = sink.bytes.get("fibre")!;
  expect(first).toBeGreaterThan(1000);
  sink = new RecordingSink();
  watch = (await PathWatch.start({ config, sink, clock, log: silentLog }))!;
  cleanUps.push(() => watch.stop());
  const again = carried();
  await comes(() => expect(carried()).toBeGreaterThan(again + 5000));
  await watch.stop();
  expect(sink.bytes.get("fibre")).toBeGreaterThan(1000);
  expect(first + sink.bytes.get("fibre")!).toBeLessThanOrEqual(carried());
});

test("a first hop that was dead before this gateway came is outlived all the same", async () => {
  network.passes = (from) => from !== ROUTER;
  await comes(() => expect(sink.told.slice(-2)).toEqual(["fibre down", "fibre up"]));
  await watch.stop();
  sink = new RecordingSink();
  watch = (await PathWatch.start({ config, sink, clock, log: silentLog }))!;
  cleanUps.push(() => watch.stop());
  // What the far end proves may be known before the speaker has said a word about the first hop.
  await comes(() => {
    expect(sink.told.at(-1)).toBe("fibre up");
    expect(sink.why.get("fibre")).toMatch(/although the first hop is down/);
  });
});

test("a first hop that was outlived does not take the path down when the collector says goodbye", async () => {
  network.passes = (from) => from !== ROUTER;
  await comes(() => expect(sink.told.slice(-2)).toEqual(["fibre down", "fibre up"]));
  served.disabled = true;
  await comes(() => expect(sink.told.at(-1)).toBe("fibre unknown"));
  served.disabled = false;
  await comes(() => expect(sink.told.at(-1)).toBe("fibre up"));
  expect(watch.status("fibre")!.downs).toBe(1);
});

test("an endpoint that BFD cannot go to is not watched, and leaves the decision to the receipts", async () => {
  watch.setEndpoint("fibre", "https://collector.example:9");
  expect(sink.told.at(-1)).toBe("fibre unknown");
  expect(sessions()[0]).toMatchObject({ remote: null, why: expect.stringMatching(/^not watched at https:/) });
  watch.setEndpoint("fibre", "https://192.0.2.1:9");
  expect(sessions()[0]!.why).toMatch(/^not watched at https:\/\/192/);
  watch.setEndpoint("fibre", FIRST);
  await comes(() => expect(sink.told.at(-1)).toBe("fibre up"));
});

test("loss from end to end is handed on", async () => {
  let count = 0;
  network.passes = (_from, to) => to !== "fd00::c" || count++ % 3 !== 0;
  await comes(async () => {
    await watch.refresh();
    expect(sessions()[0]!.report!.lossLastMinute).toBeGreaterThan(0.1);
  });
  await watch.stop();
  expect(sink.loss.get("fibre")).toBeGreaterThan(0.1);
});
