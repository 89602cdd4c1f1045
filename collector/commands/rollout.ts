import { readFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import { parseDurationMs } from "@paddock/base/duration.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { print, printJson } from "@paddock/base/printable.ts";
import { askJson } from "../operator/operator-client.ts";
import type { RolloutReport } from "../rollout/report.ts";
import {
  CONNECT_HELP,
  CONNECT_OPTIONS,
  parseCommandLine,
  requiredOption,
  socketOf,
  textOption,
  wholeOption,
  type Command,
  type Parsed,
} from "./command.ts";

const VERBS = ["start", "status", "pause", "resume", "stop"];
const STRING = { type: "string" } as const;
const OPTIONS = {
  ...CONNECT_OPTIONS,
  change: STRING,
  release: STRING,
  version: STRING,
  manifest: STRING,
  rings: STRING,
  failures: STRING,
  within: STRING,
  gateways: STRING,
} as const;

export const rollout: Command = {
  name: "rollout",
  usage: "start|status|pause|resume|stop [--config FILE] [--json]",
  summary: "change the configuration of gateways, or update them, ring after ring",
  help: `  start --change FILE     lays the JSON in FILE over the configuration of each gateway, in place of the change before
  start --release URL --version X.Y.Z --manifest FILE
                          has each gateway install the release whose manifest is FILE
  --rings LIST            gateways that have it when a ring is complete, by number or share (1,5%,25%,100%)
  --failures N            how many may refuse it or go back before all of it stops (0)
  --within DURATION       after which a ring goes on without those that were not heard of (1h)
  --gateways ID,ID        only these, in this order; otherwise all that are approved, by lot
  pause, resume           gives nothing out meanwhile; what was given out goes on
${CONNECT_HELP}

Ends with 0 while all goes well, 1 when it stopped or a gateway failed.`,
  async run(argv) {
    const parsed = parseCommandLine(argv, OPTIONS, [1, 1]);
    const verb = parsed.positionals[0]!;
    if (!VERBS.includes(verb))
      throw new PaddockError("USAGE", `${JSON.stringify(verb)} is none of ${VERBS.join(", ")}.`);
    const socket = await socketOf(parsed);
    const request =
      verb === "status"
        ? ({ path: "/v1/rollout" } as const)
        : ({
            method: "POST",
            path: verb === "start" ? "/v1/rollout" : `/v1/rollout/${verb}`,
            ...(verb === "start" ? { body: await orderOf(parsed) } : {}),
          } as const);
    const report = await askJson<RolloutReport | null>(socket, request);
    if (parsed.values["json"] === true) printJson(report);
    else print(report === null ? "There was no rollout yet." : render(report));
    return report !== null && (report.phase === "stopped" || report.failed > 0) ? 1 : 0;
  },
};

async function orderOf(parsed: Parsed): Promise<Record<string, unknown>> {
  const change = textOption(parsed, "change");
  const url = textOption(parsed, "release");
  if ((change === undefined) === (url === undefined)) {
    throw new PaddockError("USAGE", "start takes --change FILE, or --release URL with --version and --manifest.");
  }
  const what =
    change === undefined
      ? {
          release: {
            url,
            version: requiredOption(parsed, "version"),
            manifestSha256: createHash("sha256")
              .update(await contentOf(requiredOption(parsed, "manifest")))
              .digest("hex"),
          },
        }
      : { document: (await contentOf(change)).toString("utf8") };
  const within = textOption(parsed, "within");
  const withinMs = within === undefined ? undefined : parseDurationMs(within);
  if (withinMs?.ok === false) throw new PaddockError("USAGE", `--within: ${withinMs.detail}`);
  const gateways = textOption(parsed, "gateways")?.toLowerCase().split(",");
  return {
    ...what,
    rings: textOption(parsed, "rings"),
    failures: wholeOption(parsed, "failures"),
    withinMs: withinMs?.value,
    gateways,
  };
}

async function contentOf(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new PaddockError("USAGE", `${path} cannot be read: ${messageOf(error)}.`, { cause: error });
  }
}

function render(report: RolloutReport): string {
  const { subject, phase, why, ring, rings, applied, failed, waiting, gateways } = report;
  const lines = [
    `${subject}: ${phase}${why === "" ? "" : `, ${why}`}`,
    `  ring ${ring + 1} of ${rings.length} (${rings.join(", ")} gateways); applied ${applied}, failed ${failed}, open ${waiting}`,
  ];
  for (const { id, label, offered, outcome, reason } of gateways) {
    const state = outcome ?? (offered ? "not heard of" : "not its turn");
    const name = label === "" ? id.slice(0, 12) : `${label} (${id.slice(0, 12)})`;
    lines.push(`  ${name}: ${state}${reason === "" ? "" : `, ${reason}`}`);
  }
  return lines.join("\n");
}
