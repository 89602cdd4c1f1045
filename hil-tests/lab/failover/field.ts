import { Lab, type Namespace } from "../namespaces.ts";
import { UPLINKS, type Fault, type Uplink } from "./target.ts";

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
  readonly providers: Readonly<Record<Uplink, Namespace>>;
}

export function sourceOf(uplink: Uplink): string {
  return `fd00:a${UPLINKS.indexOf(uplink)}::2`;
}

export function buildField(): Field {
  const lab = new Lab();
  try {
    const [sensors, gateway, collector] = [lab.namespace("sn"), lab.namespace("gw"), lab.namespace("co")];
    lab.wire(sensors, "s0", gateway, "l0");
    sensors.address("s0", "fd00:5e::2/64");
    gateway.address("l0", `${GATEWAY}/64`);
    collector.address("lo", `${COLLECTOR}/128`);
    const providers = Object.fromEntries(UPLINKS.map((uplink) => [uplink, connect(lab, gateway, collector, uplink)]));
    return { lab, sensors, gateway, collector, providers: providers as Record<Uplink, Namespace> };
  } catch (error) {
    lab.destroy();
    throw error;
  }
}

/** One provider between gateway and collector. */
function connect(lab: Lab, gateway: Namespace, collector: Namespace, uplink: Uplink): Namespace {
  const n = UPLINKS.indexOf(uplink);
  const provider = lab.namespace(`p${n}`);
  provider.sysctl("net.ipv6.conf.all.forwarding", 1);
  lab.wire(gateway, `u${n}`, provider, "g");
  lab.wire(provider, "c", collector, `c${n}`);
  gateway.address(`u${n}`, `${sourceOf(uplink)}/64`);
  provider.address("g", `fd00:a${n}::1/64`);
  provider.address("c", `fd00:b${n}::1/64`);
  collector.address(`c${n}`, `fd00:b${n}::2/64`);
  // Multi-homing by source address: who speaks from a provider's prefix leaves over that provider.
  const routes = String(100 + n);
  gateway.run("ip", "-6", "rule", "add", "from", sourceOf(uplink), "lookup", routes, "pref", "1000");
  gateway.run("ip", "-6", "route", "add", "default", "via", `fd00:a${n}::1`, "dev", `u${n}`, "table", routes);
  provider.run("ip", "-6", "route", "add", `${COLLECTOR}/128`, "via", `fd00:b${n}::2`);
  collector.run("ip", "-6", "route", "add", `fd00:a${n}::/64`, "via", `fd00:b${n}::1`, "src", COLLECTOR);
  return provider;
}

const MTU_BYTES = 1500;

/** Makes the provider whole, then breaks it in this way. */
export function applyFault(provider: Namespace, fault: Fault | undefined): void {
  provider.filter(fault === undefined ? "" : rulesOf(fault));
  provider.run("ip", "link", "set", "c", "mtu", String(fault?.kind === "mtu" ? fault.bytes : MTU_BYTES));
}

function rulesOf(fault: Fault): string {
  switch (fault.kind) {
    case "cut":
      // What the router itself would say counts as well: a cut line sends no "unreachable".
      return filterTable("drop", ["forward", "input", "output"]);
    case "one-way":
      return filterTable(`iifname "${fault.lost === "to-collector" ? "g" : "c"}" drop`);
    case "loss":
      return filterTable(`numgen random mod 1000 < ${Math.round(fault.percent * 10)} drop`);
    case "black-hole":
      return filterTable("meta l4proto { tcp, udp } drop");
    case "mtu":
      return "";
  }
}

function filterTable(rule: string, hooks: readonly string[] = ["forward"]): string {
  const chains = hooks.map((hook) => `chain ${hook} { type filter hook ${hook} priority 0; ${rule}; };`);
  return `table inet fault { ${chains.join(" ")} }`;
}
