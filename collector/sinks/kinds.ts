import type { Clock } from "@paddock/base/clock.ts";
import type { Log } from "@paddock/base/log.ts";
import type { SinkConfig, SinkKindName } from "./config.ts";
import type { Sink } from "./sink.ts";

export interface SinkContext {
  /** Of the sink, as configured. */
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
}

interface SinkKind {
  /** Rows kept at once, and the longest wait for them, where the configuration does not say. */
  readonly maxRows: number;
  readonly maxDelayMs: number;
  /** Throws PaddockError when a package that it needs is not there. */
  make(config: SinkConfig, context: SinkContext): Promise<Sink>;
}

/** Each kind is loaded when it is configured, with the packages that it needs. */
export const SINK_KINDS: Readonly<Record<SinkKindName, SinkKind>> = {
  files: {
    maxRows: 10_000,
    maxDelayMs: 1000,
    async make({ files }, context) {
      const { FilesSink } = await import("./files/files-sink.ts");
      return new FilesSink(files!, context);
    },
  },
  sql: {
    // In statements of 1,000. What stands beside the readings, such as the newest of each channel, is written once for all.
    maxRows: 10_000,
    maxDelayMs: 1000,
    async make({ sql }) {
      const { SqlSink } = await import("./sql/sql-sink.ts");
      return new SqlSink(sql!);
    },
  },
  lake: {
    maxRows: 50_000,
    maxDelayMs: 10_000,
    async make({ lake }, { clock, log, name }) {
      const { LakeSink } = await import("./lake/lake-sink.ts");
      const { directory, retentionDays } = lake!;
      const onLost = (lost: readonly string[]): void => log.warn("lake-files-made-again", { sink: name, lost });
      return new LakeSink({
        directory,
        retentionDays: retentionDays ?? undefined,
        wallMs: () => clock.wallMs(),
        onLost,
      });
    },
  },
  redis: {
    maxRows: 10_000,
    maxDelayMs: 1000,
    async make({ redis }) {
      const { RedisSink } = await import("./redis/redis-sink.ts");
      return new RedisSink(redis!);
    },
  },
};
