import { Lab, type Namespace } from "../namespaces.ts";
import { UPLINKS, type Uplink } from "./target.ts";

/** Service address of the collector: the same over every provider. */
export const COLLECTOR = "fd00:c0::1";
/** The gateway in the sensors' network. */
export const GATEWAY = "fd00:5e::1";

/**
 * The field, each box a namespace. Every provider has its own prefix and routes only what comes from it:
 *
 *     sensors s0 ---- l0 gateway u0 fd00:a0::2 ---- g fibre c ---- c0 collector fd00:c0::1
 *                                u1 fd00:a1::2 ---- g lte   c ---- c1
 *                                u2 fd00:a2::2 ---- g radio c ---- c2
 */
export interface Field {
  readonly lab: Lab;
  readonly sensors: Namespace;
  readonly gateway: Namespace;
  readonly collector: Namespace;
  readonly lines: Readonly<Record<Uplink, Line>>;
}

/** One uplink with its provider. The provider's device toward the gateway is `g`, the one toward the collector `c`. */
export interface Line {
  readonly uplink: Uplink;
  readonly gateway: Namespace;
  readonly provider: Namespace;
  readonly collector: Namespace;
  /** The gateway's device. */
  readonly device: string;
  /** What belongs to the provider, as a /48: its prefixes are parts of it. */
  readonly block: string;
  /** The first prefix that the provider hands out, and the one after a renumbering. */
  readonly prefixes: readonly [Prefix, Prefix];
  /** Next hop of the collector, in the provider's eyes, and back. */
  readonly core: { readonly provider: string; readonly collector: string };
  /** Number of the gateway's routing table for what comes from this provider's prefixes. */
  readonly table: string;
}

export interface Prefix {
  readonly network: string;
  readonly router: string;
  /** Of the gateway. */
  readonly host: string;
}

export function buildField(): Field {
  const lab = new Lab();
  try {
    const [sensors, gateway, collector] = [lab.namespace("sn"), lab.namespace("gw"), lab.namespace("co")];
    lab.wire(sensors, "s0", gateway, "l0");
    sensors.address("s0", "fd00:5e::2/64");
    gateway.address("l0", `${GATEWAY}/64`);
    collector.address("lo", `${COLLECTOR}/128`);
    const lines = Object.fromEntries(UPLINKS.map((uplink) => [uplink, connect(lab, gateway, collector, uplink)]));
    return { lab, sensors, gateway, collector, lines: lines as Record<Uplink, Line> };
  } catch (error) {
    lab.destroy();
    throw error;
  }
}

/** One provider between gateway and collector. */
function connect(lab: Lab, gateway: Namespace, collector: Namespace, uplink: Uplink): Line {
  const n = UPLINKS.indexOf(uplink);
  const provider = lab.namespace(`p${n}`);
  const prefixes = ["", ":0:1"].map((part) => {
    const network = `fd00:a${n}${part}::`;
    return { network: `${network}/64`, router: `${network}1`, host: `${network}2` };
  }) as [Prefix, Prefix];
  const line: Line = {
    uplink,
    gateway,
    provider,
    collector,
    device: `u${n}`,
    block: `fd00:a${n}::/48`,
    prefixes,
    core: { provider: `fd00:b${n}::1`, collector: `fd00:b${n}::2` },
    table: String(100 + n),
  };
  provider.sysctl("net.ipv6.conf.all.forwarding", 1);
  lab.wire(gateway, line.device, provider, "g");
  lab.wire(provider, "c", collector, `c${n}`);
  provider.address("c", `${line.core.provider}/64`);
  collector.address(`c${n}`, `${line.core.collector}/64`);
  provider.run("ip", "-6", "route", "add", `${COLLECTOR}/128`, "via", line.core.collector);
  offerPrefix(line, prefixes[0]);
  assignAddress(line, prefixes[0]);
  return line;
}

/** The provider routes the prefix: toward the gateway, and back from the collector. */
export function offerPrefix({ provider, collector, core }: Line, { network, router }: Prefix): void {
  provider.address("g", `${router}/64`);
  collector.run("ip", "-6", "route", "add", network, "via", core.provider, "src", COLLECTOR);
}

export function withdrawPrefix({ provider, collector }: Line, { network, router }: Prefix): void {
  provider.run("ip", "-6", "addr", "del", `${router}/64`, "dev", "g");
  collector.run("ip", "-6", "route", "del", network);
}

/** The gateway has an address, and what comes from it leaves over this provider: multi-homing by source address. */
export function assignAddress(line: Line, { host, router }: Prefix): void {
  line.gateway.run("ip", "-6", "rule", "add", "from", host, "lookup", line.table, "pref", "1000");
  line.gateway.address(line.device, `${host}/64`);
  routeThrough(line, router);
}

export function releaseAddress({ gateway, device, table }: Line, { host }: Prefix): void {
  gateway.run("ip", "-6", "addr", "del", `${host}/64`, "dev", device);
  gateway.run("ip", "-6", "rule", "del", "from", host, "lookup", table);
}

/** The kernel forgets this route with the interface; whoever configures the network puts it back. */
export function routeThrough({ gateway, device, table }: Line, router: string): void {
  gateway.run("ip", "-6", "route", "replace", "default", "via", router, "dev", device, "table", table);
}
