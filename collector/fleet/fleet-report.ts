import { formatDuration } from "@paddock/base/duration.ts";
import { countOf } from "@paddock/base/ranges.ts";
import type { ChainSummary } from "@paddock/store/types.ts";
import { laneName, type LaneName } from "@paddock/wire/lanes.ts";
import { chainText, hexOf } from "../chain-name.ts";
import type { Evidence, EvidenceRoom } from "../evidence.ts";
import type { Ledger } from "../ledger.ts";
import { clockName } from "../log/log-line.ts";
import type { Gateway, GatewayRegistry, GatewayState } from "../registry/gateway-registry.ts";
import type { ActivityBook, ChainActivity } from "./activity.ts";
import { ledgerDamage, type LedgerDamage } from "./damage.ts";
import { gapsOfLane, type Gap } from "./missing.ts";
import type { DirectiveTold } from "./told.ts";

export interface ChainReport {
  readonly lane: LaneName;
  readonly epoch: number;
  readonly batches: number;
  readonly records: number;
  readonly bytes: number;
  /** Batches from seq 0 that provably follow each other; null head when nothing has arrived. */
  readonly linked: number;
  readonly head: number | null;
  /** Batches below the head that never arrived. */
  readonly missing: number;
  /** Batches whose payload the gateway gave up, and of these the ones without a loss record. */
  readonly evicted: number;
  readonly unexplained: number;
  /** Batches that were here and that this collector's disk changed or lost, as far as it has come to light. */
  readonly damaged: number;
  /** Records that the gateway's loss records report as lost in this lane, told in this epoch. */
  readonly lostRecords: number;
  readonly lossRecords: number;
  readonly clock: string | null;
  readonly path: string | null;
  readonly received: number | null;
  readonly delayMs: number | null;
}

export interface GatewayReport {
  readonly id: string;
  readonly label: string;
  readonly state: GatewayState | "unknown";
  readonly severity: Severity;
  /** One sentence: what is wrong, worst first, or that nothing is. */
  readonly verdict: string;
  /** Unix ms of the last upload that brought something new, or null. */
  readonly lastReceived: number | null;
  readonly chains: readonly ChainReport[];
  readonly forks: readonly Evidence[];
  /** What it said last of a directive, or null. */
  readonly directive: DirectiveTold | null;
}

/** In ascending order of how much it matters. */
export const SEVERITIES = ["ok", "waiting", "attention", "broken"] as const;
export type Severity = (typeof SEVERITIES)[number];

export interface FleetSources {
  readonly ledger: Pick<Ledger, "chains" | "damage" | "duties">;
  readonly registry: Pick<GatewayRegistry, "all">;
  readonly activity: Pick<ActivityBook, "of" | "told">;
  readonly evidence: Pick<EvidenceRoom, "all">;
}

/** A gateway that said nothing for this long is worth a look, unless the fleet is quieter by nature. */
export const SILENT_AFTER_MS = 15 * 60_000;

/** Every gateway that enrolled, sent, or forked; the worst first. */
export function fleetReport(sources: FleetSources, nowMs: number): GatewayReport[] {
  const chains = Map.groupBy(sources.ledger.chains(), (summary) => hexOf(summary.id.gateway));
  const evidence = Map.groupBy(sources.evidence.all(), (item) => item.gateway);
  const gateways = new Map(sources.registry.all().map((gateway) => [gateway.id, gateway]));
  const ids = new Set([...gateways.keys(), ...chains.keys(), ...evidence.keys()]);
  const sight: Sight = { activity: sources.activity, damaged: ledgerDamage(sources.ledger).batches, nowMs };
  const reports = [...ids].map((id) =>
    gatewayReport(id, gateways.get(id), chains.get(id) ?? [], evidence.get(id) ?? [], sight),
  );
  const rank = ({ severity }: GatewayReport) => SEVERITIES.indexOf(severity);
  return reports.toSorted((a, b) => rank(b) - rank(a) || compare(a.label, b.label) || compare(a.id, b.id));
}

/** Every gap in the ledger, or those of one gateway. */
export function gapReport(sources: Pick<FleetSources, "ledger" | "activity">, gateway?: string): Gap[] {
  const chains = [...sources.ledger.chains()].filter(
    ({ id }) => gateway === undefined || hexOf(id.gateway) === gateway,
  );
  const lanes = Map.groupBy(chains, ({ id }) => `${hexOf(id.gateway)}/${id.lane}`);
  const inOrder = [...lanes].toSorted(([left], [right]) => compare(left, right));
  const sight = { activity: sources.activity, damaged: ledgerDamage(sources.ledger).batches };
  return inOrder.flatMap(([, summaries]) => gapsOfLane(withTold(summaries, sight)));
}

/** What a report looks at beside the chains themselves. */
interface Sight {
  readonly activity: FleetSources["activity"];
  readonly damaged: LedgerDamage["batches"];
  readonly nowMs: number;
}

function withTold(summaries: readonly ChainSummary[], { activity, damaged }: Pick<Sight, "activity" | "damaged">) {
  return summaries
    .toSorted((left, right) => left.id.epoch - right.id.epoch)
    .map((summary) => ({
      summary,
      told: activity.told(summary.id),
      damaged: damaged.get(chainText(summary.id)) ?? [],
    }));
}

function gatewayReport(
  id: string,
  gateway: Gateway | undefined,
  summaries: readonly ChainSummary[],
  forks: readonly Evidence[],
  sight: Sight,
): GatewayReport {
  const lanes = Map.groupBy(summaries, (summary) => summary.id.lane);
  const gaps = [...lanes.values()].flatMap((epochs) => gapsOfLane(withTold(epochs, sight)));
  const chains = summaries
    .toSorted((left, right) => left.id.lane - right.id.lane || left.id.epoch - right.id.epoch)
    .map((summary) => chainReport(summary, sight.activity, gaps));
  const received = chains.flatMap((chain) => (chain.received === null ? [] : [chain.received]));
  const lastReceived = received.length === 0 ? null : Math.max(...received);
  const state = gateway?.state ?? "unknown";
  const inOrder = summaries.toSorted((left, right) => left.id.epoch - right.id.epoch);
  const directive = inOrder.flatMap((summary) => sight.activity.told(summary.id).directives).at(-1) ?? null;
  const judged = judge({
    state,
    directive,
    claimProblem: gateway?.claimProblem,
    chains,
    forks: forks.filter(({ closed }) => closed === null).length,
    lastReceived,
    nowMs: sight.nowMs,
  });
  return { id, label: gateway?.label ?? "", state, ...judged, lastReceived, chains, forks, directive };
}

function chainReport(summary: ChainSummary, activity: FleetSources["activity"], gaps: readonly Gap[]): ChainReport {
  const { id } = summary;
  const seen: ChainActivity | undefined = activity.of(id);
  const { lostRecords, lossRecords } = activity.told(id);
  const batchesOf = (cause: Gap["cause"]): number =>
    sum(
      gaps.filter((gap) => gap.cause === cause && gap.lane === laneName(id.lane) && gap.epoch === id.epoch),
      (gap) => gap.batches,
    );
  return {
    lane: laneName(id.lane),
    epoch: id.epoch,
    batches: countOf(summary.held),
    records: summary.records,
    bytes: summary.bytes,
    linked: summary.linked,
    head: summary.head?.seq ?? null,
    missing: batchesOf("never-received") + batchesOf("epoch-change"),
    evicted: countOf(summary.evicted),
    unexplained: batchesOf("unexplained"),
    damaged: batchesOf("damaged"),
    lostRecords,
    lossRecords,
    clock: seen === undefined ? null : clockName(seen.clock),
    path: seen?.path ?? null,
    received: seen?.received ?? null,
    delayMs: seen?.delayMs ?? null,
  };
}

interface Facts {
  readonly state: GatewayReport["state"];
  readonly claimProblem?: string | undefined;
  readonly directive?: DirectiveTold | null;
  readonly chains: readonly ChainReport[];
  readonly forks: number;
  readonly lastReceived: number | null;
  readonly nowMs: number;
}

/** The worst that can be said of a gateway, in one sentence. Pure. */
export function judge(facts: Facts): { severity: Severity; verdict: string } {
  const { state, chains, forks, lastReceived, nowMs } = facts;
  const missing = sum(chains, (chain) => chain.missing);
  const unexplained = sum(chains, (chain) => chain.unexplained);
  const damaged = sum(chains, (chain) => chain.damaged);
  const lost = sum(chains, (chain) => chain.lostRecords);
  const silentMs = lastReceived === null ? 0 : nowMs - lastReceived;
  if (forks > 0) {
    return {
      severity: "broken",
      verdict: `${forks} signed contradictions are kept as evidence: investigate the gateway.`,
    };
  }
  if (damaged > 0) {
    const verdict = `${damaged} batches are damaged here, in the collector's ledger: \`paddock collector ledger verify\`.`;
    return { severity: "attention", verdict };
  }
  if (state === "pending") {
    const also = facts.claimProblem === undefined ? "" : `; it ${facts.claimProblem}`;
    return { severity: "waiting", verdict: `Waits for the operator's yes${also}.` };
  }
  if (state === "denied") return { severity: "ok", verdict: "Is denied by the operator and hands in nothing." };
  if (state === "unknown") return { severity: "attention", verdict: "Has batches here but is not enrolled any more." };
  if (unexplained > 0) {
    return { severity: "attention", verdict: `${unexplained} batches came without payload and without a loss record.` };
  }
  if (missing > 0) return { severity: "attention", verdict: `${missing} batches below the heads have not arrived.` };
  if (lastReceived === null) return { severity: "waiting", verdict: "Is enrolled and has sent nothing yet." };
  if (silentMs > SILENT_AFTER_MS) {
    return { severity: "attention", verdict: `Has sent nothing new for ${formatDuration(silentMs)}.` };
  }
  if (chains.some((chain) => chain.clock === "unset")) {
    return { severity: "attention", verdict: "Has no right clock; its records are dated by the order they came in." };
  }
  const { directive } = facts;
  if (directive?.outcome === "refused" || directive?.outcome === "reverted" || directive?.outcome === "failed") {
    const why = directive.reason === "" ? "" : `: ${directive.reason}`;
    return { severity: "attention", verdict: `All here; ${directive.subject} was ${directive.outcome}${why}.` };
  }
  if (lost > 0) return { severity: "ok", verdict: `All here, but for ${lost} records that it reports as given up.` };
  return { severity: "ok", verdict: "All here, without a gap." };
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

function compare(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
