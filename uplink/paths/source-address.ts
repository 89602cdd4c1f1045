import { BlockList, isIPv6 } from "node:net";

/** One IPv6 address of this machine, as the kernel lists it. */
export interface LocalAddress {
  readonly interfaceName: string;
  /** The kernel's number of the interface, which a new one under the same name does not have; undefined: not known. */
  readonly interfaceIndex?: number | undefined;
  readonly address: string;
  /** Bits of the prefix that the link shares. */
  readonly prefixLength: number;
  /** `global` includes unique local addresses (RFC 4193); `host` is the loopback's. */
  readonly scope: "global" | "link" | "host";
  /** Duplicate address detection (RFC 4862 §5.4) has not ended yet. */
  readonly tentative: boolean;
  /** Somebody else on the link has it. */
  readonly duplicate: boolean;
  /** Its preferred lifetime is over (RFC 4862 §5.5.4): open connections may go on, new ones should not begin. */
  readonly deprecated: boolean;
  /** RFC 8981: changes by itself, every day or so. */
  readonly temporary: boolean;
  /** Seconds from now; 4294967295 is for ever. */
  readonly preferredLifetimeS: number;
  /** Likewise: until the kernel takes it away. */
  readonly validLifetimeS: number;
}

/** What a path asks of its source; at least one of both. */
export interface SourceWish {
  readonly interfaceName?: string;
  /** An address, or a prefix such as `2001:db8:a::/48`. */
  readonly source?: string;
}

export interface SourceChoice {
  /** Undefined when no address fits. */
  readonly address: string | undefined;
  /** What the kernel says of it. */
  readonly local?: LocalAddress;
  /** Why this one, or why none; a sentence part for the operator. */
  readonly why: string;
}

/** What the kernel writes for a lifetime without end. */
export const FOREVER_S = 0xffff_ffff;

/** Whether `text` is an IPv6 prefix with its length, as in `2001:db8:a::/48`. */
export function isPrefix(text: string): boolean {
  const [address, length, ...rest] = text.split("/");
  return isIPv6(address!) && /^\d{1,3}$/u.test(length ?? "") && Number(length) <= 128 && rest.length === 0;
}

/** Whether the kernel's list decides about the source of a path that is configured so; null: not said. */
export function followsAddresses({
  source,
  interface: name,
}: {
  readonly source: string | null;
  readonly interface: string | null;
}): boolean {
  return name !== null || (source !== null && isPrefix(source));
}

/** The addresses in what `ip -j -6 addr show` prints; whatever is not one is left out. Never throws. */
export function parseAddresses(document: unknown): LocalAddress[] {
  if (!Array.isArray(document)) return [];
  return document.flatMap((link: unknown) => {
    const { ifname, ifindex, addr_info: infos } = fieldsOf(link);
    const index = typeof ifindex === "number" ? ifindex : undefined;
    if (typeof ifname !== "string" || !Array.isArray(infos)) return [];
    return infos.flatMap((info: unknown) => parseAddress(ifname, index, fieldsOf(info)));
  });
}

/**
 * The source address of a path. Usable are addresses of global scope that the wish names and that are proven to be
 * unique; the loopback's only when a prefix names it. Of those, in this order: one that is not deprecated; the one in
 * use, so that nothing moves without need; one of the destination's kind, unique local or not (RFC 6724 §5 rule 6);
 * one that does not change by itself (against its rule 7: source routing and the far side know the stable one); the
 * longest preferred lifetime.
 */
export function chooseSource(
  addresses: readonly LocalAddress[],
  wish: SourceWish,
  { current, destination }: { current?: string | undefined; destination?: string | undefined } = {},
): SourceChoice {
  const named = addresses.filter((candidate) => isNamed(candidate, wish));
  const usable = named.filter(({ tentative, duplicate }) => !tentative && !duplicate);
  const local = destination !== undefined && isUniqueLocal(destination);
  const order: ((candidate: LocalAddress) => number)[] = [
    ({ deprecated }) => Number(deprecated),
    ({ address }) => Number(address !== current),
    ({ scope }) => Number(scope !== "global"),
    ({ address }) => Number(isUniqueLocal(address) !== local),
    ({ temporary }) => Number(temporary),
    ({ preferredLifetimeS }) => -preferredLifetimeS,
  ];
  const compare = (left: LocalAddress, right: LocalAddress): number => {
    for (const key of order) {
      const difference = key(left) - key(right);
      if (difference !== 0) return difference;
    }
    return left.address < right.address ? -1 : 1;
  };
  const best = usable.toSorted(compare)[0];
  if (best === undefined) return { address: undefined, why: whyNone(named, wish) };
  return { address: best.address, local: best, why: whyThis(best, usable.length) };
}

/** `on wan0 in 2001:db8:a::/48`. */
function formatWish({ interfaceName, source }: SourceWish): string {
  const place = interfaceName === undefined ? "" : ` on ${interfaceName}`;
  if (source === undefined) return place;
  return isPrefix(source) ? `${place} in ${source}` : `${place} that is ${source}`;
}

function whyNone(named: readonly LocalAddress[], wish: SourceWish): string {
  const states = named.map(({ address, duplicate }) =>
    duplicate ? `${address} belongs to somebody else on the link` : `${address} is still being checked for duplicates`,
  );
  return [`no address${formatWish(wish)}`, ...states].join("; ");
}

function whyThis(best: LocalAddress, usable: number): string {
  const { interfaceName, deprecated, temporary, preferredLifetimeS } = best;
  const among = usable === 1 ? "the only one" : `the best of ${usable}`;
  const life = preferredLifetimeS >= FOREVER_S ? "" : `, preferred for ${preferredLifetimeS} s`;
  return `${among} on ${interfaceName}${temporary ? ", temporary" : ""}${deprecated ? ", deprecated" : life}`;
}

function isNamed({ interfaceName, address, scope }: LocalAddress, wish: SourceWish): boolean {
  if (wish.interfaceName !== undefined && wish.interfaceName !== interfaceName) return false;
  if (scope === "link") return false;
  if (wish.source === undefined) return scope === "global";
  const [network, length = "128"] = wish.source.split("/");
  return isWithin(address, network!, Number(length));
}

function isUniqueLocal(address: string): boolean {
  return isIPv6(address) && isWithin(address, "fc00::", 7);
}

function isWithin(address: string, network: string, length: number): boolean {
  const list = new BlockList();
  list.addSubnet(network, length, "ipv6");
  return list.check(address, "ipv6");
}

function parseAddress(
  interfaceName: string,
  interfaceIndex: number | undefined,
  info: Record<string, unknown>,
): LocalAddress[] {
  const { family, local, scope, prefixlen, preferred_life_time: preferred, valid_life_time: valid } = info;
  if (family !== "inet6" || typeof local !== "string" || !isIPv6(local)) return [];
  if (scope !== "global" && scope !== "link" && scope !== "host") return [];
  return [
    {
      interfaceName,
      interfaceIndex,
      address: local,
      prefixLength: typeof prefixlen === "number" ? prefixlen : 128,
      scope,
      tentative: info["tentative"] === true,
      duplicate: info["dadfailed"] === true,
      deprecated: info["deprecated"] === true,
      temporary: info["temporary"] === true,
      preferredLifetimeS: typeof preferred === "number" ? preferred : FOREVER_S,
      validLifetimeS: typeof valid === "number" ? valid : FOREVER_S,
    },
  ];
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
