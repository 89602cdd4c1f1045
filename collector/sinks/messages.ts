import type { LogFields, LogLevel } from "@paddock/base/log.ts";
import type { LogPlace } from "../log/log-place.ts";
import type { LastConfig, SinkConfig, SiteConfig } from "./config.ts";
import type { LastAnswer, LastAsk } from "./last/ask.ts";
import type { SinkStatus } from "./report.ts";

/** What the process of the sinks is started with. */
export interface SinksStart {
  /** The operator's socket of the collector. */
  readonly socket: string;
  /** For the lists of dead letters and the snapshot of the last values. */
  readonly directory: string;
  readonly sinks: readonly SinkConfig[];
  readonly sites: readonly SiteConfig[];
  /** Null: no last values in memory. */
  readonly last: LastConfig | null;
  /** Names of sinks that an operator paused. */
  readonly paused: readonly string[];
}

/** What an operator wants of one sink. */
export type SinkCommand =
  | { readonly do: "pause" | "resume"; readonly name: string }
  | { readonly do: "rebuild"; readonly name: string; readonly place: LogPlace };

/** From the collector to the process of its sinks, over node's IPC channel. */
export type ToSinks =
  | { readonly do: "start"; readonly with: SinksStart }
  | { readonly do: "command"; readonly id: number; readonly command: SinkCommand }
  | { readonly do: "last"; readonly id: number; readonly ask: LastAsk }
  | { readonly do: "stop" };

/** And back. `report` comes each second, and with `id` as the answer to a command. */
export type FromSinks =
  | { readonly is: "report"; readonly sinks: readonly SinkStatus[]; readonly id?: number }
  | { readonly is: "last"; readonly id: number; readonly answer: LastAnswer }
  | { readonly is: "log"; readonly level: LogLevel; readonly event: string; readonly fields: LogFields };
