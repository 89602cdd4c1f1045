import type { Clock } from "@paddock/base/clock.ts";
import type { Log } from "@paddock/base/log.ts";
import { collectorLinks } from "@paddock/uplink/forward/collector-link.ts";
import type { ForwardReport } from "@paddock/uplink/forward/forward-state.ts";
import { Forwarder } from "@paddock/uplink/forward/forwarder.ts";
import type { BatchSource } from "@paddock/uplink/forward/ports.ts";
import type { PathUsage } from "@paddock/uplink/paths/metered-budget.ts";
import { PATH_SETTINGS } from "@paddock/uplink/paths/path-state.ts";
import { signEnrolment } from "@paddock/wire/enrolment.ts";
import type { SigningIdentity } from "@paddock/wire/identity.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import { readAuthorities } from "@paddock/base/authorities.ts";
import { uplinkPaths, type UplinksConfig } from "./configured-paths.ts";
import type { PathEndpoints } from "./path-endpoints.ts";
import type { PathSources } from "./path-sources.ts";

/** Reports that somebody should look at; all others are good news. */
const WARNINGS: ReadonlySet<ForwardReport["event"]> = new Set([
  "session-lost",
  "session-failed",
  "chain-stopped",
  "batch-unreadable",
  "collector-busy",
  "stalled",
]);

export interface ForwarderOptions {
  readonly config: UplinksConfig;
  readonly identity: SigningIdentity;
  readonly source: BatchSource;
  readonly usage: Readonly<Record<string, PathUsage>>;
  /** Of the paths that follow the kernel's addresses, if there are any. */
  readonly sources: PathSources | undefined;
  readonly endpoints: PathEndpoints;
  /** The collector refuses a chain because it holds another one. */
  readonly onFork: (lane: Lane, epoch: number) => void;
  readonly onReport: (report: ForwardReport) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** The forwarder to a collector. Throws CONFIG_UNREADABLE. */
export async function makeForwarder(
  collector: NonNullable<UplinksConfig["collector"]>,
  options: ForwarderOptions,
): Promise<Forwarder> {
  const { config, identity, sources, endpoints, clock, log } = options;
  const { forward } = config;
  const ca = collector.ca === null ? undefined : await readAuthorities("collector.ca", collector.ca);
  const openLink = endpoints.inTurn(
    collectorLinks({
      publicKey: Buffer.from(collector.publicKey, "hex"),
      identity,
      ...(ca === undefined ? {} : { ca }),
    }),
  );
  return new Forwarder({
    source: options.source,
    paths: uplinkPaths(config).map((path) => sources?.resolved(path) ?? path),
    openLink: sources?.guard(openLink) ?? openLink,
    settings: {
      order: forward.order,
      backfillShare: forward.backfillShare,
      paths: { ...PATH_SETTINGS, alarmTwice: forward.alarmTwice },
    },
    enrolment: () =>
      signEnrolment(identity, { claim: collector.claim ?? "", label: collector.label, wall: clock.wallMs() }),
    onEvent: (report) => {
      const { event, ...fields } = report;
      if (report.event === "chain-stopped" && report.failure === "fork") options.onFork(report.lane, report.epoch);
      if (WARNINGS.has(event)) log.warn(event, fields);
      else log.info(event, fields);
      options.onReport(report);
    },
    usage: options.usage,
    clock,
  });
}
