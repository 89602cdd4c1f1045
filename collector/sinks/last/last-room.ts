import { join } from "node:path";
import type { Clock } from "@paddock/base/clock.ts";
import type { Log } from "@paddock/base/log.ts";
import { logEndOf } from "../../operator/operator-client.ts";
import { LAST_SINK_NAME, type LastConfig } from "../config.ts";
import type { SinksStart } from "../messages.ts";
import { LakeTier } from "./lake-tier.ts";
import { LastSink } from "./last-sink.ts";
import { LastValues } from "./last-values.ts";
import { LogTier } from "./log-tier.ts";
import { RedisTier } from "./redis-tier.ts";
import { LastTiers, type LowerTier } from "./tiers.ts";

/** The last values of a collector: the readings in memory, what feeds them, and where else they are looked for. */
export class LastRoom {
  readonly sink: LastSink;
  readonly tiers: LastTiers;

  constructor(
    { maxEntries, lookBackRecords }: LastConfig,
    { socket, directory, sinks }: Pick<SinksStart, "socket" | "directory" | "sinks">,
    offset: () => number | undefined,
    { clock, log }: { readonly clock: Clock; readonly log: Log },
  ) {
    const values = new LastValues(maxEntries);
    const path = join(directory, `${LAST_SINK_NAME}.ndjson`);
    this.sink = new LastSink({ values, path, lookBackRecords, logEnd: () => logEndOf(socket), clock, log });
    this.tiers = new LastTiers({ values, offset, tiers: lowerTiers(sinks, socket), clock });
  }
}

/** Of each kind the first one that is configured. */
function lowerTiers(sinks: SinksStart["sinks"], socket: string): LowerTier[] {
  const redis = sinks.find((sink) => sink.redis !== null)?.redis ?? null;
  const lake = sinks.find((sink) => sink.lake !== null)?.lake ?? null;
  return [
    ...(redis === null ? [] : [new RedisTier(redis)]),
    ...(lake === null ? [] : [new LakeTier(lake.directory)]),
    new LogTier(socket),
  ];
}
