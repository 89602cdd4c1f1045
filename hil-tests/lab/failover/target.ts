import type { UplinksStatus } from "@paddock/gateway/status/status.ts";

/** The uplinks of the gateway under test, the preferred one first; each goes through a provider of its own. */
export const UPLINKS = ["fibre", "lte", "radio"] as const;
export type Uplink = (typeof UPLINKS)[number];

/** What can happen to an uplink. Unless it says otherwise it happens in the provider's network, and interfaces stay up. */
export type Fault =
  /** Nothing passes, in either direction. */
  | { readonly kind: "cut" }
  /** Nothing passes in one direction. */
  | { readonly kind: "one-way"; readonly lost: "to-collector" | "to-gateway" }
  /** Each packet is lost with this probability, in either direction. */
  | { readonly kind: "loss"; readonly percent: number }
  /** The same for TCP alone: pings and BFD do not notice. */
  | { readonly kind: "tcp-loss"; readonly percent: number }
  /** TCP and UDP vanish, while pings are answered. */
  | { readonly kind: "black-hole" }
  /** Packets above this size come back as "too big". */
  | { readonly kind: "mtu"; readonly bytes: number }
  /** Round trips take this much longer, give or take the variation. Needs `makeDelayable`. */
  | { readonly kind: "delay"; readonly roundTripMs: number; readonly variationMs: number }
  /** The gateway's own interface is switched off. */
  | { readonly kind: "interface-down" }
  /** The cable is pulled out of the gateway: its interface has no carrier. */
  | { readonly kind: "unplugged" };

/** Everything that a scenario can break: each proves itself where it is done, and the sabotage takes it away. */
export type FaultName =
  | Fault["kind"]
  | "new-prefix"
  | "deprecated-prefix"
  | "withdrawn-prefix"
  | "lost-address"
  | "ended-collector"
  | "killed-gateway"
  | "killed-speaker"
  | "ingress-again";

/** What a scenario asks of the gateway's configuration; the sabotage leaves it out. */
export type SettingName = "metered" | "risk-groups" | "alarm-twice";

/** An address of the gateway's, by the kernel. */
export interface HeldAddress {
  readonly address: string;
  readonly deprecated: boolean;
}

/** BFD of the paths: a profile of docs/bfd.md, or none. */
export type Watch = "fast" | "steady" | "none";

/** How the configuration names the source of the paths: one address for good, or what the kernel is to be asked for. */
export type SourceBy = "address" | "interface" | "prefix";

export interface GatewayOptions {
  readonly watch: Watch;
  readonly sourceBy: SourceBy;
  /** The gateway's sensors file; without one every sensor is taken. */
  readonly sensorsFile?: string;
  /** Bytes per month of the uplinks that are paid by volume. */
  readonly budgets: ReadonlyMap<Uplink, number>;
  /** What takes uplinks down together. */
  readonly riskGroups: ReadonlyMap<Uplink, readonly string[]>;
  readonly alarmTwice: boolean;
}

/** Who ends TLS in front of the collector. */
export interface IngressOptions {
  /** Toward gateways; HTTP/1.1 otherwise. */
  readonly http2: boolean;
  /** A session ends in order after this many. */
  readonly requestsPerSession: number;
}

/** TCP segments of the machine that the gateway runs on, since it is there (RFC 4022: tcpOutSegs, tcpRetransSegs). */
export interface Segments {
  /** Without those that were sent again alone. */
  readonly sent: number;
  readonly again: number;
}

/** What the gateway says of its paths and of what it still holds. */
export interface GatewayReport {
  readonly uplinks: UplinksStatus;
  /** Stored and in no receipt. */
  readonly pendingRecords: number;
  readonly pendingAlarms: number;
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
  /** Puts nginx in front of the collector, which runs; paths of gateways that start later lead to it. */
  startIngress(options: IngressOptions): Promise<void>;
  reloadIngress(): Promise<void>;
  /** Processes of the ingress now: a reload makes new ones. */
  ingressPids(): Promise<readonly number[]>;
  /** How many connections have brought it a request. */
  ingressConnections(): Promise<number>;
  /** Ends it with every connection, and starts it again. */
  restartIngress(): Promise<void>;
  startGateway(options: GatewayOptions): Promise<void>;
  /** Pulls the plug: nothing is flushed, nothing is said. */
  killGateway(): Promise<void>;
  killCollector(): Promise<void>;
  /** SIGTERM, and waits for the end. Returns the exit code. */
  stopCollector(): Promise<number | null>;
  /** Pulls the plug of the process that speaks BFD for the gateway. */
  killSpeaker(): Promise<void>;
  /** Processes that speak BFD for the gateway now. */
  speakerPids(): Promise<readonly number[]>;
  /** Whether the program that was started last is there. */
  isRunning(program: "gateway" | "collector"): boolean;
  gatewayReport(): Promise<GatewayReport>;
  /** Log events of the gateway since it was first started, in order. */
  gatewayEvents(name?: string): readonly LoggedEvent[];
  /** Runs the simulator where the sensors are. */
  startSimulator(args: readonly string[]): Simulator;
  /** The collector's log as NDJSON into this file. */
  writeCollectorLog(file: string): Promise<void>;
  /** Puts something into every uplink that can hold packets back. Before the gateway starts. */
  makeDelayable(): Promise<void>;
  /** Breaks an uplink that is whole. Returns when the fault held, Unix ms. */
  breakUplink(uplink: Uplink, fault: Fault): Promise<number>;
  /** How many packets the fault in force has touched so far; 0 when nothing is broken. */
  touchedBy(uplink: Uplink): Promise<number>;
  segments(): Promise<Segments>;
  /** Makes it whole. Returns how many packets the fault has touched; undefined when nothing was broken. */
  healUplink(uplink: Uplink): Promise<number | undefined>;
  /** The provider hands out another prefix: the gateway has an address in it besides the old one. Returns when, Unix ms. */
  offerNewPrefix(uplink: Uplink): Promise<number>;
  /** The preferred lifetime of the old prefix is over. */
  deprecateOldPrefix(uplink: Uplink): Promise<void>;
  /** The old address and its routes are gone. */
  withdrawOldPrefix(uplink: Uplink): Promise<void>;
  /** Takes the address from the uplink's interface, or gives it back. Returns when, Unix ms. */
  removeAddress(uplink: Uplink): Promise<number>;
  restoreAddress(uplink: Uplink): Promise<number>;
  /** The addresses that the gateway has on the uplink now. */
  addressesOf(uplink: Uplink): readonly HeldAddress[];
  /** Whether the collector answers a ping from the address of this uplink. */
  pingOver(uplink: Uplink): Promise<boolean>;
  /** Another implementation of BFD watches every uplink beside ours, at the same intervals and priority. */
  startRival(watch: Exclude<Watch, "none">): Promise<Rival>;
  /** Keeps what the gateway sends and receives on each uplink, a file each that begins with this path, until the end. */
  capture(filePrefix: string): Promise<void>;
  /** Ends everything and leaves nothing. */
  destroy(): Promise<void>;
}

/** BFD of somebody else beside ours. */
export interface Rival {
  readonly name: string;
  isUp(uplink: Uplink): boolean;
  /** Ends it and gives what it saw. */
  finish(): Promise<RivalReport>;
}

export interface RivalReport {
  readonly downs: readonly {
    readonly uplink: Uplink;
    /** When it said Down, Unix ms. */
    readonly atMs: number;
    /** Since the last packet that came in. */
    readonly detectedInMs: number;
  }[];
  /** Processor time at the gateway's end, ms, of this time. */
  readonly processorMs: number;
  readonly observedMs: number;
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
  /** No new frames; those under way are seen through. */
  stop(): void;
}
