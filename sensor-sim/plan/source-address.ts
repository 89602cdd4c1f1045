import { SocketAddress } from "node:net";

/** The address of sensor number `index` in a source: the address itself, or of a prefix the one numbered index + 1. */
export function sourceAddress(source: string, index: number): string {
  const [address, length] = source.split("/");
  if (length === undefined) return address!;
  const groups = expand(address!);
  let rest = index + 1;
  for (let group = 7; group >= 0 && rest > 0; group--) {
    const sum = groups[group]! + rest;
    groups[group] = sum & 0xffff;
    rest = Math.floor(sum / 0x1_0000);
  }
  const text = groups.map((group) => group.toString(16)).join(":");
  return new SocketAddress({ address: text, family: "ipv6" }).address;
}

/** The eight groups of an IPv6 address, also of one that ends in dotted IPv4. */
function expand(address: string): number[] {
  const plain = new SocketAddress({ address, family: "ipv6" }).address.replace(
    /(\d+)\.(\d+)\.(\d+)\.(\d+)$/,
    (_, a, b, c, d) => `${((Number(a) << 8) | Number(b)).toString(16)}:${((Number(c) << 8) | Number(d)).toString(16)}`,
  );
  const [left = "", right] = plain.split("::");
  const head = parseGroups(left);
  if (right === undefined) return head;
  const tail = parseGroups(right);
  return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail];
}

function parseGroups(part: string): number[] {
  return part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
}
