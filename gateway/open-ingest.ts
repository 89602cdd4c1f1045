import type { Clock } from "@paddock/base/clock.ts";
import type { Log } from "@paddock/base/log.ts";
import type { ChainStore } from "@paddock/store/chain-store.ts";
import type { SideEntry } from "@paddock/store/types.ts";
import type { SigningIdentity } from "@paddock/wire/identity.ts";
import type { GatewayConfig } from "./config.ts";
import { earlierExchanges, EXCHANGE_PREFIX } from "./ingest/exchange-memory.ts";
import type { FrameSink } from "./commit/frame-sink.ts";
import { Ingest } from "./ingest/ingest.ts";
import { Sensors, splitStates, STATE_PREFIX } from "./ingest/sensors.ts";
import { SensorsSource } from "./ingest/sensors-source.ts";

/** Side entries that one write deletes. */
const DELETED_AT_ONCE = 1000;

export interface OpenIngestOptions {
  readonly config: Pick<GatewayConfig, "dataDir" | "sensors">;
  readonly store: Pick<ChainStore, "side" | "append">;
  readonly sink: FrameSink;
  readonly identity: Pick<SigningIdentity, "id" | "privateKey">;
  /** The count of this boot. */
  readonly boot: number;
  readonly clock: Clock;
  readonly log: Log;
}

export interface OpenedIngest {
  readonly ingest: Ingest;
  /** undefined where no sensors file is configured. */
  readonly sensorsFile: SensorsSource | undefined;
}

/**
 * The sensor side with what it remembers from before the start: which sensors there are, which of their numbers and
 * which messages were seen. What nobody can ask for any more is deleted, so that a start does not grow with history.
 * Throws CONFIG_UNREADABLE or CONFIG_INVALID of a sensors file, and what the store throws.
 */
export async function openIngest(options: OpenIngestOptions): Promise<OpenedIngest> {
  const { config, store, sink, identity, boot, clock, log } = options;
  const { file, unknown, rateFramesPerS } = config.sensors;
  const sensorsFile = file === null ? undefined : new SensorsSource(file, config.dataDir, log);
  const document = (await sensorsFile?.start()) ?? { sensors: {} };
  const { kept, gone } = splitStates(await store.side(STATE_PREFIX), document);
  const sensors = new Sensors({ unknown, restored: kept });
  sensors.load(document);
  const states = await store.side(EXCHANGE_PREFIX);
  const earlier = earlierExchanges(states, boot, Math.floor(clock.monotonicUs() / 1_000_000));
  const side: SideEntry[] = [earlier, ...gone.map((key) => ({ key, value: null }))];
  for (let at = 0; at < side.length; at += DELETED_AT_ONCE) {
    const chain = { gateway: identity.id, lane: 1, epoch: 0 } as const;
    await store.append({ chain, batches: [], side: side.slice(at, at + DELETED_AT_ONCE) });
  }
  if (gone.length > 0) log.info("sensors-forgotten", { states: gone.length });
  const exchanges = { secret: identity.privateKey, boot, states };
  return { ingest: new Ingest({ sink, sensors, clock, rateFramesPerS, exchanges }), sensorsFile };
}
