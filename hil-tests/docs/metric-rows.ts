import { collectorMetrics } from "@paddock/collector/metrics.ts";
import type { SinkReport } from "@paddock/collector/operator/operator-sinks.ts";
import { gatewayMetrics } from "@paddock/gateway/metrics/gateway-metrics.ts";
import { formatOpenMetrics } from "@paddock/gateway/metrics/openmetrics.ts";
import { gatewayStatus } from "@paddock/gateway/testing/status-fixture.ts";
import type { Row } from "./config-rows.ts";

/** What an alert would ask of a metric; the other metrics are for graphs and investigations. */
const ALERTS: Readonly<Record<string, string>> = {
  paddock_gateway_refused_messages: "a rise: a sensor with a fault, a wrong key, or an attack",
  paddock_gateway_failed_datagrams: "any: a fault of the gateway's own; report it with the log's `datagram-failed`",
  paddock_gateway_kernel_dropped_datagrams: "any: raise `net.core.rmem_max`",
  paddock_gateway_commit_duration_seconds: "p99 above 0.5 s: the disk is failing or too slow",
  paddock_gateway_refused_frames: "any: sensors are being turned away",
  paddock_gateway_evicted_records: "any: readings were given up",
  paddock_gateway_pending_records: "grows for an hour: the uplink does not keep up",
  paddock_gateway_lane_full: "1: readings are refused",
  paddock_gateway_chain_epoch: "a change: the disk lost what it had confirmed",
  paddock_gateway_disk_free_bytes: "below twice `store.minFreeBytes`",
  paddock_gateway_store_used_bytes: "above 0.8 of the limit",
  paddock_gateway_write_amplification_ratio: "above 5: batches are too small for this flash",
  paddock_gateway_path_session_open: "all 0 for a minute: no uplink",
  paddock_gateway_path_budget_left_bytes: "below a tenth of `metered.bytesPerMonth`",
  paddock_gateway_last_receipt_age_seconds: "above 60 while records are pending",
  paddock_gateway_event_loop_delay_p99_seconds: "above 0.1: the processor is too slow for the load",
  paddock_gateway_resident_memory_bytes: "above what the unit allows",
  paddock_gateway_boot_count: "rises often: power or watchdog",
  paddock_gateway_clock_synchronised: "0 for a day",
  paddock_gateway_bfd_speaker_connected: "0: nobody watches the paths; receipts alone decide",
  paddock_gateway_path_liveness: "0: this path is down",
  paddock_gateway_path_downs: "a rise: this path flaps",
  paddock_collector_uploads: "results other than `taken`",
  paddock_collector_upload_seconds: "p99 above 1 s: the ledger's disk",
  paddock_collector_delay_seconds: "p99: how late the fleet's readings are",
  paddock_collector_evidence: "any: a gateway contradicts itself",
  paddock_collector_evidence_items: "above 0: `paddock collector fleet`",
  paddock_collector_ledger_damage: "above 0: `paddock collector ledger verify`",
  paddock_collector_missing_batches: "above 0 for a day: `paddock collector gaps`",
  paddock_collector_gateways: "`pending` above 0: somebody waits for a yes",
  paddock_collector_ledger_bytes: "above 0.8 of `store.maxBytes`",
  paddock_collector_sink_attention: "1 for 10 minutes: `paddock collector sinks`",
  paddock_collector_sink_lag_seconds: "above 600: the sink does not keep up, or stands still",
  paddock_collector_sink_dead_letters: "a rise: `paddock collector sinks dead NAME`",
  paddock_collector_otlp_attention: "1 for 10 minutes: the log's last `otlp-failed`, `otlp-refused` or `otlp-partial`",
  paddock_collector_body_bytes_in_flight: "near `limits.maxBodyBytesInFlight`",
  paddock_collector_connection_errors: "a rise",
};

/** Name, type, meaning and alert of every metric of the gateway, whatever its configuration. */
export function gatewayMetricRows(): Row[] {
  return metricRows(gatewayExposition());
}

/** What a gateway tells that has everything. */
export function gatewayExposition(): string {
  const status = gatewayStatus();
  const paths = status.uplinks.paths.map((path) => ({
    ...path,
    metered: { usedBytes: 0, leftBytes: 1, budgetBytes: 1, resetsWallMs: 0 },
    watch: {
      pace: "configured",
      why: "",
      detectedInMs: 1,
      sinceWallMs: null,
      downs: 0,
      trouble: null,
      sessions: [],
    } as const,
  }));
  const everything = { ...status, uplinks: { ...status.uplinks, speaker: "connected" as const, paths } };
  return formatOpenMetrics(gatewayMetrics(everything, { bounds: [1], counts: [0, 0], sum: 0 }));
}

const SINK: SinkReport = {
  name: "lake",
  kind: "lake",
  state: "down",
  problem: null,
  offset: 0,
  rows: 0,
  chunks: 0,
  failures: 0,
  deadLetters: { countedFrom: 0, total: 0, missing: {} },
  details: {},
  lag: { records: 0, seconds: 0 },
};

/** The same for the collector's own metrics; prom-client's defaults (`process_`, `nodejs_`) are left out. */
export async function collectorMetricRows(): Promise<Row[]> {
  return metricRows(await collectorExposition());
}

/** What a collector tells to which everything happened once. */
export function collectorExposition(): Promise<string> {
  const metrics = collectorMetrics({
    connections: () => 0,
    unprovenConnections: () => 0,
    uploadsInFlight: () => 0,
    bodyBytesInFlight: () => 0,
    bodyBytesLimit: () => 0,
    followers: () => 0,
    gateways: () => ({ approved: 0, pending: 0, denied: 0 }),
    chains: () => 0,
    ledgerBytes: () => 0,
    ledgerLimitBytes: () => 0,
    logEnd: () => 0,
    missingBatches: () => 0,
    evidence: () => 0,
    ledgerDamage: () => 0,
    scrub: () => ({ share: 0, rounds: 0 }),
    bfd: () => undefined,
    sinks: () => Promise.resolve([SINK]),
    otlpProblem: () => false,
  });
  metrics.uploads.inc({ result: "taken" });
  metrics.batches.inc({ outcome: "stored" });
  metrics.bodyBytes.inc({ encoding: "identity" });
  metrics.enrolments.inc({ state: "approved" });
  metrics.connectionErrors.inc({ kind: "tls" });
  metrics.evidence.inc({ kind: "fork" });
  metrics.otlpPushes.inc({ result: "taken" });
  return metrics.render();
}

function metricRows(openMetrics: string): Row[] {
  const helps = new Map([...openMetrics.matchAll(/^# HELP (\S+) (.*)$/gmu)].map(([, name, help]) => [name, help]));
  const types = [...openMetrics.matchAll(/^# TYPE (paddock_\S+) (\S+)$/gmu)];
  return types.map(([, name, type]) => {
    const exposed = type === "counter" ? `${name}_total` : name;
    return [`\`${exposed}\``, type!, helps.get(name) ?? "", ALERTS[name!] ?? ""];
  });
}

/** Metrics that an alert is written for, to find alerts without a metric. */
export const ALERTED: readonly string[] = Object.keys(ALERTS);
