import { describe, expect, test } from "vitest";
import { gatewayStatus } from "../testing/status-fixture.ts";
import { judge } from "../status/verdict.ts";
import { formatBuffer } from "./buffer-command.ts";
import { formatChains } from "./chain-command.ts";
import { formatBytes, formatCount, formatTable, plural } from "./format.ts";
import { formatSender, formatSenders } from "./sensors-command.ts";
import { formatStatus } from "./status-command.ts";
import { formatUplinks } from "./uplinks-format.ts";

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [999.6, "1 kB"],
  [1500, "1.5 kB"],
  [12_345_678, "12.3 MB"],
  [1_073_741_824, "1.07 GB"],
  [999_600_000, "1 GB"],
  [5e15, "5000 TB"],
])("%d bytes are %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));

test("counts, plurals and tables", () => {
  expect(formatCount(41_220.4)).toBe("41,220");
  expect([plural(1, "frame"), plural(2, "batch", "batches")]).toEqual(["1 frame", "2 batches"]);
  expect(
    formatTable([
      ["a", "bb"],
      ["ccc", ""],
    ]),
  ).toBe("a    bb\nccc\n");
});

describe("what the commands print", () => {
  test("status: the verdict first, then the problems with the next command, then the details", () => {
    const status = gatewayStatus({ uplinks: { enrolment: "pending" } });
    const lines = formatStatus(status, judge(status)).split("\n");
    expect(lines[0]).toMatch(/^Buffering: waiting for the collector's operator/);
    expect(lines[1]).toMatch(/^ {2}attention: /);
    expect(lines[2]).toBe(`    next: paddock collector approve ${status.id}`);
    expect(lines).toContain("alarm      1,000      996           4        500 B  open");
    expect(lines).toContain("fibre  active  healthy   4.2 ms      preferred and sound");
  });

  test("uplinks: every path, and the switches with their reason", () => {
    const one = { agoS: 90, from: "fibre", to: "lte", why: "its watcher says so", detectedInMs: 152, framesResent: 31 };
    const text = formatUplinks(gatewayStatus({ uplinks: { switches: [one] } }));
    expect(text).toContain("\nfibre\n  role          active, healthy: preferred and sound\n");
    expect(text).toContain("1 min 30 s ago  fibre to lte  detected in 152 ms  31 resent  its watcher says so");
  });

  test("buffer: what waits, since when and by which clock, and what was evicted", () => {
    const report = {
      ...gatewayStatus().buffer,
      pendingRecords: 600,
      drainRecordsPerS: 10,
      committedBytesPerS: 1000,
      acknowledgedRecordsPerS: 20,
      stalledBy: null,
      writtenBytesPerDay: 2e9,
      chains: [
        {
          lane: "telemetry" as const,
          epoch: 0,
          headSeq: 41,
          headHash: "ab",
          held: [[0, 41]] as const,
          evicted: [[0, 3]] as const,
          acknowledged: [],
          bytes: 16_000,
          records: 900,
          pendingBytes: 9000,
          pendingRecords: 600,
          oldestPending: { seq: 4, wallMs: 1_000_000, clock: 1 as const },
        },
      ],
    };
    const text = formatBuffer(report, 1_061_000);
    expect(text).toMatch(/^50 kB of 1 GB used; 600 records wait for a receipt; empty in about 1 min 0 s\.\n/);
    expect(text).toMatch(
      /telemetry {2}0 {6}41 {4}16 kB {2}600 {6}1 min 1 s \(clock not synchronised\) {2}seq 0\.\.3\n/,
    );
  });

  test("chain verify: one sentence, then each break", () => {
    const report = {
      lane: "alarm" as const,
      epoch: 0,
      batches: 3,
      records: 9,
      held: [[0, 2]] as const,
      headHash: "ff",
      evicted: [],
      trimmed: [],
      breaks: [],
      broken: 0,
    };
    expect(formatChains([])).toBe("Nothing is stored yet.\n");
    expect(formatChains([report])).toMatch(/^All 3 batches hold: hashes, links and signatures\.\n/);
    const broken = { seq: 1, fault: "link" as const, expected: "aa", found: "bb" };
    expect(formatChains([{ ...report, breaks: [broken], broken: 12 }])).toMatch(
      /^12 breaks in 3 batches\.\n[^]*broken {3}seq 1: link, expected aa, found bb\n[^]*broken {3}2 breaks more\n/,
    );
  });

  test("sensors: who, when, and why somebody was refused", () => {
    const sender = {
      sender: "thermo-7",
      known: true,
      keyed: true,
      lane: "alarm" as const,
      addresses: ["2001:db8::7"],
      frames: 1200,
      bytes: 90_000,
      duplicates: 2,
      gaps: 3,
      sequence: 1203,
      lastSeenUs: 58_000_000,
      lastFrameUs: 57_000_000,
      refusedBy: { tag: 4 },
      lastRefusal: "tag" as const,
      lastRefusalDetail: "The tag does not verify.",
    };
    expect(formatSenders([sender], 60_000_000)).toMatch(
      /^1 sender, 0 of them unknown\.\n\n.*\nthermo-7 {2}keyed {2}2\.0 s ago {2}1,200 {3}2 {7}3 {5}4 tag\n$/,
    );
    expect(formatSender(sender, 60_000_000)).toContain("last refusal  The tag does not verify.\n");
    expect(formatSender(sender, 60_000_000)).toContain("sequence      1203, 3 passed over\n");
  });
});
