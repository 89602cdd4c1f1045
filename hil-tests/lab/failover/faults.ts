import { routeThrough, type Line, type Prefix } from "./field.ts";
import type { Fault } from "./target.ts";

const MTU_BYTES = 1500;

/** Breaks a whole line in this way. Returns when it held, Unix ms. */
export function inflict(line: Line, fault: Exclude<Fault, { kind: "delay" }>): number {
  const { gateway, provider, device } = line;
  switch (fault.kind) {
    case "mtu":
      provider.run("ip", "link", "set", "c", "mtu", String(fault.bytes));
      break;
    case "interface-down":
      gateway.run("ip", "link", "set", device, "down");
      break;
    case "unplugged":
      provider.run("ip", "link", "set", "g", "down");
      break;
    default:
      provider.run("nft", filterTable(fault));
  }
  return Date.now();
}

/** Makes the line whole again; `prefix` is the one that the gateway has an address of now. */
export function undo(line: Line, fault: Exclude<Fault, { kind: "delay" }>, prefix: Prefix): void {
  const { gateway, provider, device } = line;
  switch (fault.kind) {
    case "mtu":
      provider.run("ip", "link", "set", "c", "mtu", String(MTU_BYTES));
      break;
    case "interface-down":
      gateway.run("ip", "link", "set", device, "up");
      routeThrough(line, prefix.router);
      break;
    case "unplugged":
      provider.run("ip", "link", "set", "g", "up");
      break;
    default:
      provider.run("nft", "delete table inet fault");
  }
}

type Filtered = Exclude<Fault, { kind: "delay" | "mtu" | "interface-down" | "unplugged" }>;

function filterTable(fault: Filtered): string {
  // What the router itself would say counts as well: a cut line sends no "unreachable".
  const hooks = fault.kind === "cut" ? ["forward", "input", "output"] : ["forward"];
  const rule = ruleOf(fault);
  const chains = hooks.map((hook) => `chain ${hook} { type filter hook ${hook} priority 0; ${rule}; };`);
  return `table inet fault { ${chains.join(" ")} }`;
}

function ruleOf(fault: Filtered): string {
  switch (fault.kind) {
    case "cut":
      return "drop";
    case "one-way":
      return `iifname "${fault.lost === "to-collector" ? "g" : "c"}" drop`;
    case "loss":
      return chance(fault.percent);
    case "tcp-loss":
      return `meta l4proto tcp ${chance(fault.percent)}`;
    case "black-hole":
      return "meta l4proto { tcp, udp } drop";
  }
}

function chance(percent: number): string {
  // numgen takes no comparison that always holds.
  return percent >= 100 ? "drop" : `numgen random mod 1000 < ${Math.round(percent * 10)} drop`;
}
