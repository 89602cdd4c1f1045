import { reachableAt, type Link } from "./ingest/links.ts";

/** What is announced of one CoAP port on one link. */
export interface LinkService {
  /** Name of the service instance, at most 63 bytes. */
  readonly name: string;
  /** Host name, unique by the gateway's id: two machines of one image have the same name for themselves. */
  readonly host: string;
  readonly port: number;
  /** The addresses of the link at which this port takes datagrams. */
  readonly addresses: readonly string[];
}

export interface Announced {
  /** Name of the service instance; a second port has its number behind it. */
  readonly name: string;
  /** The gateway's id in hex. */
  readonly id: string;
  /** `notices` of the configuration. */
  readonly notices: readonly string[];
  /** The CoAP listeners, with the ports that the kernel chose. */
  readonly listeners: readonly { readonly address: string; readonly port: number }[];
}

/** A DNS record as dns-packet has it. */
export interface DnsRecord {
  readonly name: string;
  readonly type: string;
  readonly ttl?: number;
  readonly flush?: boolean;
  readonly data?: unknown;
}

/** A record's host name has so many digits of the id. */
const ID_DIGITS = 12;
const LABEL_BYTES_MAX = 63;

/**
 * The TXT record of a service (RFC 6763 §6): who it is and, when something is wrong with its configuration, how much and
 * where. No more: everybody on the link hears it.
 */
export function txtOf({ id, notices }: Pick<Announced, "id" | "notices">): Readonly<Record<string, string>> {
  const [first] = notices;
  if (first === undefined) return { id };
  // One string of the record, "error=" included, has at most 255 bytes.
  const place = cut(first.split(": ")[0]!, 200);
  return { id, errors: String(notices.length), error: place };
}

/** What to announce on a link: a service for each port that neighbours reach there. `attempt` counts name conflicts. */
export function servicesOn(link: Link, { name, id, listeners }: Announced, attempt = 1): LinkService[] {
  const byPort = Map.groupBy(listeners, ({ port }) => port);
  const services: LinkService[] = [];
  for (const [port, own] of byPort) {
    const addresses = [...new Set(own.flatMap(({ address }) => reachableAt(address, link)))];
    if (addresses.length === 0) continue;
    const suffix = `${services.length === 0 ? "" : `-${port}`}${attempt === 1 ? "" : `-${attempt}`}`;
    const host = `paddock-${id.slice(0, ID_DIGITS)}${suffix}.local`;
    services.push({ name: `${cut(name, LABEL_BYTES_MAX - suffix.length)}${suffix}`, host, port, addresses });
  }
  return services;
}

/** The full name of a service instance; bonjour-service writes its dots as dashes. */
export function instanceName({ name }: LinkService): string {
  return `${name.replaceAll(".", "-")}._coap._udp.local`;
}

/** The address records of a service: what a neighbour on the link can reach, and nothing else. */
export function addressRecords({ host, addresses }: LinkService, ttl: number): DnsRecord[] {
  return addresses.map((data) => ({ name: host, type: "AAAA", ttl, flush: true, data }));
}

/**
 * The records of a packet as this link may hear them: without the addresses that the library found on all interfaces,
 * IPv4 among them, where nothing listens; the unique ones with the bit that says so (RFC 6762 §10.2).
 */
export function recordsForLink(records: readonly DnsRecord[], services: readonly LinkService[]): DnsRecord[] {
  return records.flatMap((record) => {
    if (record.type === "A") return [];
    if (record.type === "AAAA") {
      const service = services.find(({ host }) => host === record.name);
      if (service?.addresses.includes(String(record.data)) !== true) return [];
    }
    return record.type === "PTR" ? [record] : [{ ...record, flush: true }];
  });
}

/** The first name of ours that a record of somebody else uses for something else (RFC 6762 §8.1). */
export function conflictIn(records: readonly DnsRecord[], services: readonly LinkService[]): string | undefined {
  for (const { name, type, data } of records) {
    for (const service of services) {
      if (sameName(name, instanceName(service))) return instanceName(service);
      const ours = type === "AAAA" && service.addresses.includes(String(data));
      if (sameName(name, service.host) && !ours) return service.host;
    }
  }
  return undefined;
}

function sameName(left: string, right: string): boolean {
  return left.toLowerCase() === right.toLowerCase();
}

/** At most `bytes` bytes of a text, without half a character at the end. */
function cut(text: string, bytes: number): string {
  const all = Buffer.from(text, "utf8");
  return all.length <= bytes ? text : all.toString("utf8", 0, bytes).replace(/\uFFFD+$/u, "");
}
