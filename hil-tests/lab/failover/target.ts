import type { UplinksStatus } from "@paddock/gateway/status/status.ts";

/** The uplinks of the gateway under test; each goes through a provider of its own. */
export const UPLINKS = ["fibre", "lte", "radio"] as const;
export type Uplink = (typeof UPLINKS)[number];

/** What can happen to an uplink, in the provider's network: the gateway's interface stays up throughout. */
export type Fault =
  /** Nothing passes, in either direction. */
  | { readonly kind: "cut" }
  /** Nothing passes in one direction. */
  | { readonly kind: "one-way"; readonly lost: "to-collector" | "to-gateway" }
  /** Each packet is lost with this probability, in either direction. */
  | { readonly kind: "loss"; readonly percent: number }
  /** TCP and UDP vanish, while pings are answered. */
  | { readonly kind: "black-hole" }
  /** Packets above this size come back as "too big". */
  | { readonly kind: "mtu"; readonly bytes: number };

/** BFD of the paths: a profile of docs/bfd.md, or none. */
export type Watch = "fast" | "steady" | "none";

export interface GatewayOptions {
  readonly watch: Watch;
  /** The gateway's sensors file; without one every sensor is taken. */
  readonly sensorsFile?: string;
}

/**
 * A gateway with three uplinks, its sensors and its collector, and somebody who can break the uplinks. Scenarios know
 * no more than this, so that the same ones run against processes in namespaces, a virtual machine or a board.
 */
export interface Target {
  /** Where files of this run may be put. */
  readonly directory: string;
  /** Where the sensors find the gateway, `[address]:port`. */
  readonly coapTarget: string;
  startCollector(): Promise<void>;
  startGateway(options: GatewayOptions): Promise<void>;
  /** Pulls the plug: nothing is flushed, nothing is said. */
  killGateway(): Promise<void>;
  killCollector(): Promise<void>;
  /** SIGTERM, and waits for the end. Returns the exit code. */
  stopCollector(): Promise<number | null>;
  /** What the gateway says of its paths and of what it still holds. */
  gatewayStatus(): Promise<{ readonly uplinks: UplinksStatus; readonly pendingRecords: number }>;
  /** Log events of the gateway since it was first started, in order. */
  gatewayEvents(name?: string): readonly LoggedEvent[];
  /** Runs the simulator where the sensors are. */
  startSimulator(args: readonly string[]): Simulator;
  /** The collector's log as NDJSON into this file. */
  writeCollectorLog(file: string): Promise<void>;
  /** Breaks the uplink; what was broken about it before is whole again. Resolves when the fault holds. */
  breakUplink(uplink: Uplink, fault: Fault): Promise<void>;
  healUplink(uplink: Uplink): Promise<void>;
  /** Whether the collector answers a ping from the address of this uplink. */
  pingOver(uplink: Uplink): Promise<boolean>;
  /** Ends everything and leaves nothing. */
  destroy(): Promise<void>;
}

export interface LoggedEvent {
  readonly atMs: number;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface Simulator {
  readonly running: boolean;
  /** Its exit code and what it printed; kept also when it ended long ago. */
  readonly finished: Promise<{ readonly code: number | null; readonly output: string }>;
}
