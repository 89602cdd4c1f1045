import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeGatewayRecord } from "@paddock/wire/gateway-record.ts";
import { FORMAT_GATEWAY } from "@paddock/wire/record.ts";
import { HashTable } from "./hash-table.ts";
import { formatJunit, formatReport, judge, STRICT, type Allowances, type VerifyReport } from "./report.ts";
import { Verification } from "./verify.ts";

const frameOf = (n: number): Buffer => Buffer.from(`frame ${n}`);
const hashOf = (frame: Buffer): string => createHash("sha256").update(frame).digest("hex");

function sentOf(n: number, more: Record<string, unknown> = {}) {
  return {
    n,
    sensor: "unit-0",
    lane: "telemetry",
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
    clock: 2,
    frame: frameOf(n).toString("base64url"),
    ...more,
  };
}

/** Sent ledgers as a run would leave them: with header, endpoint and summary. */
function verify(sent: object[], log: object[], allowed: Partial<Allowances> = {}, whole = true): VerifyReport {
  const verification = new Verification();
  const header = { "paddock-sent": 1, scenario: "test", seed: 1, keyedSensors: ["unit-9"] };
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
    const report = verify([sentOf(0, { ...refused, code: "5.03" })], []);
    expect(report).toMatchObject({ verdict: "PASS", turnedAway: 1, lost: 0 });
    expect(verify([sentOf(0, { ...refused, code: "4.29" })], [], { turnedAway: 0 }).verdict).toBe("FAIL");
  });

  test("leaves open what nobody answered, unless everything is required", () => {
    const silent = sentOf(0, { expect: "maybe", outcome: "sent" });
    expect(verify([silent], [])).toMatchObject({ verdict: "PASS", unconfirmed: 1, lost: 0 });
    expect(verify([silent], [loggedOf(0)])).toMatchObject({ verdict: "PASS", unconfirmed: 0, received: 1 });
    expect(verify([silent], [], { unconfirmed: 0 }).verdict).toBe("FAIL");
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
    expect(verify(sent, [eviction(1), lossRecord(1)])).toMatchObject({
      verdict: "FAIL",
      lost: 1,
      accounted: 1,
      evicted: 1,
    });
    expect(verify(sent, [loggedOf(0), eviction(1, { lane: "bulk" })])).toMatchObject({ verdict: "FAIL", lost: 1 });
    expect(verify(sent, [loggedOf(0), eviction(1)], { accounted: 0 }).verdict).toBe("FAIL");
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
  });

  test("tells JUnit which promise broke", () => {
    const xml = formatJunit(verify([sentOf(0)], [loggedOf(0), loggedOf(0)]), STRICT);
    expect(xml).toContain('tests="5" failures="2"');
    expect(xml).toContain('name="nothing is twice in the log"><failure message="1 duplicates"/>');
  });
});

test("the hash table is a set with dense indexes", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(300), { maxLength: 3000 }), (values) => {
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
