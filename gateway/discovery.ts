import { hostname, networkInterfaces } from "node:os";
import type { EventEmitter } from "node:events";
import type { Clock, Timer } from "@paddock/base/clock.ts";
import { messageOf } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import type { Bonjour } from "bonjour-service";

/** The mDNS group of IPv6 (RFC 6762 §3). */
const MDNS_GROUP = "ff02::fb";
/** How often interfaces that came or went are looked for. */
const RESCAN_MS = 30_000;

export interface Announcement {
  /** Name of the service instance, at most 63 bytes. */
  readonly name: string;
  /** UDP port of the CoAP listener. */
  readonly port: number;
  /** The gateway's id in hex, in the TXT record. */
  readonly id: string;
}

/**
 * Announces the CoAP listener as `_coap._udp` by DNS-SD over multicast DNS, IPv6 only, on every interface that has a
 * link-local address. Whatever fails is one warning; frames are taken all the same.
 *
 * bonjour-service does IPv6 only through the options of its multicast-dns below: `type`, `ip` and exactly one
 * `interface` (it cannot set the outgoing interface for several), hence one instance for each. It binds to
 * the interface unless told otherwise, and `::%eth0` is no address that Linux binds, hence `bind`. Instances of one process hear each
 * other and would take their own name for taken, and a conflict is printed to standard output, hence no probing: the
 * name carries the gateway's id. Errors come out of a private emitter and end the process if nobody listens there.
 */
export class Discovery {
  readonly #announcement: Announcement;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #instances = new Map<string, Bonjour>();
  readonly #failed = new Set<string>();
  #timer: Timer | undefined;
  #stopped = false;

  constructor(announcement: Announcement, log: Log, clock: Clock) {
    this.#announcement = announcement;
    this.#log = log;
    this.#clock = clock;
  }

  /** Never rejects. */
  async start(): Promise<void> {
    try {
      await this.#rescan();
    } catch (error) {
      this.#log.warn("discovery-failed", { message: messageOf(error) });
    }
    if (!this.#stopped) this.#timer = this.#clock.after(RESCAN_MS, () => void this.start());
  }

  /** Says goodbye on every interface. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await Promise.all([...this.#instances.keys()].map((name) => this.#withdraw(name)));
  }

  async #rescan(): Promise<void> {
    const present = multicastInterfaces(networkInterfaces());
    for (const name of present) {
      if (!this.#instances.has(name) && !this.#stopped) await this.#announce(name);
    }
    for (const name of this.#instances.keys()) {
      if (!present.includes(name)) await this.#withdraw(name);
    }
  }

  async #announce(interfaceName: string): Promise<void> {
    const { Bonjour } = await import("bonjour-service");
    const { name, port, id } = this.#announcement;
    const options = { type: "udp6", ip: MDNS_GROUP, interface: `::%${interfaceName}`, bind: "::" };
    const failed = (error: unknown): void => {
      if (this.#failed.has(interfaceName)) return;
      this.#failed.add(interfaceName);
      this.#log.warn("discovery-failed", { interface: interfaceName, message: messageOf(error) });
    };
    // The library's types name the options of a service here; at run time these go to multicast-dns.
    const instance = new Bonjour(options, failed);
    const { mdns } = (instance as unknown as { server: { mdns: EventEmitter } }).server;
    mdns.on("error", failed);
    mdns.on("warning", failed);
    this.#instances.set(interfaceName, instance);
    const service = instance.publish({
      name,
      type: "coap",
      protocol: "udp",
      port,
      host: `${hostname().split(".")[0]}.local`,
      txt: { id },
      probe: false,
    });
    service.on("up", () => this.#log.info("discovery", { interface: interfaceName, name, port }));
  }

  async #withdraw(interfaceName: string): Promise<void> {
    const instance = this.#instances.get(interfaceName);
    if (instance === undefined) return;
    this.#instances.delete(interfaceName);
    this.#failed.delete(interfaceName);
    await new Promise<void>((done) => {
      // A goodbye that cannot be sent must not hold up the end.
      const timer = this.#clock.after(500, done);
      instance.unpublishAll(() => {
        timer.cancel();
        done();
      });
    });
    await new Promise<void>((done) => instance.destroy(() => done()));
  }
}

/** Names of the interfaces over which neighbours can be reached by link-local multicast. */
export function multicastInterfaces(interfaces: ReturnType<typeof networkInterfaces>): string[] {
  return Object.entries(interfaces)
    .filter(([, addresses]) =>
      addresses?.some(({ family, internal, address }) => family === "IPv6" && !internal && address.startsWith("fe80:")),
    )
    .map(([name]) => name);
}
