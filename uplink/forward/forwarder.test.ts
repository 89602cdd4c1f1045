import { contains, countOf } from "@paddock/base/ranges.ts";
import { until } from "@paddock/base/testing/until.ts";
import { generateIdentity } from "@paddock/wire/identity.ts";
import { UPLOAD_BATCHES_MAX } from "@paddock/wire/limits.ts";
import { afterEach, describe, expect, test } from "vitest";
import { collectorLinks, type CollectorLinkOptions } from "./collector-link.ts";
import type { ForwardReport, ForwardSettings } from "./forward-state.ts";
import { Forwarder } from "./forwarder.ts";
import type { PathConfig } from "../paths/path-config.ts";
import { FakeCollector } from "./testing/fake-collector.ts";
import { MemorySource } from "./testing/memory-source.ts";
import { selfSigned } from "@paddock/base/testing/self-signed.ts";
import { TcpRelay } from "./testing/tcp-relay.ts";

const FRAME = Buffer.alloc(100, 7);
const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function startCollector(options: ConstructorParameters<typeof FakeCollector>[0] = {}): Promise<FakeCollector> {
  const collector = new FakeCollector(options);
  await collector.listen();
  closers.push(() => collector.stop());
  return collector;
}

async function startRelay(collector: FakeCollector): Promise<TcpRelay> {
  const relay = new TcpRelay(() => collector.port);
  await relay.listen();
  closers.push(() => relay.close());
  return relay;
}

function startForwarder(
  source: MemorySource,
  collector: FakeCollector,
  paths: readonly PathConfig[],
  more: {
    settings?: Partial<ForwardSettings>;
    link?: Partial<CollectorLinkOptions>;
    enrolment?: () => Uint8Array;
  } = {},
) {
  const reports: ForwardReport[] = [];
  const { settings, link, ...rest } = more;
  const forwarder = new Forwarder({
    source,
    paths,
    openLink: collectorLinks({ publicKey: collector.identity.publicKeyRaw, identity: source.identity, ...link }),
    onEvent: (report) => reports.push(report),
    ...(settings === undefined ? {} : { settings }),
    ...rest,
  });
  forwarder.start();
  closers.push(() => forwarder.stop(200));
  return { forwarder, reports };
}

function newSource(batches = 0): MemorySource {
  const source = new MemorySource(generateIdentity());
  for (let batch = 0; batch < batches; batch++) source.seal(1, [FRAME, FRAME]);
  return source;
}

function fibre(endpoint: string): PathConfig {
  return { name: "fibre", endpoint, preference: 100 };
}

function lte(endpoint: string): PathConfig {
  return { name: "lte", endpoint, preference: 10 };
}

/** Small requests, so that a short backlog takes many of them. */
const SMALL = { requestBytesMax: 4096, requestBytesMin: 4096 };

describe("delivery", () => {
  test("backlog and live batches of every lane arrive, compressed, and every receipt is taken", async () => {
    const collector = await startCollector();
    const source = newSource(200);
    source.seal(0, [FRAME]);
    source.seal(2, [FRAME]);
    const { forwarder } = startForwarder(source, collector, [fibre(collector.endpoint)]);
    await until(() => source.pendingCount() === 0, "the backlog is acknowledged");
    expect(collector.uploads[0]!.lane).toBe(0);
    expect(collector.uploads.some((upload) => upload.encoding === "zstd")).toBe(true);
    source.seal(1, [FRAME]);
    await until(() => source.pendingCount() === 0, "the live batch is acknowledged");
    expect(collector.heldOf(source.identity.id, 1)).toEqual([[0, 200]]);
    const [path] = forwarder.status().paths;
    expect(path).toMatchObject({
      role: "active",
      standing: "healthy",
      session: "open",
      delivered: { batches: 203, records: 403 },
    });
    expect(path!.delivered.bytes).toBeGreaterThan(1000);
    expect(collector.repeated).toBe(0);
  });

  test("live batches overtake the backlog, and the gap is filled", async () => {
    const collector = await startCollector();
    collector.delayMs = 5;
    const source = newSource(400);
    startForwarder(source, collector, [fibre(collector.endpoint)], { settings: { ...SMALL, requestTargetMs: 1 } });
    await until(() => collector.uploads.length > 3, "the drain began");
    const live = source.seal(1, [FRAME]);
    const held = () => collector.heldOf(source.identity.id, 1);
    await until(() => contains(held(), live), "the live batch is held");
    expect(countOf(held())).toBeLessThan(401);
    await until(() => source.pendingCount() === 0, "the rest follows");
    expect(held()).toEqual([[0, 400]]);
  });

  test("no request has more batches than a receipt can speak of", async () => {
    const collector = await startCollector();
    const source = newSource();
    for (let batch = 0; batch < 2 * UPLOAD_BATCHES_MAX + 1; batch++) source.seal(1, [Buffer.alloc(1)]);
    const large = { requestBytesMin: 1 << 20, requestBytesMax: 1 << 20 };
    startForwarder(source, collector, [fibre(collector.endpoint)], { settings: large });
    await until(() => source.pendingCount() === 0, "the backlog is acknowledged");
    const counts = collector.uploads.map(({ first, last }) => last - first + 1);
    expect(Math.max(...counts)).toBe(UPLOAD_BATCHES_MAX);
  });

  test("stop waits for what is in flight and starts nothing new", async () => {
    const collector = await startCollector();
    collector.delayMs = 50;
    const source = newSource(10);
    const { forwarder } = startForwarder(source, collector, [fibre(collector.endpoint)]);
    await until(() => forwarder.status().paths[0]!.requestsInFlight > 0, "something is in flight");
    const stopped = forwarder.stop(5000);
    source.seal(1, [FRAME]);
    await stopped;
    expect(source.backlog()[0]!.pending).toEqual([[10, 10]]);
  });

  test("an ingress that speaks only HTTP/1.1 will do", async () => {
    const collector = await startCollector({ allowHttp2: false });
    const source = newSource(300);
    const { reports } = startForwarder(source, collector, [fibre(collector.endpoint)], { settings: SMALL });
    await until(() => source.pendingCount() === 0, "all is acknowledged");
    expect(new Set(collector.uploads.map((upload) => upload.httpVersion))).toEqual(new Set(["1.1"]));
    await collector.stop();
    source.seal(1, [FRAME]);
    await until(() => reports.some((report) => report.event === "session-lost"), "the loss is noticed");
    await collector.listen();
    await until(() => source.pendingCount() === 0, "it goes on after a restart");
  });
});

describe("a path that cannot work says why, since when, and what to do", () => {
  test("an endpoint with a path in its URL: every request is answered 404, and another path carries", async () => {
    const collector = await startCollector();
    const source = newSource(20);
    const paths = [fibre(`${collector.endpoint}/api`), lte(collector.endpoint)];
    const { forwarder } = startForwarder(source, collector, paths);
    await until(() => source.pendingCount() === 0, "the other path brings everything");
    const [wrong, right] = forwarder.status().paths;
    expect(wrong!.trouble).toMatchObject({ why: expect.stringContaining("answers every request with 404") });
    expect(wrong!.trouble!.remedy).toContain("take /api out of the endpoint");
    expect(wrong!.trouble!.forMs).toBeGreaterThanOrEqual(0);
    expect(right!.trouble).toBeUndefined();
  });

  test("the same is known while there is nothing to send, where the gateway asks to be enrolled", async () => {
    const collector = await startCollector();
    const paths = [fibre(`${collector.endpoint}/api`)];
    const { forwarder } = startForwarder(newSource(), collector, paths, { enrolment: () => new Uint8Array([1]) });
    await until(() => forwarder.status().paths[0]!.trouble !== undefined, "the trouble is known");
    expect(forwarder.status().paths[0]!.trouble!.why).toContain("404");
  });

  test("nobody listens, or the source is not on the machine; and it is over when the collector is there", async () => {
    const collector = await startCollector();
    const { endpoint } = collector;
    await collector.stop();
    const paths = [fibre(endpoint), { ...lte(endpoint), source: "2001:db8:ffff::1" }];
    const { forwarder } = startForwarder(newSource(), collector, paths);
    const troubles = () => forwarder.status().paths.map(({ trouble }) => trouble?.why ?? "");
    await until(() => troubles().every((why) => why !== ""), "both are known");
    expect(troubles()[0]).toContain("nothing listens at [::1]");
    expect(troubles()[1]).toContain("2001:db8:ffff::1 is on no interface");
    await collector.listen();
    await until(() => troubles()[0] === "", "the first works");
    expect(troubles()[1]).not.toBe("");
  });
});

describe("failover", () => {
  test("a path cut in mid-flight: the rest goes over the next one, nothing is lost or skipped", async () => {
    const collector = await startCollector();
    collector.delayMs = 5;
    const first = await startRelay(collector);
    const second = await startRelay(collector);
    const source = newSource(600);
    const { forwarder, reports } = startForwarder(source, collector, [fibre(first.endpoint), lte(second.endpoint)], {
      settings: SMALL,
    });
    await until(() => forwarder.status().paths[1]!.session === "open", "the standby is warm");
    await until(
      () =>
        collector.uploads.some((upload) => upload.path === "fibre") &&
        forwarder.status().paths[0]!.requestsInFlight > 0,
      "the drain runs over the first path",
    );
    first.cut();
    await until(() => source.pendingCount() === 0, "all is acknowledged");
    expect(collector.heldOf(source.identity.id, 1)).toEqual([[0, 599]]);
    expect(new Set(collector.uploads.map((upload) => upload.path))).toEqual(new Set(["fibre", "lte"]));
    const moved = reports.filter((report) => report.event === "path-switch").find((report) => report.from === "fibre");
    expect(moved).toMatchObject({ to: "lte" });
    expect(moved!.framesResent).toBeGreaterThan(0);
  });

  test("a silent path is left as soon as its watcher says so, not after a time-out", async () => {
    const collector = await startCollector();
    const first = await startRelay(collector);
    const second = await startRelay(collector);
    const source = newSource();
    const { forwarder } = startForwarder(source, collector, [fibre(first.endpoint), lte(second.endpoint)], {
      settings: { stallMs: 600_000 },
    });
    await until(() => forwarder.status().paths.every((path) => path.session === "open"), "both sessions are open");
    await until(() => forwarder.status().active === "fibre", "the preferred path carries");
    forwarder.setLiveness("fibre", "up");
    first.silence();
    source.seal(1, [FRAME]);
    await until(() => forwarder.status().paths[0]!.requestsInFlight > 0, "the batch is in flight");
    // Reading it from memory takes some microtasks.
    await new Promise((resolve) => setImmediate(resolve));
    forwarder.setLiveness("fibre", "down", { why: "control time expired", detectedInMs: 150 });
    await until(() => source.pendingCount() === 0, "the batch arrives over the other path");
    expect(collector.uploads.at(-1)!.path).toBe("lte");
    const [moved] = forwarder.status().switches;
    expect(moved).toMatchObject({ from: "fibre", to: "lte", detectedInMs: 150, framesResent: 1 });
  });

  test("a path that swallows everything is left by the watchdog, without a watcher", async () => {
    const collector = await startCollector();
    const first = await startRelay(collector);
    const second = await startRelay(collector);
    const source = newSource();
    const { forwarder, reports } = startForwarder(source, collector, [fibre(first.endpoint), lte(second.endpoint)], {
      settings: { stallMs: 100 },
    });
    await until(() => forwarder.status().active === "fibre" && forwarder.status().standby === "lte", "both are open");
    first.silence();
    source.seal(1, [FRAME]);
    await until(() => source.pendingCount() === 0, "the batch arrives");
    const steps = reports.filter((report) => report.event === "stalled").map((report) => report.step);
    // A machine that stands still for longer than `stallMs` may see one more.
    expect(steps.slice(0, 2)).toEqual(["lane", "path"]);
  });

  test("a dead session is noticed while idle", async () => {
    const collector = await startCollector();
    const relay = await startRelay(collector);
    const source = newSource();
    const { forwarder, reports } = startForwarder(source, collector, [fibre(relay.endpoint)], {
      link: { keepAliveMs: 50, connectTimeoutMs: 200 },
    });
    await until(() => forwarder.status().active === "fibre", "the session is open");
    relay.silence();
    await until(() => reports.some((report) => report.event === "session-lost"), "the ping goes unanswered");
    relay.heal();
    await until(() => forwarder.status().active === "fibre", "the session is open again");
  });
});

describe("the collector", () => {
  test("restarts: the forwarder connects again and goes on", async () => {
    const collector = await startCollector();
    collector.delayMs = 5;
    const source = newSource(500);
    startForwarder(source, collector, [fibre(collector.endpoint)], { settings: SMALL });
    await until(() => collector.uploads.length > 5, "the drain runs");
    await collector.stop();
    for (let batch = 0; batch < 50; batch++) source.seal(1, [FRAME]);
    await collector.listen();
    await until(() => source.pendingCount() === 0, "all is acknowledged");
    expect(collector.heldOf(source.identity.id, 1)).toEqual([[0, 549]]);
  });

  test("says goodbye in order: it is no failure of the path, and the forwarder comes back", async () => {
    const collector = await startCollector();
    const source = newSource();
    const { forwarder, reports } = startForwarder(source, collector, [fibre(collector.endpoint)]);
    await until(() => forwarder.status().active === "fibre" && collector.sessionCount === 1, "the session is open");
    collector.sayGoodbye();
    await until(() => reports.some((report) => report.event === "session-retiring"), "the goodbye is heard");
    expect(reports.find((report) => report.event === "session-retiring")).toMatchObject({
      detail: expect.stringContaining("GOAWAY 0"),
    });
    source.seal(1, [FRAME]);
    await until(() => source.pendingCount() === 0, "a new session carries on");
    expect(forwarder.status().paths[0]).toMatchObject({ flapPenalty: 0, standing: "healthy" });
  });

  test("behind an ingress that ends each session after some requests: nothing moves, nothing is sent twice", async () => {
    const collector = await startCollector();
    collector.recycleAfter = 5;
    collector.delayMs = 5;
    const source = newSource(300);
    const paths = [fibre(collector.endpoint), lte(collector.endpoint)];
    const { forwarder, reports } = startForwarder(source, collector, paths, { settings: SMALL });
    for (let batch = 0; batch < 100; batch++) {
      source.seal(1, [FRAME]);
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    await until(() => source.pendingCount() === 0, "all is acknowledged");
    const retired = reports.filter((report) => report.event === "session-retiring" && report.path === "fibre");
    expect(retired.length).toBeGreaterThan(3);
    expect(reports.filter((report) => report.event === "path-switch" && report.from === "fibre")).toEqual([]);
    expect(forwarder.status().paths[0]).toMatchObject({ flapPenalty: 0, standing: "healthy", role: "active" });
    expect(collector.repeated).toBe(0);
  });

  test("behind an ingress that speaks HTTP/1.1 alone and ends each connection after some requests: nothing moves", async () => {
    const collector = await startCollector({ allowHttp2: false });
    collector.recycleAfter = 5;
    collector.delayMs = 5;
    const source = newSource(300);
    const paths = [fibre(collector.endpoint), lte(collector.endpoint)];
    const { forwarder, reports } = startForwarder(source, collector, paths, { settings: SMALL });
    await until(() => forwarder.status().active === "fibre", "the preferred path carries");
    for (let batch = 0; batch < 100; batch++) {
      source.seal(1, [FRAME]);
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    await until(() => source.pendingCount() === 0, "all is acknowledged");
    expect(collector.uploads.filter(({ path }) => path === "fibre").length).toBeGreaterThan(30);
    expect(reports.filter((report) => report.event === "path-switch" && report.from === "fibre")).toEqual([]);
    expect(reports.filter((report) => report.event === "session-lost")).toEqual([]);
    expect(forwarder.status().paths[0]).toMatchObject({ flapPenalty: 0, standing: "healthy", role: "active" });
    expect(collector.repeated).toBe(0);
  });

  test("behind one that ends idle connections of HTTP/1.1: nothing moves, and the next batch finds a connection", async () => {
    const collector = await startCollector({ allowHttp2: false });
    const source = newSource();
    const paths = [fibre(collector.endpoint), lte(collector.endpoint)];
    const { forwarder, reports } = startForwarder(source, collector, paths);
    await until(() => forwarder.status().paths.every(({ session }) => session === "open"), "both are open");
    for (let round = 0; round < 8; round++) {
      source.seal(1, [FRAME]);
      await until(() => source.pendingCount() === 0, "the batch is acknowledged");
      if (round % 4 === 0) collector.endConnections();
    }
    expect(reports.filter((report) => report.event === "path-switch" && report.from === "fibre")).toEqual([]);
    expect(reports.filter((report) => report.event === "session-lost")).toEqual([]);
    expect(forwarder.status().paths[0]).toMatchObject({ flapPenalty: 0, standing: "healthy", role: "active" });
  });

  test("a gateway that forgot its receipts gets them by asking, and sends nothing twice", async () => {
    const collector = await startCollector();
    const source = newSource(100);
    const first = startForwarder(source, collector, [fibre(collector.endpoint)]);
    await until(() => source.pendingCount() === 0, "all is acknowledged");
    await first.forwarder.stop();
    source.forgetReceipts();
    expect(source.pendingCount()).toBe(100);
    const uploads = collector.uploads.length;
    startForwarder(source, collector, [fibre(collector.endpoint)]);
    await until(() => source.pendingCount() === 0, "the receipts are back");
    expect(collector.uploads.length).toBe(uploads);
    expect(collector.queries.at(-1)).toBe("telemetry/0");
  });

  test.each([
    [429, "1"],
    [503, "1"],
    [507, undefined],
  ])("answers %i: it is left alone, then gets everything", async (status, retryAfter) => {
    const collector = await startCollector();
    let refusals = 0;
    collector.mood = () => {
      if (++refusals > 1) return undefined;
      return { status, ...(retryAfter === undefined ? {} : { headers: { "retry-after": retryAfter } }) };
    };
    const source = newSource(20);
    const { reports } = startForwarder(source, collector, [fibre(collector.endpoint)], {
      settings: { busyRetry: { firstMs: 50, capMs: 100 } },
    });
    await until(() => source.pendingCount() === 0, "all is acknowledged");
    const busy = reports.filter((report) => report.event === "collector-busy");
    expect(busy).toHaveLength(1);
    if (retryAfter !== undefined) expect(busy[0]!.retryInMs).toBe(1000);
  });

  test("answers 408 to a body that a slow path did not bring in time: no chain stops for it", async () => {
    const collector = await startCollector();
    let refusals = 0;
    collector.mood = () => (++refusals > 1 ? undefined : { status: 408 });
    const source = newSource(20);
    const { reports } = startForwarder(source, collector, [fibre(collector.endpoint)]);
    await until(() => source.pendingCount() === 0, "all is acknowledged");
    expect(reports.filter((report) => report.event === "chain-stopped")).toEqual([]);
  });

  test("with another key is no collector of ours: nothing is sent, and the path says why", async () => {
    const collector = await startCollector();
    const source = newSource(5);
    const impostor = generateIdentity();
    const { forwarder, reports } = startForwarder(source, collector, [fibre(collector.endpoint)], {
      link: { publicKey: impostor.publicKeyRaw },
    });
    await until(() => reports.some((report) => report.event === "session-failed"), "the path is refused");
    expect(reports[0]).toMatchObject({ event: "session-failed", failure: "identity" });
    expect(forwarder.status().paths[0]!.why).toContain(Buffer.from(collector.identity.publicKeyRaw).toString("hex"));
    expect(collector.uploads).toEqual([]);
    expect(source.pendingCount()).toBe(5);
  });

  test("receipts that another key signed count for nothing", async () => {
    const collector = await startCollector();
    const source = newSource(5);
    collector.signer = generateIdentity();
    const { reports } = startForwarder(source, collector, [fibre(collector.endpoint)]);
    await until(() => reports.some((report) => report.event === "session-failed"), "the receipt is refused");
    expect(source.pendingCount()).toBe(5);
  });

  test("behind an ingress is trusted by certificate authority, name and date", async () => {
    const collector = await startCollector();
    const source = newSource(5);
    const { cert } = selfSigned(collector.identity);
    startForwarder(source, collector, [fibre(collector.endpoint)], { link: { ca: cert } });
    await until(() => source.pendingCount() === 0, "all is acknowledged");
    const other = newSource(5);
    const { reports } = startForwarder(other, collector, [fibre(collector.endpoint)], {
      link: { ca: selfSigned(generateIdentity()).cert },
    });
    await until(() => reports.some((report) => report.event === "session-failed"), "the certificate is refused");
    expect(reports[0]).toMatchObject({ failure: "identity" });
    expect(other.pendingCount()).toBe(5);
  });

  test("is slow: everything arrives, with no more in flight than allowed and without a resend", async () => {
    const collector = await startCollector();
    collector.delayMs = 60;
    const source = newSource(400);
    const { forwarder, reports } = startForwarder(source, collector, [fibre(collector.endpoint)], { settings: SMALL });
    let most = 0;
    await until(() => {
      most = Math.max(most, forwarder.status().paths[0]!.requestsInFlight);
      return source.pendingCount() === 0;
    }, "all is acknowledged");
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(4);
    expect(collector.repeated).toBe(0);
    expect(reports.filter((report) => report.event === "stalled")).toEqual([]);
  });

  test("that holds another header reports a fork; other lanes go on", async () => {
    const collector = await startCollector();
    const source = newSource(5);
    collector.plantFork(source.identity.id, 1, 3);
    source.seal(2, [FRAME]);
    const { forwarder, reports } = startForwarder(source, collector, [fibre(collector.endpoint)]);
    await until(() => reports.some((report) => report.event === "chain-stopped"), "the fork is reported");
    await until(() => source.pendingCount() === 5, "the bulk lane is acknowledged");
    expect(reports.find((report) => report.event === "chain-stopped")).toMatchObject({ lane: 1, failure: "fork" });
    const chains = forwarder.status().chains;
    expect(chains.find((chain) => chain.lane === "telemetry")!.stoppedWhy).toContain("another header is held");
  });

  test("that keeps batches but never answers gets them again, as identical batches", async () => {
    const collector = await startCollector();
    const source = newSource(20);
    let hangs = 2;
    collector.mood = () => (hangs-- > 0 ? { hang: true, keeps: true } : undefined);
    startForwarder(source, collector, [fibre(collector.endpoint)], { settings: { stallMs: 100 } });
    await until(() => source.pendingCount() === 0, "all is acknowledged");
    expect(collector.repeated).toBeGreaterThan(0);
    expect(collector.heldOf(source.identity.id, 1)).toEqual([[0, 19]]);
  });

  test("that does not know the gateway is asked to enrol it", async () => {
    const collector = await startCollector();
    collector.enrolmentStatus = 202;
    const source = newSource(5);
    const { forwarder } = startForwarder(source, collector, [fibre(collector.endpoint)], {
      enrolment: () => Buffer.from("signed request"),
      settings: { enrolRetry: { firstMs: 50, capMs: 50 } },
    });
    await until(() => collector.enrolments > 2, "it keeps asking");
    expect(forwarder.status().enrolment).toBe("pending");
    expect(collector.uploads).toEqual([]);
    collector.enrolmentStatus = 200;
    await until(() => source.pendingCount() === 0, "the operator's yes opens the way");
  });

  test("whose answer is no receipt, or is too long, moves nothing", async () => {
    const collector = await startCollector();
    const source = newSource(5);
    let answers = 0;
    collector.mood = () =>
      ++answers === 1 ? { status: 200, error: "x".repeat(100_000) } : answers === 2 ? { status: 200 } : undefined;
    const { reports } = startForwarder(source, collector, [fibre(collector.endpoint)], {
      settings: { chainRetry: { firstMs: 50, capMs: 50 } },
    });
    await until(() => source.pendingCount() === 0, "all is acknowledged");
    expect(reports.find((report) => report.event === "chain-stopped")).toMatchObject({ failure: "refused" });
  });
});

describe("a collector that wants the key proven", () => {
  test("gets a signature over its challenge, once, and a new one after it restarted", async () => {
    const collector = await startCollector();
    collector.challenge = "AAECAwQF";
    const source = newSource(5);
    startForwarder(source, collector, [fibre(collector.endpoint), lte(collector.endpoint)], {
      settings: { ...SMALL, requestsInFlight: 1 },
    });
    await until(() => source.pendingCount() === 0, "the backlog is acknowledged");
    expect(collector.unproven).toBe(1);
    collector.challenge = "BgcICQoL";
    for (let batch = 0; batch < 3; batch++) {
      source.seal(1, [FRAME]);
      await until(() => source.pendingCount() === 0, "the live batch is acknowledged");
    }
    expect(collector.unproven).toBe(2);
  });

  test("gets it with the first request when the gateway enrolled before", async () => {
    const collector = await startCollector();
    collector.challenge = "AAECAwQF";
    const source = newSource(5);
    startForwarder(source, collector, [fibre(collector.endpoint)], { enrolment: () => Buffer.from("please") });
    await until(() => source.pendingCount() === 0, "the backlog is acknowledged");
    expect([collector.enrolments, collector.unproven]).toEqual([1, 0]);
  });

  test("gets no second try for a challenge that cannot be signed: the chain stops and says so", async () => {
    const collector = await startCollector();
    collector.challenge = "A".repeat(99);
    const source = newSource(5);
    const { reports } = startForwarder(source, collector, [fibre(collector.endpoint)]);
    await until(() => reports.some((report) => report.event === "chain-stopped"), "the chain stops");
    expect(reports.find((report) => report.event === "chain-stopped")).toMatchObject({
      failure: "refused",
      detail: expect.stringContaining("prove-key"),
    });
    expect(source.pendingCount()).toBe(5);
  });

  test("over HTTP/1.1, too", async () => {
    const collector = await startCollector({ allowHttp2: false });
    collector.challenge = "AAECAwQF";
    const source = newSource(5);
    startForwarder(source, collector, [fibre(collector.endpoint)]);
    await until(() => source.pendingCount() === 0, "the backlog is acknowledged");
  });
});

test("a collector that has no room for one chain stops that one; the others go on", async () => {
  const collector = await startCollector();
  collector.mood = ({ lane }) => (lane === 1 ? { status: 422, error: "chain-full" } : undefined);
  const source = newSource(5);
  source.seal(0, [FRAME]);
  source.seal(2, [FRAME]);
  const { reports } = startForwarder(source, collector, [fibre(collector.endpoint)]);
  await until(() => source.pendingCount() === 5, "the other lanes are acknowledged");
  await until(() => reports.some((report) => report.event === "chain-stopped"), "the chain stops");
  expect(reports.map(({ event }) => event)).not.toContain("collector-busy");
  source.seal(0, [FRAME]);
  await until(() => source.pendingCount() === 5, "an alarm goes out while the chain is stopped");
});

test("a claim code that the collector did not take is told with the state of the enrolment", async () => {
  const collector = await startCollector();
  collector.enrolmentStatus = 202;
  collector.claimNotTaken = true;
  const { forwarder, reports } = startForwarder(newSource(1), collector, [fibre(collector.endpoint)], {
    enrolment: () => Buffer.from("please"),
  });
  await until(() => reports.some((report) => report.event === "enrolment"), "the collector answers");
  expect(reports.find((report) => report.event === "enrolment")).toMatchObject({
    state: "pending",
    detail: "the claim code was not taken",
  });
  expect(forwarder.status()).toMatchObject({ enrolment: "pending", claimNotTaken: true });
});

describe("a payload that something on the way takes out", () => {
  test("is noticed and told, and goes over another path", async () => {
    const collector = await startCollector();
    collector.strips = (path) => path === "fibre";
    const source = newSource(5);
    const { reports } = startForwarder(source, collector, [fibre(collector.endpoint), lte(collector.endpoint)]);
    await until(() => source.pendingCount() === 0, "all is acknowledged");
    expect(collector.bareOf(source.identity.id, 1)).toEqual([]);
    expect(reports.find((report) => report.event === "session-failed")).toMatchObject({
      path: "fibre",
      failure: "stripped",
      detail: expect.stringContaining("did not reach the collector"),
    });
  });

  test("is kept while there is no other path, and the path says why", async () => {
    const collector = await startCollector();
    collector.strips = () => true;
    const source = newSource(5);
    const retry = { firstMs: 20, capMs: 20 };
    const { forwarder, reports } = startForwarder(source, collector, [fibre(collector.endpoint)], {
      settings: { identityRetry: retry },
    });
    const failures = () => reports.filter((report) => report.event === "session-failed").length;
    await until(() => failures() > 1, "it was tried again");
    expect(source.pendingCount()).toBe(5);
    expect(JSON.stringify(forwarder.status().paths)).toContain("did not reach the collector");
    collector.strips = () => false;
    await until(() => source.pendingCount() === 0, "it arrives once nothing takes it out");
    expect(collector.bareOf(source.identity.id, 1)).toEqual([]);
  });
});

describe("a receipt lets go of nothing when it", () => {
  const other = generateIdentity();
  test.each<[string, FakeCollector["forge"], string]>([
    ["does not name what was sent", (receipt) => ({ ...receipt, held: [] }), "does not name 0"],
    ["is for another gateway", (receipt) => ({ ...receipt, gateway: other.id }), "is for gateway"],
    ["is for another lane", (receipt) => ({ ...receipt, lane: 2 }), "is for bulk/0"],
    ["is for another epoch", (receipt) => ({ ...receipt, epoch: 7 }), "is for telemetry/7"],
  ])("%s", async (_name, forge, why) => {
    const collector = await startCollector();
    collector.forge = forge;
    const source = newSource(5);
    for (let batch = 0; batch < 5; batch++) source.seal(2, [FRAME], 7);
    for (let batch = 0; batch < 5; batch++) source.seal(1, [FRAME], 7);
    collector.mood = ({ lane, epoch }) => (lane === 1 && epoch === 0 ? undefined : { status: 400 });
    const { reports } = startForwarder(source, collector, [fibre(collector.endpoint)]);
    const stopped = () =>
      reports.find((report) => report.event === "chain-stopped" && report.lane === 1 && report.epoch === 0);
    await until(() => stopped() !== undefined, "the chain stops");
    expect(stopped()).toMatchObject({ failure: "refused", detail: expect.stringContaining(why) });
    expect(source.pendingCount()).toBe(15);
  });
});

test("a changed source address opens the session anew from there", async () => {
  const collector = await startCollector();
  const source = newSource();
  const { forwarder, reports } = startForwarder(source, collector, [fibre(collector.endpoint)]);
  await until(() => forwarder.status().active === "fibre", "the session is open");
  forwarder.updatePath({ ...fibre(collector.endpoint), source: "2001:db8::1" });
  await until(() => reports.some((report) => report.event === "session-failed"), "that address is not ours");
  forwarder.updatePath({ ...fibre(collector.endpoint), source: "::1" });
  source.seal(1, [FRAME]);
  await until(() => source.pendingCount() === 0, "it works from the new address");
  expect(forwarder.status().paths[0]).toMatchObject({ source: "::1", session: "open" });
});
