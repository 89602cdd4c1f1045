import { isIP, isIPv6 } from "node:net";
import { isPrefix } from "@paddock/uplink/paths/source-address.ts";
import { LANES } from "@paddock/wire/lanes.ts";
import * as v from "valibot";
import { PathBfdSchema } from "../paths/bfd-config.ts";
import { described, filePath, whole } from "./values.ts";

const sourceAddress = v.pipe(
  v.string("expected an IP address or an IPv6 prefix"),
  v.check(
    (text) => isIP(text.split("%")[0]!) !== 0 || isPrefix(text),
    "expected an address, such as 2001:db8:a::2, or an IPv6 prefix, such as 2001:db8:a::/48",
  ),
);
const interfaceName = v.pipe(
  v.string("expected the name of an interface"),
  v.regex(/^[^\s/]{1,15}$/, "expected the name of an interface, such as wan0"),
);

const nextHop = v.pipe(
  v.string("expected an IPv6 address"),
  v.check((text) => isIPv6(text.split("%")[0]!), "expected an IPv6 address, such as fe80::1 or 2001:db8:a::1"),
);
const endpointUrl = v.pipe(
  v.string(),
  v.url("expected an https URL, such as https://[2001:db8:c::1]:8443"),
  v.startsWith("https://", "expected an https URL, such as https://[2001:db8:c::1]:8443"),
  v.check(
    // What an uplink asks for stands at the root of the collector: with a path of its own every request would be a 404.
    (text) => isBareOrigin(text),
    "expected nothing behind host and port: no path, no query, no user",
  ),
);

const metered = v.strictObject({
  bytesPerMonth: described(whole(0, Number.MAX_SAFE_INTEGER, "bytes"), "Bytes that the plan holds per billing month."),
  billingDay: described(v.optional(whole(1, 28, "days"), 1), "Day of the month, UTC, on which the budget starts anew."),
  lanes: described(
    v.optional(v.array(v.picklist(LANES)), [...LANES]),
    "Lanes that may use the path while the budget lasts; after that only alarm may.",
  ),
});

/** One way to the collector. */
export const uplinkPath = v.strictObject({
  name: described(
    v.pipe(v.string(), v.regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,31}$/, "expected 1 to 32 letters, digits, dots, dashes")),
    "Name of the path in status, log and at the collector.",
  ),
  source: described(
    v.optional(v.nullable(sourceAddress), null),
    "Local address to send from, or an IPv6 prefix (2001:db8:a::/48) that it is taken from; null lets the kernel choose.",
  ),
  interface: described(
    v.optional(v.nullable(interfaceName), null),
    "Interface that the source must be on. With it, or with a prefix, the source follows the kernel's addresses; without one the path is down.",
  ),
  nextHop: described(
    v.optional(v.nullable(nextHop), null),
    "Router that packets from the source are to leave by: checked against the kernel's routes, and watched by bfd.firstHop; null: whichever it is.",
  ),
  endpoint: described(endpointUrl, "https URL of the collector on this path."),
  fallbackEndpoints: described(
    v.optional(v.array(endpointUrl), []),
    "Further https URLs of the same collector, tried in turn when the one before cannot be reached.",
  ),
  preference: described(v.optional(whole(0, 1000, "points"), 100), "Higher is preferred, 0 to 1000."),
  cost: described(
    v.optional(whole(0, 1_000_000, "points"), 0),
    "Among paths of equal preference the lower cost goes first.",
  ),
  riskGroups: described(
    v.optional(v.array(v.pipe(v.string(), v.minLength(1, "expected a word"))), []),
    "What would take this path down together with others: a shared fibre, mast or carrier.",
  ),
  metered: described(
    v.optional(v.nullable(metered), null),
    "Budget of a path that is paid by volume; null: not metered.",
  ),
  bfd: described(
    v.optional(v.nullable(PathBfdSchema), null),
    "BFD sessions that watch the path; null: only receipts tell whether it works.",
  ),
});

/** The other end of every path. */
export const collector = v.strictObject({
  publicKey: described(
    v.pipe(
      v.string(),
      v.regex(/^[0-9a-f]{64}$/, "expected 64 lower-case hex digits, as `paddock collector id` prints"),
    ),
    "Ed25519 public key of the collector: 64 hex digits.",
  ),
  claim: described(
    v.optional(v.nullable(v.pipe(v.string(), v.maxBytes(128, "expected at most 128 bytes"))), null),
    "Claim code that the operator approved beforehand; null waits for the operator's yes.",
  ),
  label: described(
    v.optional(v.pipe(v.string(), v.maxBytes(128, "expected at most 128 bytes")), ""),
    "What people call this gateway.",
  ),
  ca: described(
    v.optional(v.nullable(filePath), null),
    "PEM file of certificate authorities, for an ingress in front of the collector; null pins the collector's own key.",
  ),
});

function isBareOrigin(text: string): boolean {
  if (!URL.canParse(text)) return true;
  const { pathname, search, hash, username, password } = new URL(text);
  return pathname === "/" && search + hash + username + password === "";
}
