import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry, type OpenMetricsContentType } from "prom-client";
import type { ReflectorReport } from "@paddock/uplink/bfd/reflector.ts";
import type { Family } from "./otlp/metrics-data.ts";
import type { SinkReport } from "./operator/operator-sinks.ts";

/** Every metric of the collector, under names that docs/operations.md lists. */
export interface CollectorMetrics {
  /** By result: `taken` or the error code of the refusal. */
  uploads: Counter<"result">;
  batches: Counter<"outcome">;
  records: Counter;
  bytes: Counter;
  bodyBytes: Counter<"encoding">;
  uploadSeconds: Histogram;
  delaySeconds: Histogram;
  enrolments: Counter<"state">;
  connectionErrors: Counter<"kind">;
  evidence: Counter<"kind">;
  /** By the tier that answered, `none` where no reading is known, `refused` where nobody answered. */
  lastReads: Counter<"tier">;
  /** By outcome: `taken`, `refused` or `failed`. */
  otlpPushes: Counter<"result">;
  otlpRejected: Counter;
  /** OpenMetrics text. */
  render(): Promise<string>;
  /** What the text is made of. */
  families(): Promise<readonly Family[]>;
  readonly contentType: string;
}

/** What is read when somebody looks, instead of being kept up to date. */
export interface MetricSources {
  readonly connections: () => number;
  /** Of them, those that have not shown the key of an approved gateway. */
  readonly unprovenConnections: () => number;
  readonly uploadsInFlight: () => number;
  readonly bodyBytesInFlight: () => number;
  readonly bodyBytesLimit: () => number;
  readonly followers: () => number;
  readonly gateways: () => Readonly<Record<"approved" | "pending" | "denied", number>>;
  readonly chains: () => number;
  readonly ledgerBytes: () => number;
  readonly ledgerLimitBytes: () => number;
  readonly logEnd: () => number;
  readonly missingBatches: () => number;
  readonly evidence: () => number;
  /** Damaged places of the ledger that came to light since the start. */
  readonly ledgerDamage: () => number;
  /** How far the slow look through the log has come. */
  readonly scrub: () => { readonly share: number; readonly rounds: number };
  /** Undefined when the collector answers no BFD. */
  readonly bfd: () => ReflectorReport | undefined;
  readonly sinks: () => Promise<readonly SinkReport[]>;
  /** Whether the last push by OTLP did not get through whole; undefined when nothing is pushed. */
  readonly otlpProblem: () => boolean | undefined;
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const DELAY_SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60, 300, 3600, 21_600, 86_400, 604_800];

export function collectorMetrics(sources: MetricSources): CollectorMetrics {
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  const registers = [registry] as unknown as Registry[];
  collectDefaultMetrics({ register: registers[0]! });
  const counter = <Label extends string = string>(name: string, help: string, labelNames: readonly Label[] = []) =>
    new Counter<Label>({ name: `paddock_collector_${name}`, help, labelNames: [...labelNames], registers });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `paddock_collector_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name: `paddock_collector_${name}`, help, buckets, registers });

  gauge("connections", "Open connections of gateways.", sources.connections);
  gauge(
    "unproven_connections",
    "Of them, those that have not shown the key of an approved gateway.",
    sources.unprovenConnections,
  );
  gauge("uploads_in_flight", "Uploads being received or written.", sources.uploadsInFlight);
  gauge("body_bytes_in_flight", "Bytes of uploads held in memory.", sources.bodyBytesInFlight);
  gauge("body_bytes_limit", "Bytes of uploads that may be held in memory.", sources.bodyBytesLimit);
  gauge("followers", "Readers of the log that are connected.", sources.followers);
  gauge("chains", "Chains in the ledger.", sources.chains);
  gauge("ledger_bytes", "Bytes that the ledger counts against its quota.", sources.ledgerBytes);
  gauge("ledger_limit_bytes", "Bytes that the ledger may count.", sources.ledgerLimitBytes);
  gauge("log_end", "Offset behind the newest record of the log.", sources.logEnd);
  gauge("missing_batches", "Batches below the head of their chain that never arrived.", sources.missingBatches);
  gauge("evidence_items", "Forks and wrong links kept as evidence.", sources.evidence);
  gauge("ledger_damage", "Damaged places of the ledger that came to light since the start.", sources.ledgerDamage);
  gauge(
    "scrub_share",
    "Of the ledger that the slow look for damage is through with, 0 to 1.",
    () => sources.scrub().share,
  );
  gauge("scrub_rounds", "Times that it went through the whole ledger.", () => sources.scrub().rounds);
  gauge("bfd_reflected_packets", "Seamless BFD packets answered since the start.", () => sources.bfd()?.reflected ?? 0);
  gauge("bfd_refused_packets", "Seamless BFD packets refused since the start.", () => {
    return Object.values(sources.bfd()?.refused ?? {}).reduce((sum, count) => sum + count, 0);
  });
  gauge("bfd_peers_up", "Gateways whose multihop BFD session is up.", () => {
    return sources.bfd()?.peers.filter(({ liveness }) => liveness === "up").length ?? 0;
  });
  const gateways = new Gauge({
    name: "paddock_collector_gateways",
    help: "Gateways by state of their enrolment.",
    labelNames: ["state"],
    collect() {
      for (const [state, count] of Object.entries(sources.gateways())) this.set({ state }, count);
    },
    registers: [],
  });
  registry.registerMetric(gateways);
  registerSinks(registry, sources.sinks);
  const otlpAttention = new Gauge({
    name: "paddock_collector_otlp_attention",
    help: "1 while the last push by OTLP did not get through whole.",
    registers: [],
    collect() {
      this.reset();
      const hasProblem = sources.otlpProblem();
      if (hasProblem === undefined) this.remove();
      else this.set(hasProblem ? 1 : 0);
    },
  });
  registry.registerMetric(otlpAttention);
  const alone = oneAtATime();
  return {
    uploads: counter("uploads", "Uploads answered, by result.", ["result"]),
    batches: counter("batches", "Batches acknowledged, stored now or repeated.", ["outcome"]),
    records: counter("records", "Records stored."),
    bytes: counter("stored_bytes", "Bytes of headers and payloads stored."),
    bodyBytes: counter("body_bytes", "Bytes of request bodies as received, by content encoding.", ["encoding"]),
    uploadSeconds: histogram("upload_seconds", "From the end of a body to its receipt.", SECONDS),
    delaySeconds: histogram(
      "delay_seconds",
      "From the opening of an upload's newest batch to its receipt.",
      DELAY_SECONDS,
    ),
    enrolments: counter("enrolments", "Enrolment requests answered, by state.", ["state"]),
    connectionErrors: counter("connection_errors", "Connections that failed, by kind.", ["kind"]),
    lastReads: counter("last_reads", "Questions for newest readings, by what answered them.", ["tier"]),
    evidence: counter("evidence", "Uploads refused as fork or wrong link.", ["kind"]),
    otlpPushes: counter("otlp_pushes", "Pushes by OTLP, by what became of them.", ["result"]),
    otlpRejected: counter("otlp_rejected_values", "Values of pushes that the receiver did not take, as it says."),
    render: () => alone(() => registry.metrics()),
    families: () => alone(() => registry.getMetricsAsJSON()),
    contentType: registry.contentType,
  };
}

/** Two looks at once would find gauges that the other is filling. */
function oneAtATime(): <Value>(look: () => Promise<Value>) => Promise<Value> {
  let last: Promise<unknown> = Promise.resolve();
  return (look) => {
    const looked = last.then(look);
    last = looked.catch(() => {});
    return looked;
  };
}

/** Of each sink. All gauges of one look share what is read, which asks the ledger about each sink. */
function registerSinks(registry: Registry<OpenMetricsContentType>, read: MetricSources["sinks"]): void {
  const figures: Readonly<Record<string, readonly [help: string, of: (sink: SinkReport) => number | undefined]>> = {
    lag_records: ["Records of the log that a sink has not kept yet.", ({ lag }) => lag?.records],
    lag_seconds: ["Since the first of them arrived.", ({ lag }) => lag?.seconds],
    rows: ["Rows that a sink kept since the collector's start.", ({ rows }) => rows],
    failures: ["Attempts of a sink that failed since the collector's start.", ({ failures }) => failures],
    dead_letters: ["Readings that a sink cannot keep, since its last rebuild.", ({ deadLetters }) => deadLetters.total],
    missing_records: [
      "Records that are no rows of a sink because they are gone or cannot be read.",
      ({ deadLetters }) => Object.values(deadLetters.missing).reduce((sum, count) => sum + count, 0),
    ],
    entries: [
      "Newest readings that the sink last-values has in memory.",
      ({ details }) => numberIn(details["entries"]),
    ],
    evictions: ["Newest readings that gave way there.", ({ details }) => numberIn(details["evictions"])],
    files: ["Files that a sink has made and knows.", ({ details }) => numberIn(details["files"])],
    other_rows: [
      "Rows of a lake whose site and day have too many measurements, in the folder _other.",
      ({ details }) => numberIn(details["rowsOfTooManyMeasurements"]),
    ],
    wild_rows: [
      "Rows of a lake whose time is no clock's, in the folder of their arrival, since its process began.",
      ({ details }) => numberIn(details["rowsOfWildClocks"]),
    ],
    attention: ["1 while a sink has a problem.", ({ problem }) => (problem === null ? 0 : 1)],
  };
  let reading: Promise<readonly SinkReport[]> | undefined;
  const readOnce = (): Promise<readonly SinkReport[]> =>
    (reading ??= read().finally(() => {
      reading = undefined;
    }));
  for (const [name, [help, of]] of Object.entries(figures)) {
    const gauge = new Gauge({
      name: `paddock_collector_sink_${name}`,
      help,
      labelNames: ["sink", "kind"],
      registers: [],
      async collect() {
        this.reset();
        for (const report of await readOnce()) {
          const value = of(report);
          if (value !== undefined) this.set({ sink: report.name, kind: report.kind }, value);
        }
      },
    });
    registry.registerMetric(gauge);
  }
}

/** What a sink says of itself, where it is a number. */
function numberIn(detail: string | number | null | undefined): number | undefined {
  return typeof detail === "number" ? detail : undefined;
}
