import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  CODE_BAD_REQUEST,
  CODE_CHANGED,
  CODE_REQUEST_ENTITY_INCOMPLETE,
  CODE_SERVICE_UNAVAILABLE,
  CODE_TOO_MANY_REQUESTS,
  TYPE_ACK,
} from "@paddock/wire/coap-codes.ts";
import { encodeUintOption, OPTION_MAX_AGE } from "@paddock/wire/coap-options.ts";
import { seededRandom } from "@paddock/base/random.ts";
import { until } from "@paddock/base/testing/until.ts";
import type { SentFrame, SentHeader, SentSummary } from "../ledger/sent-line.ts";
import type { Scenario } from "../scenario/schema.ts";
import { answerByBlock, FakeGateway } from "../testing/fake-gateway.ts";
import { scenarioOf } from "../testing/scenarios.ts";
import { runScenario, type RunOptions } from "./run.ts";

let folder: string;
let gateway: FakeGateway;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "paddock-sim-"));
});

afterEach(() => {
  gateway.close();
  rmSync(folder, { recursive: true });
});

/** Short times, so that every retransmission of RFC 7252 happens within a second. */
const coap = {
  ackTimeout: "20ms",
  ackRandomFactor: 1.5,
  maxRetransmit: 3,
  answerTimeout: "150ms",
  retryWaitMax: "20ms",
  retries: 3,
};
/** Where nobody is silent: nothing is sent twice and nothing given up, however busy the machine. */
const patient = { ...coap, ackTimeout: "10s", answerTimeout: "10s" };

async function run(scenario: Scenario, more: Partial<RunOptions> = {}) {
  const out = join(folder, "sent.ndjson");
  const result = await runScenario({
    scenario,
    scenarioSha256: "00",
    seed: 1,
    target: gateway.target,
    out,
    speed: Number.POSITIVE_INFINITY,
    ...more,
  });
  const lines = readFileSync(out, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  return {
    result,
    header: lines[0] as unknown as SentHeader,
    frames: lines.filter((line) => "sha256" in line) as unknown as SentFrame[],
    endpoints: lines.filter((line) => "endpoint" in line).map((line) => line["endpoint"]),
    summary: lines.at(-1) as unknown as SentSummary,
  };
}

describe("confirmable frames", () => {
  test("are acknowledged, and the ledger tells it", async () => {
    gateway = await FakeGateway.open();
    const { result, header, frames, endpoints, summary } = await run(scenarioOf({}, { coap: patient }));
    expect(result).toMatchObject({ frames: 20, outcomes: { acknowledged: 20 }, wrongAnswers: 0 });
    expect(header).toMatchObject({ "paddock-sent": 2, scenario: "test", seed: 1, clockMs: Date.UTC(2026, 0, 1) });
    expect(frames.map(({ n }) => n).toSorted((left, right) => left - right)).toEqual(
      Array.from({ length: 20 }, (_, n) => n),
    );
    expect(frames.every(({ expect: expected, attempts }) => expected === "stored" && attempts === 1)).toBe(true);
    expect(new Set(endpoints)).toEqual(new Set(gateway.seen.map(({ from }) => from)));
    expect(summary.summary.frames).toBe(20);
  });

  test("are sent again, byte for byte, while the network loses half of the answers and requests", async () => {
    const random = seededRandom(9);
    gateway = await FakeGateway.open(() => (random.float() < 0.5 ? "silence" : { code: CODE_CHANGED }));
    const { result, frames } = await run(scenarioOf({}, { coap }));
    expect(result.datagrams).toBe(gateway.seen.length);
    expect(gateway.seen.length).toBeGreaterThan(20);
    expect(frames.reduce((sum, { attempts }) => sum + attempts, 0)).toBe(gateway.seen.length);
    // A retransmission keeps its Message-ID, token and payload: there are as many different ones as frames.
    const kept = gateway.seen.map(({ message: { messageId, token, payload } }) =>
      [messageId, Buffer.from(token).toString("hex"), Buffer.from(payload).toString("hex")].join(" "),
    );
    expect(new Set(kept).size).toBe(20);
    expect(Math.max(...frames.map(({ attempts }) => attempts))).toBeLessThanOrEqual(4);
  });

  test("of sensors that share a socket never have one Message-ID at once", async () => {
    const sensors = 600;
    const messageIds = new Map<string, number>();
    // Nobody is answered until everybody waits.
    gateway = await FakeGateway.open(({ token, messageId }) => {
      messageIds.set(Buffer.from(token).toString("hex"), messageId);
      return messageIds.size < sensors ? "silence" : { code: CODE_CHANGED };
    });
    const stubborn = { ...coap, ackTimeout: "200ms", maxRetransmit: 8 };
    const crowd = scenarioOf({ count: sensors, cadence: "1s" }, { coap: stubborn });
    const { result, endpoints } = await run(crowd, { sockets: 1 });
    expect(endpoints).toHaveLength(1);
    expect(result.outcomes).toEqual({ acknowledged: sensors });
    expect(new Set(messageIds.values()).size).toBe(sensors);
  });

  test("without any answer time out after the last retransmission and may or may not be stored", async () => {
    gateway = await FakeGateway.open(() => "silence");
    const { frames } = await run(scenarioOf({ count: 1, cadence: "600ms" }, { coap }));
    expect(frames.length).toBeGreaterThan(0);
    for (const frame of frames) expect(frame).toMatchObject({ outcome: "timed-out", expect: "maybe", attempts: 4 });
  });

  test("wait for their turn: one at a time for each endpoint", async () => {
    gateway = await FakeGateway.open((_, index) => (index === 0 ? "silence" : { code: CODE_CHANGED }));
    await run(scenarioOf({ count: 1 }, { coap }));
    // The first was not answered, so nothing else could leave before its retransmission.
    expect(gateway.seen[1]!.message.messageId).toBe(gateway.seen[0]!.message.messageId);
  });

  test("that are told to come back do, with the same content under a new Message-ID", async () => {
    gateway = await FakeGateway.open((_, index) =>
      index < 2
        ? {
            code: index === 0 ? CODE_SERVICE_UNAVAILABLE : CODE_TOO_MANY_REQUESTS,
            options: [{ number: OPTION_MAX_AGE, value: encodeUintOption(1) }],
          }
        : { code: CODE_CHANGED },
    );
    const { frames } = await run(scenarioOf({ count: 1, cadence: "600ms" }, { coap: patient }));
    expect(frames[0]).toMatchObject({ outcome: "acknowledged", expect: "stored", attempts: 3 });
    const [first, second, third] = gateway.seen.map(({ message }) => message);
    expect(new Set([first!.messageId, second!.messageId, third!.messageId]).size).toBe(3);
    expect(Buffer.from(second!.payload).equals(first!.payload)).toBe(true);
    expect(Buffer.from(third!.payload).equals(first!.payload)).toBe(true);
  });

  test("that are turned away to the end were refused, which is no wrong answer", async () => {
    gateway = await FakeGateway.open(() => ({ code: CODE_SERVICE_UNAVAILABLE }));
    const { frames, result } = await run(scenarioOf({ count: 1, cadence: "600ms" }, { coap: patient }));
    expect(frames[0]).toMatchObject({ outcome: "refused", code: "5.03", expect: "refused", attempts: 4 });
    expect(result.wrongAnswers).toBe(0);
  });

  test("take a separate answer and acknowledge it", async () => {
    gateway = await FakeGateway.open(() => ({ code: CODE_CHANGED, separate: true }));
    const { frames } = await run(scenarioOf({ count: 1 }, { coap: patient }));
    expect(frames.every(({ outcome }) => outcome === "acknowledged")).toBe(true);
    expect(gateway.empty.length).toBe(frames.length);
    expect(gateway.empty.every(({ type }) => type === TYPE_ACK)).toBe(true);
  });

  test("take a reset for what it is", async () => {
    gateway = await FakeGateway.open(() => "reset");
    const { frames } = await run(scenarioOf({ count: 1 }, { coap: patient }));
    expect(frames.every(({ outcome, attempts }) => outcome === "reset" && attempts === 1)).toBe(true);
  });

  test("share sockets when there are more sensors than sockets", async () => {
    gateway = await FakeGateway.open();
    const { frames, endpoints } = await run(scenarioOf({ count: 50 }, { coap: patient }), { sockets: 4 });
    expect(endpoints.length).toBe(4);
    expect(frames.length).toBe(500);
    expect(frames.every(({ outcome }) => outcome === "acknowledged")).toBe(true);
  });
});

describe("wrong answers", () => {
  test("are good frames refused and bad ones acknowledged", async () => {
    gateway = await FakeGateway.open((_, index) => ({ code: index < 2 ? CODE_BAD_REQUEST : CODE_CHANGED }));
    const { result } = await run(scenarioOf({ faults: { malformedCbor: 0.5 } }, { coap: patient }));
    expect(result.wrongAnswers).toBeGreaterThan(2);
  });
});

describe("Block1 transfers", () => {
  const fleet = { count: 1, cadence: "300ms", frameBytes: 500, blockBytes: 64 };

  test("go block by block and start over when the gateway has forgotten them", async () => {
    gateway = await FakeGateway.open((request, index) =>
      index === 3 ? { code: CODE_REQUEST_ENTITY_INCOMPLETE } : answerByBlock(request),
    );
    // Starting over waits as long as a first retransmission does.
    const { frames } = await run(scenarioOf(fleet, { coap: { ...patient, ackTimeout: "1s" } }));
    expect(frames[0]).toMatchObject({ outcome: "acknowledged", attempts: 4 + 8 });
    const body = Buffer.concat(gateway.seen.slice(4, 12).map(({ message }) => message.payload));
    expect(body.length).toBe(500);
  });

  test("that are abandoned are told so and wait for nothing", async () => {
    gateway = await FakeGateway.open();
    const { frames } = await run(scenarioOf({ ...fleet, faults: { abandonedBlocks: 1 } }, { coap }));
    expect(frames.length).toBeGreaterThan(0);
    for (const frame of frames) expect(frame).toMatchObject({ outcome: "abandoned", expect: "refused" });
  });
});

describe("non-confirmable frames", () => {
  test("that want an answer and get none may or may not be stored", async () => {
    gateway = await FakeGateway.open((_, index) => (index < 2 ? "silence" : { code: CODE_CHANGED }));
    const { result, frames } = await run(scenarioOf({ message: "non" }, { coap: { ...coap, answerTimeout: "1s" } }));
    expect(result.outcomes).toEqual({ acknowledged: 18, unanswered: 2 });
    expect(frames.every(({ attempts }) => attempts === 1)).toBe(true);
  });

  test("that want none are sent and forgotten, duplicates included", async () => {
    gateway = await FakeGateway.open(() => "silence");
    const { result } = await run(scenarioOf({ message: "non-no-response", faults: { duplicate: 0.5 } }, { coap }));
    expect(result.outcomes).toEqual({ sent: 20 });
    expect(result.datagrams).toBe(20 + (result.kinds["duplicate"] ?? 0));
    expect(result.kinds["duplicate"]).toBeGreaterThan(3);
  });
});

test("a multi-homed frame is acknowledged when one of its copies is", async () => {
  // One of the two addresses is never answered.
  gateway = await FakeGateway.open((_, index) =>
    gateway.seen[index]!.from === gateway.seen[0]!.from ? "silence" : { code: CODE_CHANGED },
  );
  const settings = { ...coap, ackTimeout: "40ms" };
  const { frames } = await run(
    scenarioOf({ count: 1, keyed: true, sources: ["::1", "::1"], cadence: "300ms" }, { coap: settings }),
  );
  expect(frames.length).toBeGreaterThan(2);
  expect(frames.every(({ outcome, attempts }) => outcome === "acknowledged" && attempts > 2)).toBe(true);
});

test("an interrupted run ends soon, with everything that left in its ledger", async () => {
  gateway = await FakeGateway.open();
  const interrupt = new AbortController();
  const running = run(scenarioOf({ cadence: "5ms" }, { coap, duration: "1h" }), { speed: 1, signal: interrupt.signal });
  await until(() => gateway.seen.length >= 10);
  interrupt.abort();
  const { result, frames } = await running;
  expect(result.interrupted).toBe(true);
  expect(frames.length).toBe(gateway.seen.length);
});

test("an interrupted run begins nothing that waited for its turn, and sees through what has left", async () => {
  const interrupt = new AbortController();
  // By the third time that a sensor repeats itself, many frames wait behind the two that are out.
  gateway = await FakeGateway.open((_, index) => {
    if (index >= 6) interrupt.abort();
    return interrupt.signal.aborted ? { code: CODE_CHANGED } : "silence";
  });
  const busy = scenarioOf(
    { cadence: "5ms" },
    { coap: { ...coap, ackTimeout: "100ms", maxRetransmit: 8 }, duration: "1h" },
  );
  const { result } = await run(busy, { speed: 1, signal: interrupt.signal });
  expect(result.outcomes).toEqual({ acknowledged: 2 });
  expect(new Set(gateway.seen.map(({ message }) => message.messageId)).size).toBe(2);
});

test("a source address that is not ours is refused before anything is sent", async () => {
  gateway = await FakeGateway.open();
  await expect(run(scenarioOf({ sources: ["2001:db8::1"] }))).rejects.toMatchObject({ code: "LISTEN_FAILED" });
  expect(gateway.seen).toEqual([]);
});
