import type { LocalAddress } from "@paddock/uplink/paths/source-address.ts";
import { parseIpv6 } from "./ipv6.ts";

/** An interface over which neighbours can be reached by link-local multicast. */
export interface Link {
  readonly name: string;
  /** The kernel's number of the interface: another one under the same name is another link. 0: not known. */
  readonly index: number;
  /** Its addresses that can be bound, without zone. */
  readonly addresses: readonly string[];
}

/** Whether this is the wildcard address (RFC 4291 §2.5.2), however it is written. */
export function isAnyAddress(text: string): boolean {
  return parseIpv6(text)?.every((byte) => byte === 0) === true;
}

/** Whether an address can be bound: one that is still checked for duplicates, or is one, cannot. */
function isBindable({ tentative, duplicate }: LocalAddress): boolean {
  return !tentative && !duplicate;
}

/** Every address that can be bound, as a socket takes it, by a key that changes when a socket on it would be dead. */
export function bindableAddresses(addresses: readonly LocalAddress[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const local of addresses) {
    if (!isBindable(local)) continue;
    const { address, scope, interfaceName, interfaceIndex = 0 } = local;
    // A socket on a link-local address is tied to its interface, others to their address alone.
    if (scope === "link") found.set(`${address}%${interfaceName}#${interfaceIndex}`, `${address}%${interfaceName}`);
    else found.set(address, address);
  }
  return found;
}

/** The links of this machine: every interface with a link-local address, apart from the loopback. */
export function linksOf(addresses: readonly LocalAddress[]): Link[] {
  const byName = Map.groupBy(addresses.filter(isBindable), ({ interfaceName }) => interfaceName);
  return [...byName].flatMap(([name, locals]) => {
    const link = locals.find(({ scope }) => scope === "link");
    if (link === undefined || locals.some(({ scope }) => scope === "host")) return [];
    return [{ name, index: link.interfaceIndex ?? 0, addresses: locals.map(({ address }) => address) }];
  });
}

/** The link's addresses at which neighbours reach a listener that is bound to `listen`; none when it is elsewhere. */
export function reachableAt(listen: string, { name, addresses }: Link): readonly string[] {
  if (isAnyAddress(listen)) return addresses;
  const [address, zone] = listen.split("%");
  if (zone !== undefined && zone !== name) return [];
  const wanted = parseIpv6(address!);
  if (wanted === undefined) return [];
  return addresses.filter((text) => {
    const bytes = parseIpv6(text);
    return bytes !== undefined && Buffer.compare(bytes, wanted) === 0;
  });
}
