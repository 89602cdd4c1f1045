/** IPv6 addresses as bytes, from the text that sockets and configuration carry (RFC 4291 §2.2, zone as in RFC 4007). */

export const ADDRESS_BYTES = 16;

/**
 * The 16 bytes of an IPv6 address, or undefined. A zone (`%eth0`) is allowed and left out; the last 32 bits may be
 * dotted decimal.
 */
export function parseIpv6(text: string): Uint8Array | undefined {
  const zone = text.indexOf("%");
  const halves = (zone < 0 ? text : text.slice(0, zone)).split("::");
  if (halves.length > 2) return undefined;
  const head = groupsOf(halves[0]!);
  const tail = halves.length === 2 ? groupsOf(halves[1]!) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const bytes = new Uint8Array(ADDRESS_BYTES);
  const groups = [...head, ...Array.from({ length: missing }, () => 0), ...tail];
  for (const [index, group] of groups.entries()) {
    bytes[index * 2] = group >> 8;
    bytes[index * 2 + 1] = group & 0xff;
  }
  return bytes;
}

function groupsOf(text: string): number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    const dotted = index === parts.length - 1 ? DOTTED.exec(part) : null;
    if (dotted !== null) {
      const octets = dotted.slice(1).map(Number);
      if (octets.some((octet) => octet > 255)) return undefined;
      groups.push((octets[0]! << 8) | octets[1]!, (octets[2]! << 8) | octets[3]!);
    } else {
      if (!/^[0-9a-f]{1,4}$/i.test(part)) return undefined;
      groups.push(Number.parseInt(part, 16));
    }
  }
  return groups;
}

const DOTTED = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;

export interface Prefix {
  readonly address: Uint8Array;
  /** 0 to 128. */
  readonly bits: number;
}

/** An address, or an address and a prefix length after a slash; undefined when it is neither. */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf("/");
  const address = parseIpv6(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  if (slash < 0) return { address, bits: 128 };
  const length = text.slice(slash + 1);
  const bits = /^\d{1,3}$/.test(length) ? Number(length) : 129;
  return bits > 128 ? undefined : { address, bits };
}

/** The first `bits` bits of an address as hex, the rest zero: equal texts mean the same prefix. */
export function prefixKey(address: Uint8Array, bits: number): string {
  const masked = Buffer.alloc(ADDRESS_BYTES);
  const whole = bits >> 3;
  masked.set(address.subarray(0, whole));
  if ((bits & 7) !== 0) masked[whole] = address[whole]! & (0xff00 >> (bits & 7));
  return masked.toString("hex");
}
