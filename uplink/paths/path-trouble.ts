import { isIP, isIPv6 } from "node:net";
import type { PathConfig } from "./path-config.ts";

/** Why a path is not usable, or not watched as configured, in words for whoever configured it. */
export interface PathTrouble {
  /** A sentence part. */
  readonly why: string;
  /** What to do about it; a sentence part as well. */
  readonly remedy: string;
  /** How long it has been so, in ms. */
  readonly forMs: number;
}

/** What a failure on a path means. `detail` is what the connection or the collector said of it. Pure. */
export function explainFailure(path: PathConfig, detail: string): Omit<PathTrouble, "forMs"> {
  const { source, endpoint } = path;
  const { hostname, port, pathname } = new URL(endpoint);
  // A forgotten port is the commonest mistake, and the URL leaves out the one that is assumed then.
  const host = `${hostname}:${port || "443"}`;
  const address = hostname.replace(/^\[|\]$/g, "");
  if (source !== undefined && isIP(address) !== 0 && isIPv6(source) !== isIPv6(address)) {
    const why = `the source ${source} and the endpoint ${address} are of different IP versions`;
    return { why, remedy: "name a source and an endpoint of the same version" };
  }
  if (detail.includes("EADDRNOTAVAIL")) {
    const why = `the source ${source ?? "address"} is on no interface of this machine`;
    return { why, remedy: "give the machine this address, or let the source follow an interface or a prefix" };
  }
  if (detail.includes("ECONNREFUSED"))
    return { why: `nothing listens at ${host}`, remedy: "start the collector there, or correct the endpoint" };
  if (/ENOTFOUND|EAI_/.test(detail))
    return { why: `the name ${hostname} is not found`, remedy: "correct the endpoint, or ask why DNS does not answer" };
  if (/EHOSTUNREACH|ENETUNREACH/.test(detail))
    return { why: `there is no route to ${host}`, remedy: "look at the routes from the source of the path" };
  if (detail.startsWith("404")) {
    const why = `${host} answers every request with 404`;
    if (pathname === "/")
      return { why, remedy: "correct the endpoint: something else than the collector answers there" };
    return { why, remedy: `take ${pathname} out of the endpoint, unless an ingress maps it to the collector` };
  }
  if (/not the configured|certificate/i.test(detail))
    return { why: detail, remedy: "compare collector.publicKey with what `paddock collector id` prints" };
  if (/within \d+ ms/.test(detail))
    return { why: `${host} does not answer`, remedy: "look at firewalls and routes on the way to this TCP port" };
  return { why: detail, remedy: "look at the log of gateway and collector" };
}
