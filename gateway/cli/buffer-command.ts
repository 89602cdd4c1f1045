import { formatDuration } from "@paddock/base/duration.ts";
import { formatRanges } from "@paddock/base/ranges.ts";
import { print, printJson } from "@paddock/base/printable.ts";
import type { BufferReport } from "../status/buffer-report.ts";
import { askGateway } from "../status/status-client.ts";
import { formatBytes, formatCount, formatTable, plural } from "./format.ts";
import { ASKING, parseOptions, socketOf, type Command } from "./options.ts";

const CLOCK_WORDS = ["clock unset", "clock not synchronised", "clock synchronised"] as const;

export const bufferCommand: Command = {
  summary: "Show what the store holds, lane by lane",
  help: `paddock gateway buffer [--config FILE | --socket PATH] [--json]
`,
  async run(args) {
    const { values } = parseOptions(args, ASKING);
    const report = await askGateway<"buffer">(await socketOf(values), { get: "buffer" });
    if (values.json === true) printJson(report);
    else print(formatBuffer(report, Date.now()));
    return report.stalledBy === null ? 0 : 1;
  },
};

export function formatBuffer(report: BufferReport, nowMs: number): string {
  const { pendingRecords, drainRecordsPerS } = report;
  const eta =
    drainRecordsPerS > 0 && pendingRecords > 0
      ? `; empty in about ${formatDuration((pendingRecords / drainRecordsPerS) * 1000)}`
      : "";
  const facts = [
    ["in", `${formatBytes(report.committedBytesPerS)}/s`],
    ["out", `${formatCount(report.acknowledgedRecordsPerS)} records/s acknowledged`],
    ["disk", `${formatBytes(report.freeDiskBytes)} free, ${formatBytes(report.minFreeBytes)} kept free`],
    [
      "wear",
      report.writtenBytesPerDay === null ? "unknown" : `${formatBytes(report.writtenBytesPerDay)}/day at this rate`,
    ],
  ];
  const chains = report.chains.map((chain) => [
    chain.lane,
    String(chain.epoch),
    chain.headSeq === null ? "-" : String(chain.headSeq),
    formatBytes(chain.bytes),
    formatCount(chain.pendingRecords),
    chain.oldestPending === null
      ? "-"
      : `${formatDuration(Math.max(0, nowMs - chain.oldestPending.wallMs))} (${CLOCK_WORDS[chain.oldestPending.clock]})`,
    chain.evicted.length === 0 ? "none" : `seq ${formatRanges(chain.evicted)}`,
  ]);
  return [
    `${formatBytes(report.usedBytes)} of ${formatBytes(report.maxBytes)} used; ${plural(pendingRecords, "record")} wait for a receipt${eta}.\n`,
    report.stalledBy === null ? "" : `Stalled: ${report.stalledBy}\n`,
    "\n",
    formatTable(facts),
    "\n",
    formatTable([["lane", "epoch", "head", "bytes", "waiting", "oldest waiting", "evicted"], ...chains]),
  ].join("");
}
