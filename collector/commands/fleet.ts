import { formatDuration } from "@paddock/base/duration.ts";
import { print, printJson } from "@paddock/base/printable.ts";
import type { ChainReport, GatewayReport } from "../fleet/fleet-report.ts";
import type { LedgerReport } from "../fleet/ledger-report.ts";
import { askJson } from "../operator/operator-client.ts";
import { CONNECT_HELP, CONNECT_OPTIONS, parseCommandLine, socketOf, type Command } from "./command.ts";

interface FleetAnswer {
  readonly collector: string;
  readonly gateways: readonly GatewayReport[];
  readonly ledger: LedgerReport;
}

export const fleet: Command = {
  name: "fleet",
  usage: "[--config FILE] [--json]",
  summary: "every gateway with a verdict, worst first",
  help: `${CONNECT_HELP}

Ends with 0 when nothing wants attention, 1 when something does, 2 when a gateway contradicts itself or nobody answers.`,
  async run(argv) {
    const parsed = parseCommandLine(argv, CONNECT_OPTIONS);
    const answer = await askJson<FleetAnswer>(await socketOf(parsed), { path: "/v1/fleet" });
    if (parsed.values["json"] === true) printJson(answer);
    else print(`${renderFleet(answer.gateways, Date.now())}\n\n${renderLedger(answer.ledger, Date.now())}`);
    if (answer.gateways.some(({ severity }) => severity === "broken")) return 2;
    const isFine = answer.ledger.damagedPlaces === 0 && answer.gateways.every(({ severity }) => severity === "ok");
    return isFine ? 0 : 1;
  },
};

/** The fleet as text, a paragraph per gateway. */
export function renderFleet(gateways: readonly GatewayReport[], nowMs: number): string {
  if (gateways.length === 0) return "No gateway has enrolled yet.";
  return gateways.map((gateway) => renderGateway(gateway, nowMs)).join("\n\n");
}

function renderLedger({ end, lostRecords, damage, damagedPlaces, scrub }: LedgerReport, nowMs: number): string {
  const last = scrub.completed === null ? "" : `, the last time ${formatDuration(nowMs - scrub.completed)} ago`;
  const looked = `looked through ${scrub.rounds} times${last}; now at ${Math.floor(scrub.share * 100)} %`;
  const severity = damagedPlaces === 0 ? "OK" : "ATTENTION";
  const lines = [`${severity.padEnd(9)} ledger: ${end} records, ${looked}`];
  if (damagedPlaces > 0) {
    lines.push(
      `  ${damagedPlaces} damaged places that are no gateway's batch, ${lostRecords} records of the log lost: \`paddock collector ledger verify\``,
      ...damage.slice(0, SHOWN_MAX).map(({ detail }) => `  ${detail}`),
    );
  }
  return lines.join("\n");
}

/** Damaged places that are spelled out. */
const SHOWN_MAX = 10;

function renderGateway(gateway: GatewayReport, nowMs: number): string {
  const name = gateway.label === "" ? gateway.id.slice(0, 12) : `${gateway.label} (${gateway.id.slice(0, 12)})`;
  const since =
    gateway.lastReceived === null ? "never sent" : `last sent ${formatDuration(nowMs - gateway.lastReceived)} ago`;
  const lines = [
    // A denied gateway is in order, but it is not "ok".
    `${(gateway.state === "denied" ? "denied" : gateway.severity).toUpperCase().padEnd(9)} ${name}: ${gateway.verdict}`,
    `  ${gateway.state}, ${since}`,
  ];
  if (gateway.directive !== null) {
    const { subject, outcome, reason } = gateway.directive;
    lines.push(`  ${subject}: ${outcome}${reason === "" ? "" : `, ${reason}`}`);
  }
  for (const chain of gateway.chains) lines.push(`  ${renderChain(chain)}`);
  for (const { kind, lane, epoch, seq, detail, closed } of gateway.forks) {
    const state = closed === null ? "" : ` (closed: ${closed.why})`;
    lines.push(`  ${kind} at ${lane} epoch ${epoch} seq ${seq}: ${detail}${state}`);
  }
  return lines.join("\n");
}

function renderChain(chain: ChainReport): string {
  const parts = [
    `${chain.lane} epoch ${chain.epoch}: ${chain.batches} batches, ${chain.records} records, ${chain.bytes} bytes`,
    `linked ${chain.linked}`,
  ];
  if (chain.missing > 0) parts.push(`missing ${chain.missing}`);
  if (chain.damaged > 0) parts.push(`damaged here ${chain.damaged}`);
  if (chain.evicted > 0) parts.push(`evicted ${chain.evicted} (${chain.unexplained} unexplained)`);
  if (chain.lossRecords > 0) parts.push(`${chain.lossRecords} loss records over ${chain.lostRecords} records`);
  if (chain.clock !== null) parts.push(`clock ${chain.clock}`);
  if (chain.path !== null) parts.push(`by ${chain.path}`);
  if (chain.delayMs !== null) parts.push(`delay ${formatDuration(Math.max(0, chain.delayMs))}`);
  return parts.join(", ");
}
