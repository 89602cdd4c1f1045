import { isIPv6, SocketAddress } from "node:net";

/** The way that the kernel's routes choose for packets of one source. */
export interface KernelRoute {
  readonly device: string;
  /** Null when the destination is on the link itself. */
  readonly nextHop: string | null;
}

/** What a path asks of it; null: nothing. */
export interface RouteWish {
  readonly interface: string | null;
  readonly nextHop: string | null;
}

/** Reads what `ip -j -6 route get` prints; undefined when it names no device. Never throws. */
export function parseRoute(text: string): KernelRoute | undefined {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return undefined;
  }
  const route: unknown = Array.isArray(document) ? document[0] : undefined;
  if (typeof route !== "object" || route === null) return undefined;
  const { dev, gateway } = route as Record<string, unknown>;
  if (typeof dev !== "string") return undefined;
  return { device: dev, nextHop: typeof gateway === "string" ? gateway : null };
}

/**
 * What is wrong with the way that packets from `source` take, as a sentence with its remedy; undefined when it is as the
 * path asks. A source that leaves by another uplink is the commonest mistake of a multi-homed set-up: the other provider
 * drops it (RFC 2827), or the path shares the fate of the one that it was to replace. Pure.
 */
export function routeProblem(wish: RouteWish, source: string, route: KernelRoute | undefined): string | undefined {
  if (route === undefined) return `there is no route from ${source} to the collector; ${remedy(wish, source)}`;
  const { device, nextHop } = route;
  if (wish.interface !== null && device !== wish.interface) {
    return `packets from ${source} leave by ${device}, not by ${wish.interface}; ${remedy(wish, source)}`;
  }
  if (wish.nextHop !== null && !sameAddress(wish.nextHop, nextHop)) {
    const through = nextHop ?? "no router";
    return `packets from ${source} leave through ${through}, not through ${wish.nextHop}; ${remedy(wish, source)}`;
  }
  return undefined;
}

function remedy({ interface: device, nextHop }: RouteWish, source: string): string {
  const via = nextHop === null ? "via ROUTER" : `via ${withoutZone(nextHop)}`;
  const dev = device ?? nextHop?.split("%")[1] ?? "DEVICE";
  return `add "ip -6 rule add from ${source} lookup TABLE pref 1000" and "ip -6 route add default ${via} dev ${dev} table TABLE"`;
}

function withoutZone(address: string): string {
  return address.split("%")[0]!;
}

function sameAddress(left: string, right: string | null): boolean {
  return right !== null && canonical(left) === canonical(right);
}

function canonical(text: string): string {
  const address = withoutZone(text);
  return isIPv6(address) ? new SocketAddress({ address, family: "ipv6" }).address : address;
}
