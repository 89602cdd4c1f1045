import { TokenBucket } from "@paddock/base/token-bucket.ts";
import { encodeSource, packSource } from "@paddock/wire/record.ts";
import type { ContentHash } from "./content-hash.ts";
import { GenerationCache } from "./generation-cache.ts";
import { ADDRESS_BYTES, parseIpv6 } from "./ipv6.ts";
import type { Sensor } from "./sensors.ts";
import { SenderStats } from "./stats.ts";

/** A sending address with what was worked out about it once, so that a frame costs no parsing. */
export class Host {
  /** As the socket says it, with the zone of a link-local address. */
  readonly text: string;
  readonly address: Uint8Array;
  /** The sensor that the sensors file names for this address. */
  readonly sensor: Sensor | undefined;
  /** The sensor's, or those of this unknown address. */
  readonly stats: SenderStats;
  readonly bucket: TokenBucket;

  constructor(text: string, address: Uint8Array, sensor: Sensor | undefined, before?: Host) {
    this.text = text;
    this.address = address;
    this.sensor = sensor;
    this.bucket = before?.bucket ?? new TokenBucket();
    const own = before?.sensor === undefined ? before?.stats : undefined;
    this.stats = sensor?.stats ?? own ?? new SenderStats();
  }
}

/** One address and port. */
export class Endpoint {
  readonly host: Host;
  readonly port: number;
  /** The record source of unkeyed frames from here: the sensor's id, else address and port. */
  readonly encodedSource: Uint8Array;
  /** 64 bits that stand for the endpoint in the keys of duplicates and block transfers. */
  readonly keyLow: number;
  readonly keyHigh: number;
  /** Whether an answer can be sent there at all; false for port 0, which means "nobody" (RFC 768), and for no host's address. */
  readonly answerable: boolean;

  constructor(host: Host, port: number, encodedSource: Uint8Array, keyLow: number, keyHigh: number) {
    this.host = host;
    this.port = port;
    this.encodedSource = encodedSource;
    this.keyLow = keyLow;
    this.keyHigh = keyHigh;
    this.answerable = port !== 0 && isUnicast(host.address);
  }
}

/** Neither unspecified nor a group's: an answer there would go to this machine itself, or to many. */
function isUnicast(address: Uint8Array): boolean {
  return address[0] !== MULTICAST_FIRST && address.some((byte) => byte !== 0);
}

/** The first byte of every multicast address (RFC 4291 §2.7). */
const MULTICAST_FIRST = 0xff;

interface CachedHost {
  host: Host;
  ports: Map<number, Endpoint>;
}

export interface EndpointLimits {
  readonly maxHosts: number;
  readonly maxEndpoints: number;
}

/** Endpoints by address text and port, bounded in number of addresses and of endpoints. */
export class EndpointTable {
  readonly #hosts: GenerationCache<string, CachedHost>;
  readonly #maxEndpoints: number;
  readonly #sensorAt: (address: Uint8Array) => Sensor | undefined;
  readonly #hash: ContentHash;
  #endpoints = 0;
  #lastText = "";
  #last: CachedHost | undefined;

  /** `sensorAt` is asked once for each address that enters the table. */
  constructor(limits: EndpointLimits, hash: ContentHash, sensorAt: (address: Uint8Array) => Sensor | undefined) {
    this.#hosts = new GenerationCache(limits.maxHosts);
    this.#maxEndpoints = limits.maxEndpoints;
    this.#hash = hash;
    this.#sensorAt = sensorAt;
  }

  get hostCount(): number {
    return this.#hosts.size;
  }

  /** An upper bound: some may belong to addresses that gave way already. */
  get endpointCount(): number {
    return this.#endpoints;
  }

  /** The endpoint of an address as a socket says it. Text that is no IPv6 address counts as the unspecified one. */
  find(text: string, port: number): Endpoint {
    let cached = this.#last;
    if (cached === undefined || text !== this.#lastText) {
      cached = this.#hosts.get(text) ?? this.#addHost(text);
      this.#last = cached;
      this.#lastText = text;
    }
    return cached.ports.get(port) ?? this.#addEndpoint(cached, port);
  }

  /** Asks again which sensors the addresses belong to; what was counted of unknown ones stays. */
  refresh(): void {
    for (const [text, cached] of this.#hosts.entries()) {
      const { address } = cached.host;
      cached.host = new Host(text, address, this.#sensorAt(address), cached.host);
    }
    this.#forgetEndpoints();
    this.#last = undefined;
  }

  *hosts(): Generator<Host> {
    for (const [, { host }] of this.#hosts.entries()) yield host;
  }

  #addHost(text: string): CachedHost {
    const address = parseIpv6(text) ?? new Uint8Array(ADDRESS_BYTES);
    const cached: CachedHost = { host: new Host(text, address, this.#sensorAt(address)), ports: new Map() };
    this.#hosts.set(text, cached);
    return cached;
  }

  #addEndpoint(cached: CachedHost, port: number): Endpoint {
    if (this.#endpoints >= this.#maxEndpoints) {
      this.#forgetEndpoints();
      cached.ports.clear();
    }
    const { host } = cached;
    const { sensor } = host;
    if (sensor?.sharesEndpoint === true) this.#hash.of(sensor.encodedSource, 1);
    // The zone is part of the text: the same link-local address on two links is two endpoints.
    else this.#hash.of(Buffer.from(host.text, "latin1"), 2, port);
    const known = sensor !== undefined && sensor.key === undefined;
    const source = known ? sensor.encodedSource : encodeSource(packSource(host.address, port));
    const endpoint = new Endpoint(host, port, source, this.#hash.low, this.#hash.high);
    cached.ports.set(port, endpoint);
    this.#endpoints++;
    return endpoint;
  }

  #forgetEndpoints(): void {
    for (const [, cached] of this.#hosts.entries()) cached.ports = new Map();
    this.#endpoints = 0;
  }
}
