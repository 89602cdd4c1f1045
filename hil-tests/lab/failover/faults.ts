import { routeThrough, type Line, type Prefix } from "./field.ts";
import type { Fault } from "./target.ts";

const MTU_BYTES = 1500;

/** A fault that is in force. */
export interface Inflicted {
  /** When it held, Unix ms. */
  readonly atMs: number;
  /** How many packets it has touched so far; for an interface 1 while the kernel says that it is not up. */
  touched(): number | Promise<number>;
  /** Makes the line whole again; `prefix` is the one that the gateway has an address of now. */
  undo(prefix: Prefix): void | Promise<void>;
}

/** Breaks a whole line in this way; `sabotaged`, everything but what breaks it is done. */
export function inflict(line: Line, fault: Exclude<Fault, { kind: "delay" }>, sabotaged = false): Inflicted {
  switch (fault.kind) {
    case "mtu":
      return shrink(line, fault.bytes, sabotaged);
    case "interface-down":
    case "unplugged":
      return darken(line, fault.kind, sabotaged);
    default:
      return filter(line, fault, sabotaged);
  }
}

function shrink({ provider }: Line, bytes: number, sabotaged: boolean): Inflicted {
  const tooBigBefore = tooBigSent(provider);
  if (!sabotaged) provider.run("ip", "link", "set", "c", "mtu", String(bytes));
  return {
    atMs: Date.now(),
    touched: () => tooBigSent(provider) - tooBigBefore,
    undo: () => void provider.run("ip", "link", "set", "c", "mtu", String(MTU_BYTES)),
  };
}

/** ICMPv6 "packet too big" (RFC 4443 §3.2) that the router has sent. */
function tooBigSent(router: Line["provider"]): number {
  const [, count] = /^Icmp6OutPktTooBigs\s+(\d+)$/m.exec(router.run("cat", "/proc/net/snmp6")) ?? [];
  if (count === undefined) throw new Error("the kernel does not count the packets that were too big");
  return Number(count);
}

function darken(line: Line, kind: "interface-down" | "unplugged", sabotaged: boolean): Inflicted {
  const { gateway, provider, device } = line;
  const [owner, link] = kind === "unplugged" ? [provider, "g"] : [gateway, device];
  if (!sabotaged) owner.run("ip", "link", "set", link, "down");
  return {
    atMs: Date.now(),
    touched: () => (operationalStateOf(line) === "UP" ? 0 : 1),
    undo: (prefix) => {
      owner.run("ip", "link", "set", link, "up");
      if (kind === "interface-down") routeThrough(line, prefix.router);
    },
  };
}

function operationalStateOf({ gateway, device }: Line): string | undefined {
  const [link] = JSON.parse(gateway.run("ip", "-j", "link", "show", "dev", device)) as { operstate?: string }[];
  return link?.operstate;
}

type Filtered = Exclude<Fault, { kind: "delay" | "mtu" | "interface-down" | "unplugged" }>;

function filter({ provider }: Line, fault: Filtered, sabotaged: boolean): Inflicted {
  provider.run("nft", filterTable(fault, sabotaged ? "accept" : "drop"));
  return {
    atMs: Date.now(),
    touched: () => {
      // In this order: what passes in between makes the difference smaller, never larger.
      const came = counted(provider, "before");
      return came - counted(provider, "behind");
    },
    undo: () => void provider.run("nft", "delete table inet fault"),
  };
}

/** Packets that the chains of this name have counted. */
function counted(provider: Line["provider"], where: "before" | "behind"): number {
  const listed = JSON.parse(provider.run("nft", "-j", "list", "table", "inet", "fault")) as {
    nftables: { rule?: { chain: string; expr: { counter?: { packets: number } }[] } }[];
  };
  return listed.nftables
    .flatMap(({ rule }) => (rule?.chain.startsWith(where) === true ? rule.expr : []))
    .reduce((sum, { counter }) => sum + (counter?.packets ?? 0), 0);
}

/**
 * What is swallowed is counted by its effect, as packets that came and did not get behind the filter: a rule can match
 * and do nothing, and a fault that touched nothing proves nothing.
 */
function filterTable(fault: Filtered, verdict: "drop" | "accept"): string {
  // What the router itself would say counts as well: a cut line sends no "unreachable".
  const hooks = fault.kind === "cut" ? ["forward", "input", "output"] : ["forward"];
  const rule = `${matchOf(fault)} ${verdict}`;
  const chains = hooks.flatMap((hook) => [
    `chain before_${hook} { type filter hook ${hook} priority 0; counter; ${rule}; };`,
    `chain behind_${hook} { type filter hook ${hook} priority 1; counter; };`,
  ]);
  return `table inet fault { ${chains.join(" ")} }`;
}

/** Of the packets that are swallowed. */
function matchOf(fault: Filtered): string {
  switch (fault.kind) {
    case "cut":
      return "";
    case "one-way":
      return `iifname "${fault.lost === "to-collector" ? "g" : "c"}"`;
    case "loss":
      return chance(fault.percent);
    case "tcp-loss":
      return `meta l4proto tcp ${chance(fault.percent)}`;
    case "black-hole":
      return "meta l4proto { tcp, udp }";
  }
}

function chance(percent: number): string {
  // numgen takes no comparison that always holds.
  return percent >= 100 ? "" : `numgen random mod 1000 < ${Math.round(percent * 10)}`;
}
