/** What makes an alert fire. */
export interface AlertTrial {
  /** Samples a minute apart, in promtool's notation; instance and job are put in. */
  readonly series: Readonly<Record<string, string>>;
  /** When it has to fire, as a duration of Prometheus. */
  readonly at: string;
}

const SOON = "20m";

/** Counters that rise at once, or a little each minute. */
const rise = (series: string, by: number): Readonly<Record<string, string>> => ({ [series]: `0+${by}x60` });
/** A gauge that stays where it is. */
const stays = (series: string, value: number, minutes = 60): Readonly<Record<string, string>> => ({
  [series]: `${value}x${minutes}`,
});
/** All of what is observed lies above the bound, which is what makes a quantile as high. */
const slow = (histogram: string, bound: string): Readonly<Record<string, string>> => ({
  [`${histogram}_bucket{le="${bound}"}`]: "0x200",
  [`${histogram}_bucket{le="+Inf"}`]: "0+60x200",
});

/** For every alert of docs/prometheus/paddock.rules.yml, by its name. */
export const ALERT_TRIALS: Readonly<Record<string, AlertTrial>> = {
  PaddockGatewayUnreachable: { series: stays("up{}", 0), at: SOON },
  PaddockRefusedMessages: { series: rise('paddock_gateway_refused_messages_total{reason="rate"}', 10), at: SOON },
  PaddockFailedDatagrams: { series: rise("paddock_gateway_failed_datagrams_total{}", 1), at: SOON },
  PaddockKernelDrops: { series: rise("paddock_gateway_kernel_dropped_datagrams_total{}", 1), at: SOON },
  PaddockSlowCommits: { series: slow("paddock_gateway_commit_duration_seconds", "1.0"), at: "30m" },
  PaddockRefusedFrames: {
    series: rise('paddock_gateway_refused_frames_total{lane="bulk",reason="store-full"}', 1),
    at: SOON,
  },
  PaddockEvictedRecords: { series: rise('paddock_gateway_evicted_records_total{lane="bulk"}', 1), at: SOON },
  PaddockBacklogGrows: { series: { 'paddock_gateway_pending_records{lane="bulk"}': "1000+60x200" }, at: "100m" },
  PaddockLaneFull: { series: stays('paddock_gateway_lane_full{lane="alarm"}', 1), at: "2m" },
  PaddockEpochChanged: { series: { 'paddock_gateway_chain_epoch{lane="alarm"}': "0x5 1x20" }, at: SOON },
  PaddockDiskShort: {
    series: {
      ...stays("paddock_gateway_disk_free_bytes{}", 100),
      ...stays("paddock_gateway_store_min_free_bytes{}", 64),
    },
    at: SOON,
  },
  PaddockStoreFills: {
    series: {
      ...stays("paddock_gateway_store_used_bytes{}", 81),
      ...stays("paddock_gateway_store_limit_bytes{}", 100),
    },
    at: SOON,
  },
  PaddockWriteAmplification: {
    series: {
      ...stays("paddock_gateway_write_amplification_ratio{}", 6, 200),
      "paddock_gateway_disk_written_bytes_total{}": "0+6000000x200",
    },
    at: "150m",
  },
  PaddockNoUplink: {
    series: {
      ...stays('paddock_gateway_path_session_open{path="fibre"}', 0),
      ...stays('paddock_gateway_path_session_open{path="lte"}', 0),
    },
    at: "3m",
  },
  PaddockBudgetLow: {
    series: {
      ...stays('paddock_gateway_path_budget_left_bytes{path="lte"}', 9),
      ...stays('paddock_gateway_path_budget_bytes{path="lte"}', 100),
    },
    at: "2m",
  },
  PaddockNoReceipts: {
    series: {
      "paddock_gateway_last_receipt_age_seconds{}": "0+60x60",
      ...stays('paddock_gateway_pending_records{lane="alarm"}', 0),
      ...stays('paddock_gateway_pending_records{lane="bulk"}', 3),
    },
    at: "5m",
  },
  PaddockSlowGateway: { series: stays("paddock_gateway_event_loop_delay_p99_seconds{}", 0.2), at: SOON },
  PaddockMemory: { series: stays("paddock_gateway_resident_memory_bytes{}", 300_000_000), at: SOON },
  PaddockManyBoots: { series: { "paddock_gateway_boot_count{}": "1+1x60" }, at: SOON },
  PaddockClockUnset: {
    series: {
      ...stays("paddock_gateway_clock_synchronised{}", 0, 1500),
      "paddock_gateway_uptime_seconds{}": "0+60x1500",
    },
    at: "1450m",
  },
  PaddockBfdSpeakerGone: { series: stays("paddock_gateway_bfd_speaker_connected{}", 0), at: SOON },
  PaddockPathDown: { series: stays('paddock_gateway_path_liveness{path="lte"}', 0), at: SOON },
  PaddockPathFlaps: { series: rise('paddock_gateway_path_downs_total{path="lte"}', 1), at: SOON },
  PaddockCollectorUnreachable: { series: stays("up{}", 0), at: SOON },
  // One refusal, of a series that was not there before.
  PaddockUploadsRefused: { series: { 'paddock_collector_uploads_total{result="full"}': "_x10 1x60" }, at: "18m" },
  PaddockSlowUploads: { series: slow("paddock_collector_upload_seconds", "2.5"), at: "30m" },
  PaddockReadingsLate: { series: slow("paddock_collector_delay_seconds", "21600"), at: "100m" },
  PaddockEvidence: { series: { 'paddock_collector_evidence_total{kind="fork"}': "_x10 1x60" }, at: "12m" },
  PaddockEvidenceOpen: { series: stays("paddock_collector_evidence_items{}", 1), at: SOON },
  PaddockLedgerDamage: { series: stays("paddock_collector_ledger_damage{}", 1), at: "1m" },
  PaddockMissingBatches: { series: stays("paddock_collector_missing_batches{}", 2, 1600), at: "1500m" },
  PaddockGatewayWaits: { series: stays('paddock_collector_gateways{state="pending"}', 1), at: SOON },
  PaddockOtlpFails: { series: stays("paddock_collector_otlp_attention{}", 1), at: SOON },
  PaddockLedgerFills: {
    series: {
      ...stays("paddock_collector_ledger_bytes{}", 81),
      ...stays("paddock_collector_ledger_limit_bytes{}", 100),
    },
    at: SOON,
  },
  PaddockUploadsNearLimit: {
    series: {
      ...stays("paddock_collector_body_bytes_in_flight{}", 95),
      ...stays("paddock_collector_body_bytes_limit{}", 100),
    },
    at: SOON,
  },
  PaddockConnectionErrors: { series: rise('paddock_collector_connection_errors_total{kind="tls"}', 120), at: "30m" },
  PaddockSinkAttention: { series: stays('paddock_collector_sink_attention{sink="lake"}', 1), at: SOON },
  PaddockSinkLate: { series: stays('paddock_collector_sink_lag_seconds{sink="lake"}', 700), at: SOON },
  PaddockSinkDeadLetters: { series: stays('paddock_collector_sink_dead_letters{sink="lake"}', 2), at: "3m" },
};

/** What a fleet shows that is well: no alert fires in two days of it. */
export const WELL: Readonly<Record<string, string>> = {
  ...stays("up{}", 1, 2880),
  'paddock_gateway_refused_messages_total{reason="senml"}': "5x2880",
  "paddock_gateway_failed_datagrams_total{}": "0x2880",
  "paddock_gateway_kernel_dropped_datagrams_total{}": "0x2880",
  'paddock_gateway_commit_duration_seconds_bucket{le="0.005"}': "0+60x2880",
  'paddock_gateway_commit_duration_seconds_bucket{le="0.5"}': "0+60x2880",
  'paddock_gateway_commit_duration_seconds_bucket{le="+Inf"}': "0+60x2880",
  'paddock_gateway_refused_frames_total{lane="bulk",reason="store-full"}': "0x2880",
  'paddock_gateway_evicted_records_total{lane="bulk"}': "0x2880",
  'paddock_gateway_pending_records{lane="bulk"}': "40x2880",
  'paddock_gateway_lane_full{lane="bulk"}': "0x2880",
  'paddock_gateway_chain_epoch{lane="bulk"}': "2x2880",
  "paddock_gateway_disk_free_bytes{}": "20000000000x2880",
  "paddock_gateway_store_min_free_bytes{}": "67108864x2880",
  "paddock_gateway_store_used_bytes{}": "1000000x2880",
  "paddock_gateway_store_limit_bytes{}": "1073741824x2880",
  "paddock_gateway_write_amplification_ratio{}": "2.1x2880",
  "paddock_gateway_disk_written_bytes_total{}": "0+6000000x2880",
  'paddock_gateway_path_session_open{path="fibre"}': "1x2880",
  'paddock_gateway_path_session_open{path="lte"}': "0x2880",
  'paddock_gateway_path_budget_left_bytes{path="lte"}': "900x2880",
  'paddock_gateway_path_budget_bytes{path="lte"}': "1000x2880",
  "paddock_gateway_last_receipt_age_seconds{}": "0.4x2880",
  "paddock_gateway_event_loop_delay_p99_seconds{}": "0.004x2880",
  "paddock_gateway_resident_memory_bytes{}": "80000000x2880",
  "paddock_gateway_boot_count{}": "7x2880",
  "paddock_gateway_clock_synchronised{}": "0x10 1x2870",
  "paddock_gateway_uptime_seconds{}": "0+60x2880",
  "paddock_gateway_bfd_speaker_connected{}": "1x2880",
  'paddock_gateway_path_liveness{path="fibre"}': "1x2880",
  'paddock_gateway_path_downs_total{path="fibre"}': "1x2880",
  'paddock_collector_uploads_total{result="taken"}': "0+60x2880",
  'paddock_collector_upload_seconds_bucket{le="0.05"}': "0+60x2880",
  'paddock_collector_upload_seconds_bucket{le="+Inf"}': "0+60x2880",
  'paddock_collector_delay_seconds_bucket{le="1"}': "0+60x2880",
  'paddock_collector_delay_seconds_bucket{le="+Inf"}': "0+60x2880",
  "paddock_collector_evidence_items{}": "0x2880",
  "paddock_collector_ledger_damage{}": "0x2880",
  "paddock_collector_missing_batches{}": "0x2880",
  'paddock_collector_gateways{state="approved"}': "3x2880",
  'paddock_collector_gateways{state="pending"}': "0x2880",
  "paddock_collector_ledger_bytes{}": "1000x2880",
  "paddock_collector_ledger_limit_bytes{}": "1000000x2880",
  "paddock_collector_body_bytes_in_flight{}": "4000x2880",
  "paddock_collector_body_bytes_limit{}": "134217728x2880",
  'paddock_collector_connection_errors_total{kind="tls"}': "0+1x2880",
  'paddock_collector_sink_attention{sink="lake"}': "0x2880",
  'paddock_collector_sink_lag_seconds{sink="lake"}': "3x2880",
  'paddock_collector_sink_dead_letters{sink="lake"}': "0x2880",
};
