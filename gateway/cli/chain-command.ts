import { join } from "node:path";
import { systemClock } from "@paddock/base/clock.ts";
import { PaddockError } from "@paddock/base/errors.ts";
import { formatRanges } from "@paddock/base/ranges.ts";
import { print, printJson } from "@paddock/base/printable.ts";
import type { ChainReport, ChainSelection } from "../status/chain-report.ts";
import { askGateway } from "../status/status-client.ts";
import type { GatewayConfig } from "../config.ts";
import { plural } from "./format.ts";
import { ASKING, configOf, parseOptions, socketOf, wholeNumber, type Command } from "./options.ts";

/** Breaks that the text names; `--json` has more. */
const BREAKS_SHOWN = 10;

export const chainCommand: Command = {
  summary: "Verify hashes, links and signatures of the stored chains",
  help: `paddock gateway chain verify [--lane NAME] [--from SEQ] [--to SEQ] [--config FILE | --socket PATH] [--json]
  Asks the running gateway; reads the data directory itself, and changes nothing there, when none runs.
  Exit code: 0 the chains hold, 2 they do not.
`,
  async run(args) {
    const { values, positionals } = parseOptions(
      args,
      { ...ASKING, lane: { type: "string" }, from: { type: "string" }, to: { type: "string" } },
      1,
    );
    if (positionals[0] !== "verify")
      throw new PaddockError("USAGE", "The only thing to do with a chain is to verify it.");
    const selection: ChainSelection = {
      lane: values.lane,
      from: wholeNumber(values.from, "from"),
      to: wholeNumber(values.to, "to"),
    };
    const { reports, damage } = await verify(values, selection);
    if (values.json === true) printJson(reports);
    else print(formatChains(reports));
    for (const detail of damage) process.stderr.write(`damaged: ${detail}\n`);
    return damage.length === 0 && reports.every(({ broken }) => broken === 0) ? 0 : 2;
  },
};

interface Verification {
  readonly reports: readonly ChainReport[];
  /** Sentences about what belongs to no batch. */
  readonly damage: readonly string[];
}

async function verify(
  values: { readonly config?: string | undefined; readonly socket?: string | undefined },
  selection: ChainSelection,
): Promise<Verification> {
  try {
    const given = Object.fromEntries(Object.entries(selection).filter(([, value]) => value !== undefined));
    const reports = await askGateway<"chain">(await socketOf(values), { get: "chain", ...given });
    return { reports, damage: [] };
  } catch (error) {
    const nobodyThere = error instanceof PaddockError && error.code === "STATUS_UNREACHABLE";
    if (!nobodyThere || values.socket !== undefined) throw error;
    return verifyOffline(await configOf(values), selection);
  }
}

/** Looks into the store of a gateway that does not run, and changes nothing there. Throws STORE_LOCKED when it does. */
async function verifyOffline(config: GatewayConfig, selection: ChainSelection): Promise<Verification> {
  const { ChainStore } = await import("@paddock/store/chain-store.ts");
  const { verifyChains } = await import("../status/chain-report.ts");
  const { defaultKeyFile, readIdentity } = await import("@paddock/wire/identity-file.ts");
  const path = config.identity.keyFile ?? defaultKeyFile(config.dataDir);
  const identity = await readIdentity(path);
  if (identity === undefined) {
    const remedy = "Bring back the key file: without it nobody can say whose chains these are.";
    throw new PaddockError("IDENTITY_UNREADABLE", `${path} does not exist.`, { remedy });
  }
  const store = await ChainStore.open({
    directory: join(config.dataDir, "store"),
    ...config.store,
    arrivalLog: false,
    clock: systemClock,
    readOnly: true,
  });
  try {
    const reports = await verifyChains(store, identity.publicKey, selection);
    // What has no seq is in no report of a chain.
    return { reports, damage: store.damage().flatMap(({ seq, detail }) => (seq === undefined ? [detail] : [])) };
  } finally {
    await store.close();
  }
}

export function formatChains(reports: readonly ChainReport[]): string {
  if (reports.length === 0) return "Nothing is stored yet.\n";
  const broken = reports.reduce((sum, report) => sum + report.broken, 0);
  const batches = reports.reduce((sum, report) => sum + report.batches, 0);
  const verdict =
    broken === 0
      ? `All ${plural(batches, "batch", "batches")} hold: hashes, links and signatures.\n`
      : `${plural(broken, "break")} in ${plural(batches, "batch", "batches")}.\n`;
  return verdict + reports.map(formatChain).join("");
}

function formatChain(report: ChainReport): string {
  const lines = [
    `\n${report.lane}, epoch ${report.epoch}: ${plural(report.batches, "batch", "batches")}, ${plural(report.records, "record")}`,
    `  stored   seq ${report.held.length === 0 ? "none" : formatRanges(report.held)}`,
    `  head     ${report.headHash ?? "none"}`,
  ];
  if (report.evicted.length > 0)
    lines.push(`  evicted  seq ${formatRanges(report.evicted)}; headers hold, loss records say why`);
  for (const { seq, fault, expected, found } of report.breaks.slice(0, BREAKS_SHOWN)) {
    lines.push(`  broken   seq ${seq}: ${fault}, expected ${expected}, found ${found}`);
  }
  if (report.broken > BREAKS_SHOWN) lines.push(`  broken   ${plural(report.broken - BREAKS_SHOWN, "break")} more`);
  return `${lines.join("\n")}\n`;
}
