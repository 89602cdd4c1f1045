import type { ForwardOrder } from "@paddock/uplink/forward/lane-scheduler.ts";
import type { PathConfig } from "@paddock/uplink/paths/path-config.ts";
import { followsAddresses } from "@paddock/uplink/paths/source-address.ts";
import { laneOf, type LaneName } from "@paddock/wire/lanes.ts";
import type { WatchedPath } from "./bfd-config.ts";

/** One way to the collector as the configuration writes it (gateway/config.ts says what each field means). */
export interface ConfiguredPath extends WatchedPath {
  readonly fallbackEndpoints: readonly string[];
  readonly preference: number;
  readonly cost: number;
  readonly riskGroups: readonly string[];
  readonly metered: {
    readonly bytesPerMonth: number;
    readonly billingDay: number;
    readonly lanes: readonly LaneName[];
  } | null;
}

/** What of the gateway's configuration the uplinks need. */
export interface UplinksConfig {
  readonly dataDir: string;
  readonly collector: {
    readonly publicKey: string;
    readonly claim: string | null;
    readonly label: string;
    readonly ca: string | null;
  } | null;
  readonly paths: readonly ConfiguredPath[];
  readonly bfd: { readonly socket: string | null };
  readonly forward: {
    readonly order: ForwardOrder;
    readonly backfillShare: number;
    readonly alarmTwice: boolean;
    readonly drainMs: number;
  };
}

/** The paths in the form that the forwarder takes; without source where that follows the kernel's addresses. */
export function uplinkPaths({ paths }: Pick<UplinksConfig, "paths">): PathConfig[] {
  return paths.map(({ source, interface: on, metered: plan, name, endpoint, preference, cost, riskGroups }) => ({
    name,
    endpoint,
    preference,
    cost,
    riskGroups,
    ...(source === null || followsAddresses({ source, interface: on }) ? {} : { source }),
    ...(plan === null ? {} : { metered: { ...plan, lanes: plan.lanes.map((word) => laneOf(word)!) } }),
  }));
}
