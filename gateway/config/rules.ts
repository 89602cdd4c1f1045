import { isIP, isIPv6 } from "node:net";
import { isLinkLocal } from "@paddock/uplink/bfd/session-spec.ts";
import { LANES } from "@paddock/wire/lanes.ts";
import type { ConfigFields } from "./fields.ts";
import { socketPath } from "./socket-path.ts";

/** Bytes of a Unix socket path on Linux, without the closing zero (unix(7)). */
const SOCKET_PATH_BYTES_MAX = 107;

/** What no field shows alone: each rule with the field it is reported at. */
export const RULES: readonly {
  readonly at: readonly [keyof ConfigFields, ...string[]];
  readonly holds: (fields: ConfigFields) => boolean;
  readonly message: string;
}[] = [
  {
    at: ["listen"],
    holds: ({ listen, plainListen }) => listen.length + plainListen.length > 0,
    message: "expected at least one listener, here or in plainListen",
  },
  {
    at: ["listen"],
    holds: ({ listen, plainListen }) =>
      distinct(
        [...listen, ...plainListen].filter(({ port }) => port !== 0).map(({ address, port }) => `${address} ${port}`),
      ),
    message: "expected every address and port once, plainListen included",
  },
  {
    at: ["lanes"],
    holds: ({ lanes }) => LANES.reduce((sum, name) => sum + lanes[name].quotaShare, 0) <= 1 + 1e-9,
    message: "expected shares (quotaShare) that add up to 1 at most",
  },
  {
    at: ["store", "ballastBytes"],
    holds: ({ store }) => store.ballastBytes <= store.maxBytes,
    message: "expected at most store.maxBytes",
  },
  {
    at: ["paths"],
    holds: ({ collector: known, paths }) => known !== null || paths.length === 0,
    message: "expected none without a collector: collector.publicKey says whom to trust at the other end",
  },
  {
    at: ["paths"],
    holds: ({ collector: known, paths }) => known === null || paths.length > 0,
    message: "expected at least one path to the collector; without collector and paths the gateway buffers only",
  },
  {
    at: ["status", "socket"],
    holds: (fields) => Buffer.byteLength(socketPath(fields)) <= SOCKET_PATH_BYTES_MAX,
    message: `expected a path of at most ${SOCKET_PATH_BYTES_MAX} bytes (dataDir with status.sock unless set), the limit of Unix sockets`,
  },
];

type PathFields = ConfigFields["paths"][number];

/** The same for one of the paths: the rule is reported at its field `at`. */
export const PATH_RULES: readonly {
  readonly at: keyof PathFields;
  readonly holds: (path: PathFields, before: readonly PathFields[]) => boolean;
  readonly message: string;
}[] = [
  {
    at: "name",
    holds: ({ name }, before) => before.every((other) => other.name !== name),
    message: "expected a different name for each path",
  },
  {
    at: "source",
    holds: ({ source, interface: on }) => on === null || source === null || isIPv6(source.split("/")[0]!),
    message:
      "expected an IPv6 source where there is an interface: only IPv6 addresses are followed, and link-local ones need none",
  },
  {
    at: "source",
    holds: ({ source, endpoint, fallbackEndpoints }) => {
      const family = source === null ? 0 : isIP(source.split(/[%/]/)[0]!);
      return [endpoint, ...fallbackEndpoints].every((url) => {
        const other = isIP(hostOf(url));
        return family === 0 || other === 0 || other === family;
      });
    },
    message: "expected source and endpoints to be all IPv6 or all IPv4: from one to the other nothing goes",
  },
  {
    at: "source",
    holds: ({ source, interface: on }) => source === null || !needsZone(source) || on !== null,
    message: "expected an interface, or %interface behind the address, where the source is link-local",
  },
  {
    at: "nextHop",
    holds: ({ nextHop: hop, interface: on }) => hop === null || !isLinkLocal(hop) || hop.includes("%") || on !== null,
    message: "expected an interface where nextHop is link-local: fe80::1 is another router on every link",
  },
  {
    at: "nextHop",
    holds: ({ nextHop: hop, interface: on }) => {
      const zone = hop?.split("%")[1];
      return zone === undefined || on === null || zone === on;
    },
    message: "expected the same interface behind the % of nextHop as in interface",
  },
  {
    at: "fallbackEndpoints",
    holds: ({ endpoint, fallbackEndpoints }) => distinct([endpoint, ...fallbackEndpoints]),
    message: "expected every endpoint of a path once, its endpoint included",
  },
];

/** The host of an https URL, without brackets; empty for what is no URL. */
function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname.replace(/^\[|\]$/g, "") : "";
}

/** A link-local address without the interface that makes it one address. */
function needsZone(address: string): boolean {
  return !address.includes("%") && isIPv6(address) && isLinkLocal(address);
}

function distinct(values: readonly string[]): boolean {
  return new Set(values).size === values.length;
}
