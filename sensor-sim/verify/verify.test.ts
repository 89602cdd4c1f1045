import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeGatewayRecord } from "@paddock/wire/gateway-record.ts";
import { FORMAT_GATEWAY } from "@paddock/wire/record.ts";
import { HashTable } from "./hash-table.ts";
import { formatJunit, formatReport, judge, STRICT, type Allowances, type VerifyReport } from "./report.ts";
import { Verification, type VerificationOptions } from "./verify.ts";

const frameOf = (n: number): Buffer => Buffer.from(`frame ${n}`);
const hashOf = (frame: Buffer): string => createHash("sha256").update(frame).digest("hex");

function sentOf(n: number, more: Record<string, unknown> = {}) {
  return {
    n,
    sensor: "unit-0",
    lane: "telemetry",
    source: "[::1]:4000",
    format: 112,
    sha256: hashOf(frameOf(n)),
    atMs: 1000 + n,
    kind: "good",
    expect: "stored",
    outcome: "acknowledged",
    attempts: 1,
    ...more,
  };
}

function loggedOf(n: number, more: Record<string, unknown> = {}) {
  return {
    offset: n,
    received: 1000 + n + 20,
    gateway: "aa",
    lane: "telemetry",
    epoch: 0,
    seq: 0,
    index: n,
    source: "[::1]:4000",
    format: 112,
    at: 1000 + n + 5,
    clock: "synchronised",
    frame: frameOf(n).toString("base64url"),
    ...more,
  };
}

/** Sent ledgers as a run would leave them: with header, endpoint and summary. */
function verify(
  sent: object[],
  log: object[],
  allowed: Partial<Allowances> = {},
  whole = true,
  options: VerificationOptions = {},
): VerifyReport {
  const verification = new Verification({ clockSkewMs: 100, ...options });
  const header = { "paddock-sent": 2, scenario: "test", seed: 1, startedMs: 1000, keyedSensors: ["unit-9"] };
  const summary = { summary: { frames: sent.length } };
  for (const line of [header, { endpoint: "[::1]:4000" }, ...sent, ...(whole ? [summary] : [])])
    verification.sent(JSON.stringify(line));
  for (const line of log) verification.logged(JSON.stringify(line));
  return judge(verification.report(), { ...STRICT, ...allowed });
}

const eviction = (evicted: number, more: Record<string, unknown> = {}) => {
  const { source: _, format: _format, at: _at, frame: _frame, index: _index, ...line } = loggedOf(0, more);
  return { ...line, evicted };
};
const lossRecord = (records: number, more: Record<string, unknown> = {}) =>
  loggedOf(0, {
    format: FORMAT_GATEWAY,
    source: "paddock",
    frame: encodeGatewayRecord({
      kind: "loss",
      reason: "evicted",
      epoch: 0,
      ranges: [[0, 1]],
      records,
      bytes: 100,
    }).toString("base64url"),
    ...more,
  });

describe("verify", () => {
  test("passes when every frame is in the log once", () => {
    const report = verify([sentOf(0), sentOf(1)], [loggedOf(0), loggedOf(1)]);
    expect(report).toMatchObject({
      verdict: "PASS",
      sent: 2,
      received: 2,
      lost: 0,
      duplicate: 0,
      altered: 0,
      reasons: [],
    });
    expect(report.lateMs).toEqual({ p50: 20, p90: 20, p99: 20, max: 20 });
    expect(report.stampedMs).toEqual({ p50: 5, p90: 5, p99: 5, max: 5 });
    expect(formatReport(report)).toMatch(/^PASS: 2 of 2 good frames/);
  });

  test("fails for a frame that was acknowledged and is not there, and names it", () => {
    const report = verify([sentOf(0), sentOf(1)], [loggedOf(0)]);
    expect(report).toMatchObject({ verdict: "FAIL", lost: 1 });
    expect(formatReport(report)).toContain("acknowledged but not in the log: frame 1, unit-0");
    expect(verify([sentOf(0), sentOf(1)], [loggedOf(0)], { lost: 1 }).verdict).toBe("PASS");
  });

  test("fails for a frame that is there twice", () => {
    expect(verify([sentOf(0)], [loggedOf(0), loggedOf(0, { offset: 9 })])).toMatchObject({
      verdict: "FAIL",
      duplicate: 1,
      received: 1,
    });
  });

  test.each(["[::1]:4000", "unit-9"])("fails for a record of %s that was never sent", (source) => {
    expect(verify([sentOf(0)], [loggedOf(0), loggedOf(5, { source })])).toMatchObject({ verdict: "FAIL", altered: 1 });
  });

  test("does not mind what other sensors send", () => {
    expect(verify([sentOf(0)], [loggedOf(0), loggedOf(5, { source: "[::1]:1" })])).toMatchObject({
      verdict: "PASS",
      foreign: 1,
    });
  });

  test("fails for a bad frame that was stored, and for one that was acknowledged", () => {
    const bad = sentOf(1, { kind: "malformed-cbor", expect: "refused", outcome: "refused", code: "4.00" });
    expect(verify([sentOf(0), bad], [loggedOf(0), loggedOf(1)])).toMatchObject({
      verdict: "FAIL",
      refusedButStored: 1,
    });
    expect(verify([sentOf(0), bad], [loggedOf(0)]).verdict).toBe("PASS");
    const taken = { ...bad, outcome: "acknowledged" };
    expect(verify([sentOf(0), taken], [loggedOf(0)])).toMatchObject({ verdict: "FAIL", badAcknowledged: 1 });
  });

  test("fails for a good frame that was refused for no reason, not for one under pressure", () => {
    const refused = { expect: "refused", outcome: "refused" };
    expect(verify([sentOf(0, { ...refused, code: "4.00" })], [])).toMatchObject({ verdict: "FAIL", goodRefused: 1 });
    const report = verify([sentOf(0, { ...refused, code: "5.03" }), sentOf(1)], [loggedOf(1)]);
    expect(report).toMatchObject({ verdict: "PASS", turnedAway: 1, lost: 0 });
    const turnedAway = sentOf(0, { ...refused, code: "4.29" });
    expect(verify([turnedAway, sentOf(1)], [loggedOf(1)], { turnedAway: 0 }).verdict).toBe("FAIL");
  });

  test("fails for a missing frame that nobody answered, unless the network may lose so many", () => {
    const sent = [sentOf(0, { expect: "maybe", outcome: "sent" }), sentOf(1)];
    expect(verify(sent, [loggedOf(1)])).toMatchObject({ verdict: "FAIL", unconfirmed: 1, lost: 0 });
    expect(verify(sent, [loggedOf(1)], { unconfirmed: 1 }).verdict).toBe("PASS");
    expect(verify(sent, [loggedOf(0), loggedOf(1)])).toMatchObject({ verdict: "PASS", unconfirmed: 0, received: 2 });
  });

  test("fails for a run of which nothing arrived, unless asked to pass", () => {
    const lost = sentOf(0, { expect: "maybe", outcome: "timed-out" });
    const any = { unconfirmed: Number.POSITIVE_INFINITY };
    const report = verify([lost], [], any);
    expect(report.reasons).toEqual(["None of the frames is in the log, so nothing is proven."]);
    expect(verify([lost], [loggedOf(5, { source: "[::1]:1" })], any).verdict).toBe("FAIL");
    expect(verify([lost], [], { ...any, nothing: true }).verdict).toBe("PASS");
  });

  test.each([
    ["another sensor", { source: "[::1]:4001" }],
    ["a keyed sensor", { source: "unit-9" }],
    ["another lane", { lane: "bulk" }],
    ["another format", { format: 113 }],
  ])("fails for a frame that stands under %s", (_, place) => {
    expect(verify([sentOf(0)], [loggedOf(0, place)])).toMatchObject({ verdict: "FAIL", misfiled: 1, received: 1 });
  });

  test("takes the endpoint of a relay in place of the sensor's when told to, and no keyed sensor's name", () => {
    const relayed = (source: string) => verify([sentOf(0)], [loggedOf(0, { source })], {}, true, { relayed: true });
    expect(relayed("[fd00::1]:9").verdict).toBe("PASS");
    expect(relayed("unit-9")).toMatchObject({ verdict: "FAIL", misfiled: 1 });
    const keyed = sentOf(0, { source: "unit-9" });
    const log = [loggedOf(0, { source: "[fd00::1]:9" })];
    expect(verify([keyed], log, {}, true, { relayed: true })).toMatchObject({ verdict: "FAIL", misfiled: 1 });
  });

  test("takes records of an older run, which have the same bytes, for no proof and no duplicate", () => {
    const older = loggedOf(0, { received: 899 });
    expect(verify([sentOf(0)], [older])).toMatchObject({ verdict: "FAIL", older: 1, received: 0, lost: 1 });
    expect(verify([sentOf(0)], [older, loggedOf(0)])).toMatchObject({ verdict: "PASS", older: 1, duplicate: 0 });
    expect(verify([sentOf(0)], [older], {}, true, { clockSkewMs: 101 })).toMatchObject({ verdict: "PASS", older: 0 });
  });

  test.each(["damaged", "lost", "undecodable"])("fails for records that the log calls %s", (word) => {
    const { frame: _, source: _source, format: _format, ...line } = loggedOf(1);
    expect(verify([sentOf(0)], [loggedOf(0), { ...line, [word]: 3 }])).toMatchObject({ verdict: "FAIL", damaged: 3 });
  });

  test("fails for lines that it cannot read, and for frames that the summary counts and the ledger lacks", () => {
    const { frame: _, ...line } = loggedOf(1);
    expect(verify([sentOf(0)], [loggedOf(0), line])).toMatchObject({ verdict: "FAIL", unreadableLines: 1 });
    const short = [sentOf(0), { summary: { frames: 2 } }];
    expect(verify(short, [loggedOf(0)], {}, false)).toMatchObject({ verdict: "FAIL", complete: false });
  });

  test("refuses a ledger of another version", () => {
    const ledger = new Verification();
    expect(() => ledger.sent(JSON.stringify({ "paddock-sent": 1 }))).toThrow(/version 1, this program reads version 2/);
  });

  test("counts a replayed frame once, whichever of its lines comes first", () => {
    const original = sentOf(0);
    const replay = sentOf(1, {
      sha256: hashOf(frameOf(0)),
      kind: "replay",
      expect: "maybe",
      outcome: "refused",
      code: "4.01",
    });
    for (const sent of [
      [original, replay],
      [replay, original],
    ]) {
      expect(verify(sent, [loggedOf(0)])).toMatchObject({ verdict: "PASS", received: 1 });
      expect(verify(sent, [loggedOf(0), loggedOf(0)])).toMatchObject({ verdict: "FAIL", duplicate: 1 });
      expect(verify(sent, [])).toMatchObject({ verdict: "FAIL", lost: 1 });
    }
  });

  test("accounts for evicted frames of the lane, by line or by loss record, once", () => {
    const sent = [sentOf(0), sentOf(1)];
    expect(verify(sent, [loggedOf(0), eviction(1)])).toMatchObject({
      verdict: "PASS",
      lost: 0,
      accounted: 1,
      evicted: 1,
    });
    expect(verify(sent, [loggedOf(0), lossRecord(1)])).toMatchObject({ verdict: "PASS", lost: 0, accounted: 1 });
    expect(verify([...sent, sentOf(2)], [loggedOf(2), eviction(1), lossRecord(1)])).toMatchObject({
      verdict: "FAIL",
      lost: 1,
      accounted: 1,
      evicted: 1,
    });
    expect(verify(sent, [loggedOf(0), eviction(1)], { accounted: 0 }).verdict).toBe("FAIL");
  });

  test.each([
    ["in another lane", { lane: "bulk" }],
    ["of a gateway that has none of our frames", { gateway: "bb" }],
    ["received before the run", { received: 899 }],
    ["sealed before the run", { at: 899 }],
  ])("does not take an eviction %s for the reason why a frame is missing", (_, of) => {
    const sent = [sentOf(0), sentOf(1)];
    for (const given of [{ ...eviction(1), clock: "synchronised", at: 1500, ...of }, lossRecord(1, of)]) {
      expect(verify(sent, [loggedOf(0), given])).toMatchObject({ verdict: "FAIL", lost: 1, accounted: 0 });
    }
  });

  test("proves nothing from an empty or a broken ledger", () => {
    expect(verify([], []).verdict).toBe("FAIL");
    expect(verify([sentOf(0)], [loggedOf(0)], {}, false)).toMatchObject({ verdict: "FAIL", complete: false });
    expect(verify([sentOf(0)], [loggedOf(0)], { incomplete: true }, false).verdict).toBe("PASS");
    const verification = new Verification();
    verification.sent("{");
    verification.logged("[]");
    expect(judge(verification.report(), STRICT).unreadableLines).toBe(2);
  });

  test("holds a limit on lateness", () => {
    expect(verify([sentOf(0)], [loggedOf(0)], { lateP99Ms: 19 }).verdict).toBe("FAIL");
    expect(verify([sentOf(0)], [loggedOf(0)], { lateP99Ms: 20 }).verdict).toBe("PASS");
    const { received: _, ...timeless } = loggedOf(0);
    expect(verify([sentOf(0)], [timeless], { lateP99Ms: 20 }).verdict).toBe("FAIL");
  });

  test("tells JUnit which promise broke", () => {
    const xml = formatJunit(verify([sentOf(0)], [loggedOf(0), loggedOf(0)]), STRICT);
    expect(xml).toContain('tests="7" failures="2"');
    expect(xml).toContain('name="nothing is twice in the log"><failure message="1 duplicates"/>');
  });
});

test("the hash table is a set with dense indexes", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(300), { maxLength: 3000, size: "max" }), (values) => {
      const table = new HashTable(4);
      const indexes = new Map<number, number>();
      for (const value of values) {
        const hash = createHash("sha256").update(String(value)).digest();
        const known = indexes.get(value);
        expect(table.find(hash)).toBe(known ?? -1);
        const index = table.add(hash);
        expect(index).toBe(known ?? indexes.size);
        indexes.set(value, index);
      }
      expect(table.size).toBe(indexes.size);
    }),
  );
});
