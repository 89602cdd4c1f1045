import { Lab, type Namespace } from "../namespaces.ts";

/**
 * A gateway, a peer and a router:
 *
 *     us d0 fd00:bfd:1::1 ---------------------------------- d1 fd00:bfd:1::2 peer
 *     us u0 fd00:bfd:a::1 --- r0 ::ff router ff:: r1 -------- p0 fd00:bfd:b::1 peer
 */
export interface Topology {
  readonly lab: Lab;
  readonly us: Namespace;
  readonly peer: Namespace;
  readonly router: Namespace;
}

export const DIRECT = { us: "fd00:bfd:1::1", peer: "fd00:bfd:1::2" } as const;
export const ROUTED = { us: "fd00:bfd:a::1", peer: "fd00:bfd:b::1", router: "fd00:bfd:a::ff" } as const;

export function buildTopology(): Topology {
  const lab = new Lab();
  const [us, peer, router] = [lab.namespace("us"), lab.namespace("peer"), lab.namespace("rt")];
  lab.wire(us, "d0", peer, "d1");
  lab.wire(us, "u0", router, "r0");
  lab.wire(router, "r1", peer, "p0");
  us.address("d0", `${DIRECT.us}/64`);
  peer.address("d1", `${DIRECT.peer}/64`);
  us.address("u0", `${ROUTED.us}/64`);
  router.address("r0", `${ROUTED.router}/64`);
  router.address("r1", "fd00:bfd:b::ff/64");
  peer.address("p0", `${ROUTED.peer}/64`);
  router.sysctl("net.ipv6.conf.all.forwarding", 1);
  us.run("ip", "-6", "route", "add", "fd00:bfd:b::/64", "via", ROUTED.router);
  peer.run("ip", "-6", "route", "add", "fd00:bfd:a::/64", "via", "fd00:bfd:b::ff");
  return { lab, us, peer, router };
}
