import { formatDuration } from "@paddock/base/duration.ts";
import { PaddockError } from "@paddock/base/errors.ts";
import { nearestName } from "@paddock/base/nearest.ts";
import { print, printJson } from "@paddock/base/printable.ts";
import type { SenderReport } from "../ingest/sensors.ts";
import { askGateway } from "../status/status-client.ts";
import { formatBytes, formatCount, formatTable, plural } from "./format.ts";
import { ASKING, parseOptions, socketOf, type Command } from "./options.ts";

export const sensorsCommand: Command = {
  summary: "Show who sends, and who was refused and why",
  help: `paddock gateway sensors [ID] [--unknown] [--config FILE | --socket PATH] [--json]
  --unknown   only senders that the sensors file does not name
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, { ...ASKING, unknown: { type: "boolean" } }, 1);
    const { nowUs, senders } = await askGateway<"sensors">(await socketOf(values), { get: "sensors" });
    const [id] = positionals;
    if (id !== undefined) {
      const sender = findSender(senders, id);
      if (values.json === true) printJson({ nowUs, senders: [sender] });
      else print(formatSender(sender, nowUs));
      return 0;
    }
    const shown = values.unknown === true ? senders.filter(({ known }) => !known) : senders;
    if (values.json === true) printJson({ nowUs, senders: shown });
    else print(formatSenders(shown, nowUs));
    return 0;
  },
};

function findSender(senders: readonly SenderReport[], id: string): SenderReport {
  const found = senders.find(({ sender }) => sender === id);
  if (found !== undefined) return found;
  const nearest = nearestName(
    id,
    senders.map(({ sender }) => sender),
  );
  throw new PaddockError(
    "USAGE",
    `No sender is called "${id}"${nearest === undefined ? "" : `; did you mean "${nearest}"?`}.`,
  );
}

function ago(us: number | undefined, nowUs: number): string {
  return us === undefined ? "never" : `${formatDuration((nowUs - us) / 1000)} ago`;
}

export function formatSenders(senders: readonly SenderReport[], nowUs: number): string {
  const unknown = senders.filter(({ known }) => !known).length;
  const rows = senders.map((sender) => [
    sender.sender,
    sender.known ? (sender.keyed ? "keyed" : "known") : "unknown",
    ago(sender.lastSeenUs, nowUs),
    formatCount(sender.frames),
    formatCount(sender.duplicates),
    sender.gaps === undefined ? "-" : formatCount(sender.gaps),
    refusals(sender),
  ]);
  const summary = `${plural(senders.length, "sender")}, ${formatCount(unknown)} of them unknown.\n`;
  return rows.length === 0
    ? summary
    : `${summary}\n${formatTable([["sender", "", "last seen", "frames", "copies", "gaps", "refused"], ...rows])}`;
}

export function formatSender(sender: SenderReport, nowUs: number): string {
  return formatTable([
    ["sender", sender.sender],
    ["standing", sender.known ? (sender.keyed ? "known, keyed" : "known, without key") : "unknown"],
    ["lane", sender.lane ?? "as the resource path says"],
    ["addresses", sender.addresses.join(", ") || "any"],
    ["last seen", ago(sender.lastSeenUs, nowUs)],
    ["last frame", ago(sender.lastFrameUs, nowUs)],
    ["frames", `${formatCount(sender.frames)}, ${formatBytes(sender.bytes)}`],
    ["copies", formatCount(sender.duplicates)],
    [
      "sequence",
      sender.sequence === undefined ? "-" : `${sender.sequence}, ${formatCount(sender.gaps ?? 0)} passed over`,
    ],
    ["refused", refusals(sender)],
    ["last refusal", sender.lastRefusalDetail ?? "-"],
  ]);
}

function refusals({ refusedBy }: SenderReport): string {
  const reasons = Object.entries(refusedBy).map(([reason, count]) => `${formatCount(count)} ${reason}`);
  return reasons.length === 0 ? "none" : reasons.join(", ");
}
