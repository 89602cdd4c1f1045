import { systemClock, type Clock } from "@paddock/base/clock.ts";
import type { Target } from "../send/endpoint-pool.ts";
import type { Impairment } from "./impairment.ts";
import { DIRECTIONS, LinkState, type CutMode, type Direction } from "./link-state.ts";
import { TcpRelay } from "./tcp-relay.ts";
import { UdpRelay } from "./udp-relay.ts";

export type Protocol = "tcp" | "udp";

export interface LinkOptions {
  /** Port 0 takes any; TCP and UDP then have different ones. */
  readonly listen: Target;
  readonly target: Target;
  readonly protocols: readonly Protocol[];
  readonly impairment?: Partial<Impairment>;
  /** The same seed loses and delays alike, as far as the traffic is alike. */
  readonly seed?: number;
  readonly clock?: Clock;
}

/** An emulated uplink in user space: a UDP and TCP relay between two addresses of this machine. */
export class Link {
  readonly #state: LinkState;
  readonly #tcp: TcpRelay | undefined;
  readonly #udp: UdpRelay | undefined;

  private constructor(state: LinkState, tcp: TcpRelay | undefined, udp: UdpRelay | undefined) {
    this.#state = state;
    this.#tcp = tcp;
    this.#udp = udp;
  }

  /** Throws LISTEN_FAILED. */
  static async open(options: LinkOptions): Promise<Link> {
    const { listen, target, protocols, clock = systemClock } = options;
    const state = new LinkState(options.seed ?? 1, options.impairment);
    const tcp = protocols.includes("tcp") ? await TcpRelay.open(listen, target, state, clock) : undefined;
    try {
      const udp = protocols.includes("udp") ? await UdpRelay.open(listen, target, state, clock) : undefined;
      return new Link(state, tcp, udp);
    } catch (error) {
      tcp?.close();
      throw error;
    }
  }

  get tcpPort(): number | undefined {
    return this.#tcp?.port;
  }

  get udpPort(): number | undefined {
    return this.#udp?.port;
  }

  /** Changes the given properties from now on; what is under way arrives as was decided. */
  set(impairment: Partial<Impairment>, directions: readonly Direction[] = DIRECTIONS): void {
    this.#state.change(impairment, directions);
  }

  cut(mode: CutMode = "black-hole", directions: readonly Direction[] = DIRECTIONS): void {
    this.#state.cut(mode, directions);
  }

  heal(): void {
    this.#state.heal();
  }

  get status() {
    return {
      cut: DIRECTIONS.filter((direction) => this.#state.isCut(direction)),
      mode: this.#state.resetsStreams ? "reset" : "black-hole",
      heldBack: DIRECTIONS.reduce((sum, direction) => sum + this.#state.direction(direction).heldBack, 0),
      tcp: this.#tcp?.stats ?? null,
      udp: this.#udp?.stats ?? null,
    };
  }

  close(): void {
    this.#tcp?.close();
    this.#udp?.close();
  }
}
