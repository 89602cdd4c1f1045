import type { Clock } from "@paddock/base/clock.ts";
import { askJson } from "../operator/operator-client.ts";
import type { SiteConfig } from "./config.ts";

/** Labels are asked for again after this, and at once for a gateway that is new. */
const FRESH_US = 60_000_000;

/** The site of each gateway: the configured one, else the gateway's label, else its id. */
export class Sites {
  readonly #configured: ReadonlyMap<string, string>;
  readonly #socket: string;
  readonly #clock: Clock;
  #labels: ReadonlyMap<string, string> = new Map();
  readonly #unknown = new Set<string>();
  #askedUs = Number.NEGATIVE_INFINITY;

  constructor(configured: readonly SiteConfig[], socket: string, clock: Clock) {
    this.#configured = new Map(configured.map(({ gateway, site }) => [gateway, site]));
    this.#socket = socket;
    this.#clock = clock;
  }

  /** By gateway's id. Throws PaddockError when the collector does not answer. */
  async of(gateways: Iterable<string>): Promise<Map<string, string>> {
    const sites = new Map<string, string>();
    for (const gateway of gateways) {
      sites.set(gateway, this.#configured.get(gateway) ?? ((await this.#label(gateway)) || gateway));
    }
    return sites;
  }

  async #label(gateway: string): Promise<string> {
    const nowUs = this.#clock.monotonicUs();
    if (nowUs - this.#askedUs >= FRESH_US || !(this.#labels.has(gateway) || this.#unknown.has(gateway))) {
      const all = await askJson<{ id: string; label: string }[]>(this.#socket, { path: "/v1/gateways" });
      this.#labels = new Map(all.map(({ id, label }) => [id, label]));
      this.#askedUs = nowUs;
      this.#unknown.clear();
      if (!this.#labels.has(gateway)) this.#unknown.add(gateway);
    }
    return this.#labels.get(gateway) ?? "";
  }
}
