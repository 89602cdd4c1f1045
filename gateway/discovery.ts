import type { Clock } from "@paddock/base/clock.ts";
import { messageOf } from "@paddock/base/errors.ts";
import { LatestUpdate } from "@paddock/base/latest-update.ts";
import type { Log } from "@paddock/base/log.ts";
import { systemRandom, type Random } from "@paddock/base/random.ts";
import type { LocalAddress } from "@paddock/uplink/paths/source-address.ts";
import { LinkAnnouncer } from "./discovery-link.ts";
import { servicesOn, txtOf, type Announced, type LinkService } from "./discovery-records.ts";
import { linksOf, type Link } from "./ingest/links.ts";

/** Names that are tried on a link before it goes without an announcement. */
const ATTEMPTS_MAX = 9;

interface Announcing {
  readonly announcer: LinkAnnouncer;
  /** What is announced, as text: another one is announced anew. */
  readonly shape: string;
}

/**
 * Announces the CoAP listeners as `_coap._udp` by DNS-SD over multicast DNS, IPv6 only, on every link where neighbours
 * reach one of them, and with the addresses at which they do. Whatever fails is one warning for each link; frames are
 * taken all the same.
 */
export class Discovery {
  readonly #announced: Announced;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #links = new Map<string, Announcing>();
  readonly #failed = new Set<string>();
  #own: ReadonlySet<string> = new Set();
  #wanted: ReadonlyMap<string, Link> = new Map();
  readonly #updates = new LatestUpdate<ReadonlyMap<string, Link>>((wanted) => this.#carryOut(wanted));

  constructor(announced: Announced, log: Log, clock: Clock, random: Random = systemRandom) {
    this.#announced = announced;
    this.#log = log;
    this.#clock = clock;
    this.#random = random;
  }

  /** Follows the addresses of this machine. Never rejects; resolves when everything is announced. */
  follow(addresses: readonly LocalAddress[]): Promise<void> {
    this.#own = new Set(addresses.map(({ address }) => address));
    return this.#update(new Map(linksOf(addresses).map((link) => [`${link.name}#${link.index}`, link])));
  }

  /** Says goodbye on every link. */
  stop(): Promise<void> {
    return this.#update(new Map());
  }

  #update(wanted: ReadonlyMap<string, Link>): Promise<void> {
    this.#wanted = wanted;
    for (const [key, { announcer }] of this.#links) if (!wanted.has(key)) announcer.interrupt();
    return this.#updates.update(wanted);
  }

  async #carryOut(wanted: ReadonlyMap<string, Link>): Promise<void> {
    await Promise.all([...this.#links.keys()].filter((key) => !wanted.has(key)).map((key) => this.#withdraw(key)));
    await Promise.all([...wanted].map(([key, link]) => this.#bring(key, link)));
  }

  async #bring(key: string, link: Link): Promise<void> {
    const shape = JSON.stringify(servicesOn(link, this.#announced));
    if (this.#links.get(key)?.shape === shape) return;
    await this.#withdraw(key);
    if (shape === "[]") return;
    try {
      await this.#announce(key, link, shape);
    } catch (error) {
      this.#warn(link.name, error);
    }
  }

  async #announce(key: string, link: Link, shape: string): Promise<void> {
    const { name: interfaceName } = link;
    const announcer = await LinkAnnouncer.open({
      interfaceName,
      txt: txtOf(this.#announced),
      clock: this.#clock,
      random: this.#random,
      isOwn: (address) => this.#own.has(address.split("%")[0]!),
      failed: (error) => this.#warn(interfaceName, error),
    });
    this.#links.set(key, { announcer, shape });
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const services = servicesOn(link, this.#announced, attempt);
      const conflict = await announcer.probe(services);
      if (!this.#wanted.has(key)) return;
      if (conflict === undefined) {
        announcer.announce(services, (service) => this.#tell(interfaceName, service));
        return;
      }
      this.#log.warn("discovery-conflict", { interface: interfaceName, ...conflict });
    }
    throw new Error(`${ATTEMPTS_MAX} names are taken by others on this link`);
  }

  #tell(interfaceName: string, { name, host, port, addresses }: LinkService): void {
    this.#log.info("discovery", { interface: interfaceName, name, host, port, addresses });
  }

  #warn(interfaceName: string, error: unknown): void {
    if (this.#failed.has(interfaceName)) return;
    this.#failed.add(interfaceName);
    this.#log.warn("discovery-failed", { interface: interfaceName, message: messageOf(error) });
  }

  async #withdraw(key: string): Promise<void> {
    const link = this.#links.get(key);
    if (link === undefined) return;
    this.#links.delete(key);
    this.#failed.delete(key.split("#")[0]!);
    await link.announcer.close();
  }
}
