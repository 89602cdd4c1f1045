import { beforeEach, expect, test } from "vitest";
import { VirtualClock, type Timer } from "@paddock/base/clock.ts";
import { accept, refuse } from "@paddock/base/outcome.ts";
import { until } from "@paddock/base/testing/until.ts";
import { generateIdentity } from "@paddock/wire/identity.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import type { Receipt } from "@paddock/wire/receipt.ts";
import type { ForwardReport } from "./forward-state.ts";
import { Forwarder, type ForwarderOptions } from "./forwarder.ts";
import type { LinkFailure, OpenedLink } from "./ports.ts";
import { MemorySource } from "./testing/memory-source.ts";
import { ToldLink } from "./testing/told-link.ts";

/* What the machine decides is carried out: over links that do as they are told, in a time that stands still. */

const FIBRE = { name: "fibre", endpoint: "https://[::1]:1", preference: 2 };
const LTE = { name: "lte", endpoint: "https://[::1]:2", preference: 1 };
const FRAME = Buffer.alloc(10);
const MONTH_MS = Date.UTC(2026, 10, 1);

/** Takes only what a timer of Node can be set to, and knows how many are set. */
class CountingClock extends VirtualClock {
  timers = 0;

  override after(delayMs: number, callback: () => void): Timer {
    expect(delayMs).toBeGreaterThanOrEqual(0);
    expect(delayMs).toBeLessThan(2 ** 31);
    this.timers++;
    let set = true;
    const end = (): void => {
      if (set) this.timers--;
      set = false;
    };
    const timer = super.after(delayMs, () => {
      end();
      callback();
    });
    return {
      cancel: () => {
        end();
        timer.cancel();
      },
    };
  }
}

let clock: CountingClock;
let source: MemorySource;
let links: Map<string, ToldLink[]>;
let reports: ForwardReport[];

beforeEach(() => {
  clock = new CountingClock();
  source = new MemorySource(generateIdentity());
  links = new Map();
  reports = [];
});

async function start(options: Partial<ForwarderOptions> = {}): Promise<Forwarder> {
  const forwarder = new Forwarder({
    source,
    clock,
    paths: [FIBRE],
    openLink: async ({ name }) => {
      const link = new ToldLink();
      links.set(name, [...(links.get(name) ?? []), link]);
      return accept<OpenedLink>({ link, handshakeMs: 1 });
    },
    onEvent: (report) => reports.push(report),
    ...options,
  });
  forwarder.start();
  await until(() => forwarder.status().active === "fibre");
  return forwarder;
}

const holding = (lane: Lane, ...held: number[]) =>
  ({ lane, epoch: 0, held: held.map((seq) => [seq, seq]), bare: [] }) as unknown as Receipt;
const turn = () => new Promise((resolve) => setImmediate(resolve));
const newest = (path: string) => links.get(path)!.at(-1)!;

test("a path that its watcher calls down has its session ended, with what is under way on it", async () => {
  const forwarder = await start({ paths: [FIBRE, LTE] });
  await until(() => forwarder.status().paths.every(({ session }) => session === "open"));
  source.seal(1, [FRAME]);
  await until(() => newest("fibre").uploads.length === 1);
  forwarder.setLiveness("fibre", "down", { why: "silence", detectedInMs: 900 });
  expect(newest("fibre").closed).toBe(1);
  expect(newest("fibre").uploads[0]!.signal.aborted).toBe(true);
  await until(() => newest("lte").uploads.length === 1);
  expect(forwarder.status().switches[0]).toMatchObject({ from: "fibre", to: "lte", wallMs: clock.wallMs() });
  expect(reports).toContainEqual(expect.objectContaining({ event: "path-switch", to: "lte" }));
});

test("only the newest switches are kept, the newest first", async () => {
  const forwarder = await start({ paths: [FIBRE, LTE] });
  await until(() => forwarder.status().paths.every(({ session }) => session === "open"));
  for (let count = 0; count < 15; count++) {
    forwarder.setLiveness("fibre", "down");
    forwarder.setLiveness("lte", "up");
    await until(() => forwarder.status().active === "lte");
    forwarder.setLiveness("lte", "down");
    forwarder.setLiveness("fibre", "up");
    clock.advance(600_000);
    await until(() => forwarder.status().active === "fibre");
  }
  const { switches } = forwarder.status();
  expect(switches).toHaveLength(20);
  const times = switches.map(({ wallMs }) => wallMs);
  expect(times).toEqual(times.toSorted((a, b) => b - a));
});

test("what a metered path had used before the start counts on, and so do the bytes of its session and its watcher", async () => {
  const metered = { ...FIBRE, metered: { bytesPerMonth: 1_000_000, billingDay: 1, lanes: [0, 1, 2] as const } };
  const usage = { fibre: { monthStartMs: MONTH_MS, bytes: 400_000 } };
  clock = new CountingClock({ wallMs: MONTH_MS + 1000 });
  const forwarder = await start({ paths: [metered], usage });
  expect(forwarder.usage()).toMatchObject({ fibre: { monthStartMs: MONTH_MS, bytes: 400_000 } });
  newest("fibre").bytes = 5000;
  forwarder.addUsage("fibre", 70);
  forwarder.addUsage("nobody", 70);
  expect(forwarder.usage()).toMatchObject({ fibre: { bytes: 405_070 } });
  expect(forwarder.status().paths[0]).toMatchObject({ metered: { usedBytes: 405_070 }, delivered: { bytes: 5000 } });
});

test("a path without a budget is counted, and has no usage to be kept", async () => {
  const forwarder = await start();
  newest("fibre").bytes = 5000;
  expect(forwarder.usage()).toEqual({});
  expect(forwarder.status().paths[0]!.delivered).toEqual({ batches: 0, records: 0, bytes: 5000 });
  forwarder.addUsage("fibre", 10);
  expect(forwarder.usage()).toEqual({});
});

test("whoever asks for a status hears of every byte until then", async () => {
  const metered = { ...FIBRE, metered: { bytesPerMonth: 1_000_000, billingDay: 1, lanes: [0, 1, 2] as const } };
  const forwarder = await start({ paths: [metered] });
  const link = newest("fibre");
  link.bytes = 5000;
  expect(forwarder.status().paths[0]).toMatchObject({ metered: { usedBytes: 5000 }, delivered: { bytes: 5000 } });
  link.bytes = 6000;
  expect(forwarder.status().paths[0]!.delivered.bytes).toBe(6000);
});

test("a stop waits for what is under way no longer than it is told, then ends it", async () => {
  const forwarder = await start();
  source.seal(1, [FRAME]);
  await until(() => newest("fibre").uploads.length === 1);
  let ended = false;
  const stopping = forwarder.stop(5000).then(() => (ended = true));
  clock.advance(4999);
  await new Promise((resolve) => setImmediate(resolve));
  expect([ended, newest("fibre").uploads[0]!.signal.aborted, newest("fibre").closed]).toEqual([false, false, 0]);
  clock.advance(1);
  await stopping;
  expect([newest("fibre").uploads[0]!.signal.aborted, newest("fibre").closed]).toEqual([true, 1]);
});

test("a stop with nothing under way ends at once", async () => {
  const forwarder = await start();
  await forwarder.stop(5000);
  expect([newest("fibre").closed, clock.monotonicUs(), clock.timers]).toEqual([1, 0, 0]);
});

test("a stop ends as soon as the last request has its answer", async () => {
  const forwarder = await start();
  source.seal(1, [FRAME]);
  await until(() => newest("fibre").uploads.length === 1);
  const stopping = forwarder.stop(5000);
  newest("fibre").uploads[0]!.answer(refuse<LinkFailure>("unreachable", "reset"));
  await stopping;
  expect(newest("fibre").closed).toBe(1);
  expect(clock.monotonicUs()).toBe(0);
});

test("a stop waits for every request, and leaves neither a timer nor an ended request to be ended again", async () => {
  const metered = { ...FIBRE, metered: { bytesPerMonth: 1_000_000, billingDay: 1, lanes: [0, 1, 2] as const } };
  const forwarder = await start({ paths: [metered] });
  source.seal(1, [FRAME]);
  source.seal(2, [FRAME]);
  await until(() => newest("fibre").uploads.length === 2);
  let ended = false;
  const stopping = forwarder.stop(5000).then(() => (ended = true));
  const link = newest("fibre");
  link.uploads[0]!.answer(refuse<LinkFailure>("unreachable", "reset"));
  await turn();
  expect([ended, link.closed]).toEqual([false, 0]);
  link.bytes = 700;
  link.uploads[1]!.answer(refuse<LinkFailure>("unreachable", "reset"));
  await stopping;
  expect([link.closed, clock.timers]).toEqual([1, 0]);
  expect(link.uploads[0]!.signal.aborted).toBe(false);
  expect(forwarder.usage()).toMatchObject({ fibre: { bytes: 700 } });
});

test("what a path had used up when an answer came counts before the next request leaves", async () => {
  const metered = { ...FIBRE, metered: { bytesPerMonth: 10_000, billingDay: 1, lanes: [0, 1] as const } };
  const forwarder = await start({ paths: [metered, LTE] });
  await until(() => forwarder.status().paths.every(({ session }) => session === "open"));
  source.seal(1, [FRAME]);
  await until(() => newest("fibre").uploads.length === 1);
  newest("fibre").bytes = 10_000;
  newest("fibre").uploads[0]!.answer({ ok: true, value: { receipt: holding(1, 0), encoded: Buffer.of(1) } });
  await until(() => source.pendingCount() === 0);
  await turn();
  source.seal(1, [FRAME]);
  await until(() => {
    clock.advance(100);
    return newest("fibre").uploads.length + newest("lte").uploads.length === 2;
  });
  expect(newest("fibre").uploads).toHaveLength(1);
});

test("a request whose path was given up while its batches were read is not sent", async () => {
  const forwarder = await start();
  const read = source.read.bind(source);
  const held = Promise.withResolvers<void>();
  source.read = async (...asked) => {
    await held.promise;
    return read(...asked);
  };
  source.seal(1, [FRAME]);
  source.read = read;
  forwarder.updatePath({ ...FIBRE, source: "2001:db8::2" });
  await until(() => links.get("fibre")!.length === 2 && newest("fibre").uploads.length === 1);
  held.resolve();
  await turn();
  expect(links.get("fibre")!.map(({ uploads }) => uploads.length)).toEqual([0, 1]);
});

test("what is told while an event is carried out waits for its end: nothing is sent twice", async () => {
  let moved = false;
  const forwarder = await start({
    paths: [FIBRE, LTE],
    onEvent: (report) => {
      if (moved || report.event !== "path-switch" || report.to !== "lte") return;
      moved = true;
      forwarder.updatePath({ ...LTE, source: "2001:db8::2" });
    },
  });
  await until(() => forwarder.status().paths.every(({ session }) => session === "open"));
  source.seal(1, [FRAME]);
  await until(() => newest("fibre").uploads.length === 1);
  // It moves to the other path, whose session is opened anew before it has left.
  forwarder.setLiveness("fibre", "down");
  await until(() => links.get("lte")!.length === 2 && newest("lte").uploads.length > 0);
  await turn();
  expect(links.get("lte")!.map(({ uploads }) => uploads.length)).toEqual([0, 1]);
});

test("a collector that wants to be left alone for longer than a timer runs is", async () => {
  const forwarder = await start();
  source.seal(1, [FRAME]);
  await until(() => newest("fibre").uploads.length === 1);
  const retryAfterMs = 3e9;
  newest("fibre").uploads[0]!.answer({ ok: false, reason: "busy", detail: "503", retryAfterMs });
  await until(() => reports.some(({ event }) => event === "collector-busy"));
  clock.advance(retryAfterMs - 1);
  await turn();
  expect([newest("fibre").uploads.length, forwarder.status().busyForMs]).toEqual([1, 1]);
  clock.advance(1);
  await until(() => newest("fibre").uploads.length === 2);
  // The only switch is the first one: other reports are none.
  expect(forwarder.status().switches).toEqual([expect.objectContaining({ event: "path-switch", to: "fibre" })]);
});

test("the collector is asked for directives over the path that carries traffic, once there is one", async () => {
  const link = new ToldLink();
  link.directive = async () => accept(Buffer.from("told")) as never;
  const opening = Promise.withResolvers<void>();
  const forwarder = new Forwarder({
    source,
    clock,
    paths: [FIBRE],
    openLink: async () => {
      await opening.promise;
      return accept<OpenedLink>({ link, handshakeMs: 1 });
    },
  });
  forwarder.start();
  expect(await forwarder.directive()).toBeUndefined();
  opening.resolve();
  await until(() => forwarder.status().active === "fibre");
  expect(await forwarder.directive()).toEqual(accept(Buffer.from("told")));
});

test("another source address ends the session and opens one from there; an unknown path is a mistake of the caller's", async () => {
  const forwarder = await start();
  const [first] = links.get("fibre")!;
  forwarder.updatePath({ ...FIBRE, source: "2001:db8::2" });
  expect(first!.closed).toBe(1);
  await until(() => links.get("fibre")!.length === 2);
  expect(forwarder.pathConfig("fibre")).toMatchObject({ source: "2001:db8::2" });
  expect(forwarder.status().paths[0]).toMatchObject({ source: "2001:db8::2" });
  expect(() => forwarder.pathConfig("nobody")).toThrow(new RangeError("no path is named nobody"));
  expect(() => forwarder.updatePath(LTE)).toThrow(RangeError);
});

test("a session that is lost costs its path something when a request was under way, and nothing when none was", async () => {
  const forwarder = await start();
  const penalty = () => forwarder.status().paths[0]!.flapPenalty;
  newest("fibre").gone("reset");
  expect(penalty()).toBe(0);
  await until(() => {
    clock.advance(1000);
    return links.get("fibre")!.length === 2;
  });
  source.seal(1, [FRAME]);
  await until(() => newest("fibre").uploads.length === 1);
  newest("fibre").gone("reset");
  expect(penalty()).toBeGreaterThan(0);
});

test("a collector that names a time is given that time", async () => {
  await start();
  source.seal(1, [FRAME]);
  await until(() => newest("fibre").uploads.length === 1);
  newest("fibre").uploads[0]!.answer({ ok: false, reason: "busy", detail: "503", retryAfterMs: 7000 });
  await until(() => reports.some(({ event }) => event === "collector-busy"));
  expect(reports).toContainEqual({ event: "collector-busy", detail: "503", retryInMs: 7000 });
});

test("what a receipt names is counted as delivered, by batches and by the records in them", async () => {
  const forwarder = await start();
  source.seal(1, [FRAME, FRAME]);
  await until(() => newest("fibre").uploads.length === 1);
  const held = { lane: 1, epoch: 0, held: [[0, 0]], bare: [] } as unknown as Receipt;
  newest("fibre").uploads[0]!.answer({ ok: true, value: { receipt: held, encoded: Buffer.of(1) } });
  await until(() => source.pendingCount() === 0);
  expect(forwarder.status().paths[0]!.delivered).toMatchObject({ batches: 1, records: 2 });
});

test("a receipt that could not be made durable stops its chain, says so, and counts for nothing; the batch goes out again", async () => {
  const forwarder = await start();
  const acknowledge = source.acknowledge.bind(source);
  source.acknowledge = () => Promise.reject(new Error("EIO"));
  source.seal(1, [FRAME]);
  await until(() => newest("fibre").uploads.length === 1);
  const held = { lane: 1, epoch: 0, held: [[0, 0]], bare: [] } as unknown as Receipt;
  newest("fibre").uploads[0]!.answer({ ok: true, value: { receipt: held, encoded: Buffer.of(1) } });
  await until(() => reports.some(({ event }) => event === "chain-stopped"));
  expect(reports).toContainEqual(
    expect.objectContaining({
      event: "chain-stopped",
      failure: "not-durable",
      detail: expect.stringContaining("EIO") as string,
    }),
  );
  expect(source.pendingCount()).toBe(1);
  expect(forwarder.status().chains.find(({ lane }) => lane === "telemetry")!.stoppedWhy).toContain("EIO");
  source.acknowledge = acknowledge;
  clock.advance(1000);
  await until(() => newest("fibre").uploads.length === 2);
  newest("fibre").uploads[1]!.answer({ ok: true, value: { receipt: held, encoded: Buffer.of(1) } });
  await until(() => source.pendingCount() === 0);
  await until(() => reports.some(({ event }) => event === "chain-resumed"));
});
