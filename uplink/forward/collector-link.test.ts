import { randomBytes } from "node:crypto";
import { generateIdentity } from "@paddock/wire/identity.ts";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { collectorLinks, portOf, type CollectorLinkOptions } from "./collector-link.ts";
import type { CollectorLink, LinkOutcome, VerifiedReceipt } from "./ports.ts";
import { FakeCollector, type Mood } from "./testing/fake-collector.ts";
import { EAGER_STEP_MS } from "./tls-connect.ts";

const gateway = generateIdentity();
const chain = { lane: 1, epoch: 0 } as const;
const never = new AbortController().signal;

let collector: FakeCollector;
let link: CollectorLink;
beforeEach(async () => {
  collector = new FakeCollector();
  await collector.listen();
  link = await linkTo(collector);
});
afterEach(async () => {
  link.close();
  await collector.stop();
});

async function openTo(to: FakeCollector, more: Partial<CollectorLinkOptions> = {}) {
  const open = collectorLinks({ publicKey: to.identity.publicKeyRaw, identity: gateway, ...more });
  return open({ name: "fibre", endpoint: to.endpoint, preference: 1 }, never);
}

async function linkTo(to: FakeCollector, more: Partial<CollectorLinkOptions> = {}): Promise<CollectorLink> {
  const opened = await openTo(to, more);
  if (!opened.ok) throw new Error(opened.detail);
  return opened.value.link;
}

function answered(mood: Mood): Promise<LinkOutcome<VerifiedReceipt>> {
  collector.mood = () => mood;
  return link.upload(chain, Buffer.alloc(0), never);
}

describe("what an answer to an upload means", () => {
  // Whether a path is left, a chain is stopped or the batch just goes out again hangs on these words.
  test.each([
    [400, "refused"],
    [401, "refused"],
    [403, "not-enrolled"],
    [404, "unreachable"],
    [408, "unreachable"],
    [409, "fork"],
    [413, "refused"],
    [422, "refused"],
    [429, "busy"],
    [499, "refused"],
    [500, "busy"],
    [502, "unreachable"],
    [503, "busy"],
    [504, "unreachable"],
    [507, "busy"],
    [201, "refused"],
  ])("%i: %s", async (status, reason) => {
    const outcome = await answered({ status, error: "why" });
    expect(outcome).toEqual({ ok: false, reason, detail: `${status}: why, ` });
  });

  test.each([
    ["0", 0],
    ["7", 7000],
    ["3600", 3_600_000],
    ["3601", 3_600_000],
    ["999999999", 3_600_000],
    ["1234567890", undefined],
    ["1.5", undefined],
    ["-1", undefined],
    ["Wed, 21 Oct 2026 07:28:00 GMT", undefined],
  ])("Retry-After: %s", async (value, retryAfterMs) => {
    const outcome = await answered({ status: 503, headers: { "retry-after": value } });
    expect(outcome).toMatchObject({ ok: false, reason: "busy" });
    expect(outcome.ok ? undefined : outcome.retryAfterMs).toBe(retryAfterMs);
  });

  test.each([
    ["<h1>\u0000Bad\ngateway</h1>", "502: <h1> Bad gateway</h1>"],
    ["", "502: no reason given"],
    [" \n", "502: no reason given"],
    ["null", "502: null"],
    ['{"error":"x"}', '502: {"error":"x"}'],
    ['{"error":"x","message":"why"}', "502: x, why"],
    ["x".repeat(501), `502: ${"x".repeat(500)}`],
  ])("the words of somebody on the way are told as far as they can be shown: %j", async (words, detail) => {
    expect(await answered({ status: 502, words })).toEqual({ ok: false, reason: "unreachable", detail });
  });

  test("no chain there is an answer where the receipt is asked for, not a stranger on the way", async () => {
    const elsewhere = collectorLinks({ publicKey: collector.identity.publicKeyRaw, identity: gateway });
    const opened = await elsewhere({ name: "fibre", endpoint: `${collector.endpoint}/no/such/`, preference: 1 }, never);
    if (!opened.ok) throw new Error(opened.detail);
    expect(await opened.value.link.receipt(chain, never)).toMatchObject({ ok: false, reason: "refused" });
    expect(await opened.value.link.upload(chain, Buffer.alloc(0), never)).toMatchObject({ reason: "unreachable" });
    opened.value.link.close();
  });
});

describe("a receipt counts only when it is", () => {
  const other = generateIdentity();

  test("of the collector, this gateway, this lane and this epoch", async () => {
    expect(await link.receipt(chain, never)).toMatchObject({ ok: true, value: { receipt: { lane: 1, epoch: 0 } } });
  });

  test("that can be read: other bytes are refused, and no reason to doubt who the collector is", async () => {
    collector.mood = () => ({ status: 200, words: "no receipt" });
    expect(await link.upload(chain, Buffer.alloc(0), never)).toMatchObject({
      ok: false,
      reason: "refused",
      detail: expect.stringMatching(/^receipt: /u) as string,
    });
  });

  test("signed by the collector's key", async () => {
    collector.signer = other;
    expect(await link.receipt(chain, never)).toMatchObject({ ok: false, reason: "identity" });
  });

  test.each<[string, FakeCollector["forge"], string]>([
    ["this gateway", (receipt) => ({ ...receipt, gateway: other.id }), "is for gateway"],
    ["this lane", (receipt) => ({ ...receipt, lane: 2 }), "is for bulk/0, not telemetry/0"],
    ["this epoch", (receipt) => ({ ...receipt, epoch: 1 }), "is for telemetry/1, not telemetry/0"],
  ])("for %s", async (_name, forge, why) => {
    collector.forge = forge;
    expect(await link.receipt(chain, never)).toMatchObject({
      ok: false,
      reason: "refused",
      detail: expect.stringContaining(why),
    });
  });
});

describe("a session is not opened, and why is said,", () => {
  test("to a collector with another key", async () => {
    const opened = await openTo(collector, { publicKey: generateIdentity().publicKeyRaw });
    expect(opened).toMatchObject({ ok: false, reason: "identity" });
  });

  test("where nobody listens", async () => {
    await collector.stop();
    expect(await openTo(collector)).toMatchObject({ ok: false, reason: "unreachable" });
  });

  test("with a key of the collector that is none", () => {
    expect(() => collectorLinks({ publicKey: Buffer.alloc(31), identity: gateway })).toThrow(RangeError);
  });
});

test("how long it took to open a session is told in milliseconds", async () => {
  const before = performance.now();
  const opened = await openTo(collector);
  const passed = performance.now() - before;
  if (!opened.ok) throw new Error(opened.detail);
  expect(opened.value.handshakeMs).toBeGreaterThan(0);
  expect(opened.value.handshakeMs).toBeLessThanOrEqual(passed);
  opened.value.link.close();
});

describe("a collector that speaks HTTP/1.1 only", () => {
  let older: FakeCollector;
  beforeEach(async () => {
    older = new FakeCollector({ allowHttp2: false });
    await older.listen();
  });
  afterEach(() => older.stop());

  test("is asked as any other, over several connections at once", async () => {
    const over = await linkTo(older);
    const answers = await Promise.all(Array.from({ length: 3 }, () => over.receipt(chain, never)));
    expect(answers.map(({ ok }) => ok)).toEqual([true, true, true]);
    expect(await over.enrol(Buffer.alloc(0), never)).toMatchObject({ ok: true, value: { state: "approved" } });
    over.close();
  });

  test("and opens no further connection costs the request that needed one, not the session", async () => {
    const over = await linkTo(older);
    older.delayMs = 100;
    const under = over.receipt(chain, never);
    older.refuseFurther();
    const further = await over.receipt(chain, never);
    expect(further).toMatchObject({ ok: false });
    expect(await under).toMatchObject({ ok: true });
    over.close();
  });
});

test("a challenge that comes with the answer to an enrolment is met by the next request", async () => {
  collector.challenge = Buffer.alloc(22, 3).toString("base64url");
  await link.enrol(Buffer.alloc(0), never);
  expect(await link.receipt(chain, never)).toMatchObject({ ok: true });
  expect(collector.unproven).toBe(0);
});

test.each([
  [401, true, 2],
  [403, true, 2],
  [403, false, 1],
  [409, true, 1],
])("an answer of %i, with a challenge: %s, is asked for %i times", async (status, challenges, times) => {
  let asked = 0;
  const challenge = Buffer.alloc(22, 4).toString("base64url");
  collector.mood = () => {
    asked++;
    return { status, error: "why", ...(challenges ? { headers: { "paddock-challenge": challenge } } : {}) };
  };
  expect(await link.upload(chain, Buffer.alloc(0), never)).toMatchObject({ ok: false });
  expect(asked).toBe(times);
});

test("a session that is gone answers nothing, whatever is asked of it", async () => {
  await collector.stop();
  for (const asked of [
    () => link.receipt(chain, never),
    () => link.upload(chain, Buffer.alloc(0), never),
    () => link.enrol(Buffer.alloc(0), never),
    () => link.directive(never),
  ]) {
    const outcome = await asked();
    expect(outcome.ok ? "an answer" : outcome.reason).toMatch(/^(?:unreachable|not-processed)$/u);
  }
});

test("a request that the collector did not look at may go out at once; one that was cut may have been kept", async () => {
  collector.recycleAfter = 1;
  collector.delayMs = 20;
  const [first, second] = await Promise.all([link.receipt(chain, never), link.receipt(chain, never)]);
  expect(first).toMatchObject({ ok: true });
  expect(second).toMatchObject({ ok: false, reason: "not-processed" });

  const cut = await linkTo(collector);
  collector.recycleAfter = Number.POSITIVE_INFINITY;
  collector.mood = () => ({ hang: true, keeps: false });
  const outcome = cut.upload(chain, Buffer.alloc(0), never);
  await collector.stop();
  expect(await outcome).toMatchObject({ ok: false, reason: "unreachable" });
  cut.close();
});

test.each([
  ["a metered path is tested more seldom", 25, 100_000, 0],
  ["or as often as it is told", 100_000, 25, 1],
])("%s", async (_what, keepAliveMs, meteredKeepAliveMs, pinged) => {
  const open = collectorLinks({
    publicKey: collector.identity.publicKeyRaw,
    identity: gateway,
    keepAliveMs,
    meteredKeepAliveMs,
  });
  const metered = { bytesPerMonth: 1e9, billingDay: 1, lanes: [0, 1, 2] as const };
  const plain = { name: "fibre", endpoint: collector.endpoint, preference: 1 };
  const often = [plain, { ...plain, metered }][pinged]!;
  const seldom = [plain, { ...plain, metered }][1 - pinged]!;
  const idle = await open(seldom, never);
  const before = collector.pings;
  const asked = await open(often, never);
  await expect.poll(() => collector.pings).toBeGreaterThan(before + 2);
  if (asked.ok) asked.value.link.close();
  await new Promise((resolve) => setImmediate(resolve));
  const after = collector.pings;
  // Only time could tell of a ping that should not come: as much as brought three on the other one.
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(collector.pings).toBeLessThanOrEqual(after + 1);
  if (idle.ok) idle.value.link.close();
});

test("what the collector says of an enrolment", async () => {
  const states = [];
  for (const status of [200, 202, 403, 500]) {
    collector.enrolmentStatus = status;
    collector.claimNotTaken = status === 202;
    states.push(await link.enrol(Buffer.alloc(0), never));
  }
  expect(states).toMatchObject([
    { ok: true, value: { state: "approved", claimNotTaken: false } },
    { ok: true, value: { state: "pending", claimNotTaken: true } },
    { ok: true, value: { state: "denied", claimNotTaken: false } },
    { ok: false, reason: "busy" },
  ]);
});

test.each(["<h1>Created</h1>", "null", "[]", '{"claim":"taken"}'])(
  "an answer to an enrolment whose words are %s counts by its status",
  async (words) => {
    collector.enrolmentText = words;
    const outcome = await link.enrol(Buffer.alloc(0), never);
    expect(outcome).toEqual({ ok: true, value: { state: "approved", claimNotTaken: false } });
  },
);

test("a directive is what comes with 200; there is none with 204, nor at a collector that does not know the place", async () => {
  expect(await link.directive(never)).toEqual({ ok: true, value: undefined });
  collector.directive = Buffer.from("told");
  expect(await link.directive(never)).toEqual({ ok: true, value: Buffer.from("told") });
  collector.directiveStatus = 404;
  expect(await link.directive(never)).toEqual({ ok: true, value: undefined });
  collector.directiveStatus = 503;
  expect(await link.directive(never)).toMatchObject({ ok: false, reason: "busy" });
});

test("what a session costs is its handshake, its bytes and what packets add to them", async () => {
  const used = [link.bytesUsed()];
  for (const bytes of [60_000, 120_000]) {
    collector.mood = () => ({ status: 422 });
    await link.upload(chain, randomBytes(bytes), never);
    used.push(link.bytesUsed());
  }
  expect(used[0]).toBeGreaterThanOrEqual(4000);
  expect(used[0]).toBeLessThan(6000);
  const [less, more] = [used[1]! - used[0]!, used[2]! - used[1]!];
  // 50 packets and 100, each with its headers; what HTTP/2 says besides is little.
  expect(less).toBeGreaterThan(60_000 + 50 * 160);
  expect(less).toBeLessThan(60_000 + 60 * 170 + 1000);
  expect(more).toBeGreaterThan(120_000 + 100 * 160);
  expect(more).toBeLessThan(120_000 + 110 * 170 + 1000);
});

test("a session that carries nothing shows the gateway's key; one that carries something needs no further request", async () => {
  collector.challenge = Buffer.alloc(22, 1).toString("base64url");
  const standby = await linkTo(collector, { proveAfterMs: 0 });
  await expect.poll(() => collector.queries).toEqual(["alarm/0"]);
  expect(collector.unproven).toBe(1);
  standby.close();

  const active = await linkTo(collector, { proveAfterMs: 100 });
  await active.enrol(Buffer.alloc(0), never);
  // This one is due later than the active one was.
  const later = await linkTo(collector, { proveAfterMs: 150 });
  await expect.poll(() => collector.queries).toHaveLength(2);
  expect(collector.unproven).toBe(2);
  later.close();
  active.close();
});

test("the port of a collector is the one of https where its URL names none", () => {
  expect(["https://[::1]", "https://[::1]:443/a", "https://[::1]:8443/a"].map((url) => portOf(new URL(url)))).toEqual([
    443, 443, 8443,
  ]);
});

test("to show the key of a session that carries nothing keeps no process alive", async () => {
  const timers = vi.spyOn(globalThis, "setTimeout");
  const standby = await linkTo(collector, { proveAfterMs: 59_999 });
  const due = timers.mock.calls.findIndex(([, afterMs]) => afterMs === 59_999);
  const timer = timers.mock.results[due]?.value as NodeJS.Timeout;
  timers.mockRestore();
  expect(timer.hasRef()).toBe(false);
  standby.close();
});

test.each([
  [undefined, 0],
  [false, 0],
  [true, 1],
])("a session that is opened in a hurry (%s) begins further attempts beside the first", async (hurry, expected) => {
  const timers = vi.spyOn(globalThis, "setInterval");
  const open = collectorLinks({ publicKey: collector.identity.publicKeyRaw, identity: gateway });
  const opened = await open({ name: "fibre", endpoint: collector.endpoint, preference: 1 }, never, hurry);
  const attempts = timers.mock.calls.filter(([, everyMs]) => everyMs === EAGER_STEP_MS);
  timers.mockRestore();
  expect([opened.ok, attempts.length]).toEqual([true, expected]);
  if (opened.ok) opened.value.link.close();
});
