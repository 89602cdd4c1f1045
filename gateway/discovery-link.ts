import type { EventEmitter } from "node:events";
import type { Clock, Timer } from "@paddock/base/clock.ts";
import type { Random } from "@paddock/base/random.ts";
import type { Bonjour } from "bonjour-service";
import {
  addressRecords,
  conflictIn,
  instanceName,
  recordsForLink,
  type DnsRecord,
  type LinkService,
} from "./discovery-records.ts";

/** The mDNS group of IPv6 (RFC 6762 §3). */
const MDNS_GROUP = "ff02::fb";
/** RFC 6762 §8.1: three probes, 250 ms apart, the first after a random while. */
const PROBES = 3;
const PROBE_MS = 250;
/** RFC 6762 §10, of records that hold an address. */
const HOST_TTL_S = 120;
/** A goodbye that cannot be sent must not hold up the end. */
const GOODBYE_MS = 500;

type DnsPacket = { answers: DnsRecord[]; additionals?: DnsRecord[] };

/** What is used of multicast-dns, which bonjour-service hides. */
interface Mdns extends EventEmitter {
  respond(packet: DnsRecord[] | DnsPacket, ...rest: unknown[]): void;
  query(packet: object): void;
}

export interface LinkAnnouncerOptions {
  readonly interfaceName: string;
  readonly txt: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly random: Random;
  /** Whether a packet's source is this machine: its other links are heard here, too. */
  readonly isOwn: (address: string) => boolean;
  /** Told of whatever goes wrong, again and again. */
  readonly failed: (error: unknown) => void;
}

/**
 * The announcements on one link, by a bonjour-service of its own. That library does IPv6 only through the options of its
 * multicast-dns below: `type`, `ip` and exactly one `interface` (it cannot set the outgoing interface for several). It
 * binds to the interface unless told otherwise, and `::%eth0` is no address that Linux binds, hence `bind`. Its own
 * probing takes what another link of this machine answers for a conflict, and prints to standard output, hence the
 * probing here. Errors come out of a private emitter and end the process if nobody listens there; so would an exception
 * from its handler of queries.
 */
export class LinkAnnouncer {
  readonly #options: LinkAnnouncerOptions;
  readonly #bonjour: Bonjour;
  readonly #mdns: Mdns;
  readonly #register: (records: DnsRecord[]) => void;
  #services: readonly LinkService[] = [];
  #probing: { readonly stop: () => void } | undefined;

  private constructor(bonjour: Bonjour, options: LinkAnnouncerOptions) {
    this.#options = options;
    this.#bonjour = bonjour;
    // The library's types do not show it.
    const { server } = bonjour as unknown as { server: { mdns: Mdns; register(records: DnsRecord[]): void } };
    this.#mdns = server.mdns;
    this.#register = (records) => server.register(records);
    this.#mdns.on("error", options.failed);
    this.#mdns.on("warning", options.failed);
    this.#guardQueries();
    this.#filterAnswers();
  }

  static async open(options: LinkAnnouncerOptions): Promise<LinkAnnouncer> {
    const { Bonjour } = await import("bonjour-service");
    const settings = { type: "udp6", ip: MDNS_GROUP, interface: `::%${options.interfaceName}`, bind: "::" };
    // The library's types name the options of a service here; at run time these go to multicast-dns.
    return new LinkAnnouncer(new Bonjour(settings, options.failed), options);
  }

  /**
   * Asks whether somebody else has one of the names. Resolves with that name and who has it, or undefined when nobody
   * objected, or when the announcer was closed meanwhile.
   */
  async probe(services: readonly LinkService[]): Promise<{ readonly name: string; readonly from: string } | undefined> {
    const { clock, random, isOwn } = this.#options;
    const { promise, resolve } = Promise.withResolvers<{ name: string; from: string } | undefined>();
    let timer: Timer;
    let sent = 0;
    const heard = ({ answers = [], additionals = [] }: Partial<DnsPacket>, { address }: { address: string }): void => {
      const name = isOwn(address) ? undefined : conflictIn([...answers, ...additionals], services);
      if (name !== undefined) resolve({ name, from: address });
    };
    const next = (): void => {
      if (sent++ === PROBES) return resolve(undefined);
      this.#mdns.query(probeOf(services));
      timer = clock.after(PROBE_MS, next);
    };
    timer = clock.after(random.float() * PROBE_MS, next);
    this.#mdns.on("response", heard);
    this.#probing = { stop: () => resolve(undefined) };
    try {
      return await promise;
    } finally {
      timer.cancel();
      this.#mdns.off("response", heard);
      this.#probing = undefined;
    }
  }

  /** Announces the services; `up` is called once each is. */
  announce(services: readonly LinkService[], up: (service: LinkService) => void): void {
    this.#services = services;
    for (const service of services) {
      const { name, host, port } = service;
      this.#register(addressRecords(service, HOST_TTL_S));
      const published = this.#bonjour.publish({
        name,
        type: "coap",
        protocol: "udp",
        port,
        host,
        txt: this.#options.txt,
        probe: false,
      });
      published.on("up", () => up(service));
    }
  }

  /** Ends a probe that is under way. */
  interrupt(): void {
    this.#probing?.stop();
  }

  /** Says goodbye and closes. Never rejects. */
  async close(): Promise<void> {
    this.interrupt();
    await this.#within((done) => this.#bonjour.unpublishAll(done));
    await this.#within((done) => this.#bonjour.destroy(done));
  }

  #within(act: (done: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(GOODBYE_MS, resolve);
      act(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  #guardQueries(): void {
    const answerers = this.#mdns.listeners("query");
    this.#mdns.removeAllListeners("query");
    this.#mdns.on("query", (...args: unknown[]) => {
      try {
        for (const answer of answerers) (answer as (...args: unknown[]) => void)(...args);
      } catch (error) {
        this.#options.failed(error);
      }
    });
  }

  /** Every packet that leaves, announcements and goodbyes too, goes through here. */
  #filterAnswers(): void {
    const respond = this.#mdns.respond.bind(this.#mdns);
    this.#mdns.respond = (packet, ...rest) => {
      if (Array.isArray(packet)) {
        // An announcement or goodbye, which has the life of its records from the library.
        const ttl = packet.find(({ type }) => type === "SRV")?.ttl ?? HOST_TTL_S;
        const others = packet.filter(({ type }) => type !== "AAAA");
        const own = this.#services.flatMap((service) => addressRecords(service, ttl));
        respond(recordsForLink([...others, ...own], this.#services), ...rest);
        return;
      }
      const answers = recordsForLink(packet.answers, this.#services);
      if (answers.length === 0) return;
      respond({ answers, additionals: recordsForLink(packet.additionals ?? [], this.#services) }, ...rest);
    };
  }
}

/** RFC 6762 §8.1: any record of the names is asked for, and the authority section says what they are wanted for. */
function probeOf(services: readonly LinkService[]): object {
  const names = services.flatMap((service) => [instanceName(service), service.host]);
  return {
    questions: names.map((name) => ({ name, type: "ANY" })),
    authorities: services.flatMap((service) => [
      { name: instanceName(service), type: "SRV", ttl: HOST_TTL_S, data: { port: service.port, target: service.host } },
      ...addressRecords(service, HOST_TTL_S).map(({ name, type, ttl, data }) => ({ name, type, ttl, data })),
    ]),
  };
}
