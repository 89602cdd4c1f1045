import { BlockList, isIP } from "node:net";

/** A predicate for addresses: those of `entries`, each an address or a prefix such as 2001:db8::/32. */
export function addressFilter(entries: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const entry of entries) {
    const { address, family, bits } = parsePrefix(entry)!;
    list.addSubnet(address, bits, family);
  }
  return (address) => {
    const [plain = ""] = address.split("%");
    const version = isIP(plain);
    return version !== 0 && list.check(plain, version === 6 ? "ipv6" : "ipv4");
  };
}

/** Undefined for what is neither an address nor a prefix. */
export function parsePrefix(
  text: string,
): { readonly address: string; readonly family: "ipv4" | "ipv6"; readonly bits: number } | undefined {
  const [, address = "", suffix] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(address);
  if (version === 0) return undefined;
  const most = version === 6 ? 128 : 32;
  const bits = suffix === undefined ? most : Number(suffix);
  return bits > most ? undefined : { address, family: version === 6 ? "ipv6" : "ipv4", bits };
}
