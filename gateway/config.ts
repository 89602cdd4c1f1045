import { isIP, isIPv6 } from "node:net";
import { join } from "node:path";
import { parseConfig, readConfigFile } from "@paddock/base/config.ts";
import { isLinkLocal } from "@paddock/uplink/bfd/session-spec.ts";
import { isPrefix } from "@paddock/uplink/paths/source-address.ts";
import { LANES } from "@paddock/wire/lanes.ts";
import * as v from "valibot";
import { bfdProblem, PathBfdSchema } from "./paths/bfd-config.ts";

/**
 * The one JSON document that configures a gateway. Every default stands here; gateway/config.schema.json is generated
 * from it (`node gateway/config-schema.ts`).
 */

const MIB = 1024 * 1024;
/** Bytes of a Unix socket path on Linux, without the closing zero (unix(7)). */
const SOCKET_PATH_BYTES_MAX = 107;

const described = <Schema extends v.GenericSchema>(schema: Schema, text: string) => v.pipe(schema, v.description(text));
const whole = (min: number, max: number, unit: string) =>
  v.pipe(
    v.number(`expected a whole number of ${unit}`),
    v.integer(`expected a whole number of ${unit}`),
    v.minValue(min, `expected ${min} to ${max} ${unit}`),
    v.maxValue(max, `expected ${min} to ${max} ${unit}`),
  );
/** A section that may be null, which stands for `whenNull`. */
const nullableSection = <Entries extends v.ObjectEntries>(
  section: v.StrictObjectSchema<Entries, undefined>,
  whenNull: v.InferOutput<v.StrictObjectSchema<Entries, undefined>>,
) =>
  v.pipe(
    v.nullable(section),
    v.transform((value) => value ?? whenNull),
  );
const share = v.pipe(v.number(), v.minValue(0, "expected 0 to 1"), v.maxValue(1, "expected 0 to 1"));
const filePath = v.pipe(v.string("expected a file path"), v.minLength(1, "expected a file path"));
const ipAddress = v.pipe(
  v.string("expected an IP address"),
  v.check((text) => isIP(text.split("%")[0]!) !== 0, "expected an IPv6 (or IPv4) address, such as :: or fe80::1%eth0"),
);

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

const portOf = (of: "UDP" | "TCP") => {
  const message = `expected a ${of} port, 0 to 65535`;
  return v.pipe(v.number(message), v.integer(message), v.minValue(0, message), v.maxValue(65_535, message));
};

/** Of UDP listeners: their sockets are IPv6 only, as is the way back to a sensor. */
const listenAddress = v.pipe(
  v.string("expected an IPv6 address"),
  v.check(
    (text) => isIP(text) !== 4 && !text.toLowerCase().startsWith("::ffff:"),
    "expected an IPv6 address, such as ::, because sensors reach the gateway over IPv6 only; put a translator (RFC 7915) in front of IPv4 sensors",
  ),
  v.check(
    (text) => isIP(text) === 4 || isIPv6(text.split("%")[0]!),
    "expected an IPv6 address, such as :: or fe80::1%eth0",
  ),
  v.check(
    (text) => !isLinkLocal(text) || text.includes("%"),
    "expected the interface behind a link-local address, as in fe80::1%eth0: it is another address on every link",
  ),
  v.check(
    (text) => !/^ff/i.test(text),
    "expected no multicast address: the gateway joins ff02::fd and ff05::fd by itself",
  ),
);

const udpListen = v.strictObject({
  address: described(
    listenAddress,
    "IPv6 address to bind; :: takes every address of this machine, and answers from the one that was asked.",
  ),
  port: described(v.optional(portOf("UDP"), 5683), "UDP port; 0 lets the kernel choose one."),
});

const lane = (name: string, lingerMs: number, pressure: "refuse-new" | "evict-oldest", quotaShare: number) =>
  described(
    v.optional(
      v.strictObject({
        lingerMs: described(
          v.optional(
            v.pipe(v.number(), v.minValue(0, "expected 0 to 60000 ms"), v.maxValue(60_000, "expected 0 to 60000 ms")),
            lingerMs,
          ),
          "Milliseconds that a frame whose sensor waits for no answer may wait for company in its batch. Longer batches wear the disk less.",
        ),
        pressure: described(
          v.optional(v.picklist(["refuse-new", "evict-oldest"]), pressure),
          "When the store is full of frames that no receipt names: refuse-new answers 5.03; evict-oldest gives up the oldest payloads and says so in the chain.",
        ),
        quotaShare: described(
          v.optional(share, quotaShare),
          "Part of the store, 0 to 1, that is this lane's own. What a lane leaves unused the others may use.",
        ),
      }),
      {},
    ),
    `The ${name} lane.`,
  );

const metered = v.strictObject({
  bytesPerMonth: described(whole(0, Number.MAX_SAFE_INTEGER, "bytes"), "Bytes that the plan holds per billing month."),
  billingDay: described(v.optional(whole(1, 28, "days"), 1), "Day of the month, UTC, on which the budget starts anew."),
  lanes: described(
    v.optional(v.array(v.picklist(LANES)), [...LANES]),
    "Lanes that may use the path while the budget lasts; after that only alarm may.",
  ),
});

const uplinkPath = v.strictObject({
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

const collector = v.strictObject({
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

const schemaFields = v.strictObject({
  dataDir: described(filePath, "Directory of the store, the identity key and the status socket."),
  listen: described(v.optional(v.array(udpListen), [{ address: "::" }]), "CoAP listeners."),
  plainListen: described(
    v.optional(v.array(udpListen), []),
    "Listeners that take one frame per datagram without CoAP and never answer.",
  ),
  identity: described(
    v.optional(
      v.strictObject({
        keyFile: described(
          v.optional(v.nullable(filePath), null),
          "PEM file of an injected Ed25519 key (mode 0600); null makes one in dataDir at the first start.",
        ),
      }),
      {},
    ),
    "Who this gateway is.",
  ),
  sensors: described(
    v.optional(
      v.strictObject({
        file: described(v.optional(v.nullable(filePath), null), "JSON file of the known sensors; null: none is known."),
        unknown: described(
          v.optional(v.picklist(["accept", "refuse"]), "accept"),
          "What happens to a sensor that the file does not name.",
        ),
        rateFramesPerS: described(
          v.optional(whole(0, 1_000_000, "frames/s"), 0),
          "Frames per second that one source may send; 0: no limit.",
        ),
      }),
      {},
    ),
    "Which sensors may send, and how much.",
  ),
  lanes: described(
    v.optional(
      v.strictObject({
        alarm: lane("alarm", 0, "refuse-new", 0.2),
        telemetry: lane("telemetry", 5, "evict-oldest", 0.5),
        bulk: lane("bulk", 20, "evict-oldest", 0.3),
      }),
      {},
    ),
    "The three priority classes; each is a hash chain of its own.",
  ),
  store: described(
    v.optional(
      v.strictObject({
        maxBytes: described(
          v.optional(whole(MIB, Number.MAX_SAFE_INTEGER, "bytes"), 1024 * MIB),
          "Bytes of batches that the store holds at most.",
        ),
        minFreeBytes: described(
          v.optional(whole(0, Number.MAX_SAFE_INTEGER, "bytes"), 64 * MIB),
          "Bytes that stay free on the disk.",
        ),
        ballastBytes: described(
          v.optional(whole(0, 1024 * MIB, "bytes"), 8 * MIB),
          "Bytes of a file that is given up to get out of a full disk.",
        ),
      }),
      {},
    ),
    "The buffer on disk.",
  ),
  collector: described(v.optional(v.nullable(collector), null), "The collector; null buffers only."),
  paths: described(v.optional(v.array(uplinkPath), []), "Ways to the collector."),
  bfd: described(
    v.optional(
      v.strictObject({
        socket: described(
          v.optional(v.nullable(filePath), null),
          "Unix socket of a `paddock bfd` that the service manager runs; null: the gateway starts one when a path has bfd.",
        ),
      }),
      {},
    ),
    "The BFD speaker, a process of its own.",
  ),
  forward: described(
    v.optional(
      v.strictObject({
        order: described(
          v.optional(v.picklist(["live-first", "oldest-first"]), "live-first"),
          "live-first sends new batches before the backlog; oldest-first sends in the order of the chain.",
        ),
        backfillShare: described(
          v.optional(share, 0.25),
          "Part of the uplink, 0 to 1, that the backlog gets while live batches flow.",
        ),
        alarmTwice: described(
          v.optional(v.boolean(), false),
          "Send alarm batches over two disjoint paths at the same time.",
        ),
        drainMs: described(
          v.optional(whole(0, 60_000, "ms"), 2000),
          "Milliseconds that uploads under way get to finish when the gateway stops.",
        ),
      }),
      {},
    ),
    "How batches leave.",
  ),
  status: described(
    v.optional(
      v.strictObject({
        socket: described(
          v.optional(v.nullable(filePath), null),
          "Unix socket of the status commands; null: status.sock in dataDir.",
        ),
      }),
      {},
    ),
    "Where `paddock gateway status` asks.",
  ),
  metrics: described(
    v.optional(
      nullableSection(
        v.strictObject({
          listen: described(
            v.optional(v.nullable(v.strictObject({ address: ipAddress, port: portOf("TCP") })), null),
            "Address of an HTTP listener for OpenMetrics at /metrics; null: none. It asks nobody who they are.",
          ),
        }),
        { listen: null },
      ),
      {},
    ),
    "Metrics over HTTP; null: none.",
  ),
  discovery: described(
    v.optional(
      v.strictObject({
        enabled: described(
          v.optional(v.boolean(), true),
          "Announce the CoAP listener as _coap._udp by DNS-SD over multicast DNS.",
        ),
        multicast: described(
          v.optional(v.boolean(), true),
          "Answer CoAP requests for the list of resources to All CoAP Nodes (ff02::fd, ff05::fd), whether or not anything is announced.",
        ),
        name: described(
          v.optional(
            v.nullable(
              v.pipe(v.string(), v.minLength(1, "expected a name"), v.maxBytes(63, "expected at most 63 bytes")),
            ),
            null,
          ),
          "Name of the announced service; null: paddock- and the first digits of the gateway's id.",
        ),
      }),
      {},
    ),
    "How sensors find the gateway.",
  ),
  log: described(
    v.optional(
      v.strictObject({
        level: described(
          v.optional(v.picklist(["debug", "info", "warn", "error"]), "info"),
          "Least level that is logged.",
        ),
      }),
      {},
    ),
    "Log lines on standard error.",
  ),
});

type Fields = v.InferOutput<typeof schemaFields>;

/** What no field shows alone: each rule with the field it is reported at. */
const RULES: readonly {
  readonly at: readonly [keyof Fields, ...string[]];
  readonly holds: (fields: Fields) => boolean;
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
    at: ["paths"],
    holds: ({ paths }) => distinct(paths.map(({ name }) => name)),
    message: "expected a different name for each path",
  },
  {
    at: ["paths"],
    holds: ({ paths }) =>
      paths.every((path) => path.interface === null || path.source === null || isIPv6(path.source.split("/")[0]!)),
    message:
      "expected an IPv6 source wherever there is an interface: only IPv6 addresses are followed, and link-local ones need none",
  },
  {
    at: ["paths"],
    holds: ({ paths }) =>
      paths.every(({ source, endpoint, fallbackEndpoints }) => {
        const family = source === null ? 0 : isIP(source.split(/[%/]/)[0]!);
        return [endpoint, ...fallbackEndpoints].every((url) => {
          const other = isIP(hostOf(url));
          return family === 0 || other === 0 || other === family;
        });
      }),
    message: "expected source and endpoint of a path to be both IPv6 or both IPv4: from one to the other nothing goes",
  },
  {
    at: ["paths"],
    holds: ({ paths }) =>
      paths.every(({ source, interface: on }) => source === null || !needsZone(source) || on !== null),
    message: "expected an interface, or %interface behind the address, wherever the source is link-local",
  },
  {
    at: ["paths"],
    holds: ({ paths }) =>
      paths.every(
        ({ nextHop: hop, interface: on }) => hop === null || !isLinkLocal(hop) || hop.includes("%") || on !== null,
      ),
    message: "expected an interface wherever nextHop is link-local: fe80::1 is another router on every link",
  },
  {
    at: ["paths"],
    holds: ({ paths }) =>
      paths.every(({ nextHop: hop, interface: on }) => {
        const zone = hop?.split("%")[1];
        return zone === undefined || on === null || zone === on;
      }),
    message: "expected the same interface behind the % of nextHop as in interface",
  },
  {
    at: ["paths"],
    holds: ({ paths }) => paths.every(({ endpoint, fallbackEndpoints }) => distinct([endpoint, ...fallbackEndpoints])),
    message: "expected every endpoint of a path once, fallbackEndpoints included",
  },
  {
    at: ["status", "socket"],
    holds: (fields) => Buffer.byteLength(socketPath(fields)) <= SOCKET_PATH_BYTES_MAX,
    message: `expected a path of at most ${SOCKET_PATH_BYTES_MAX} bytes (dataDir with status.sock unless set), the limit of Unix sockets`,
  },
];

export const GatewayConfigSchema = v.pipe(
  schemaFields,
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    for (const { at, holds, message } of RULES) {
      if (holds(dataset.value)) continue;
      const path = issuePath(dataset.value, at);
      addIssue({ message, path, input: path.at(-1)!.value });
    }
    for (const [index, uplink] of dataset.value.paths.entries()) {
      const problem = bfdProblem(uplink);
      if (problem === undefined) continue;
      const path = issuePath(dataset.value, ["paths", index, "bfd", problem.scope]);
      addIssue({ message: problem.message, path, input: path.at(-1)!.value });
    }
  }),
);

export type GatewayConfig = v.InferOutput<typeof GatewayConfigSchema>;

/** Checks a document. Throws PaddockError CONFIG_INVALID that names every field at fault. */
export function parseGatewayConfig(document: unknown, what = "the configuration"): GatewayConfig {
  return parseConfig(GatewayConfigSchema, document, what);
}

/** Reads and checks the file. Throws PaddockError CONFIG_UNREADABLE or CONFIG_INVALID. */
export function readGatewayConfig(file: string): Promise<GatewayConfig> {
  return readConfigFile(GatewayConfigSchema, file);
}

export function socketPath(config: Pick<Fields, "dataDir" | "status">): string {
  return config.status.socket ?? join(config.dataDir, "status.sock");
}

/** An address and port as people write it. */
export function formatAddress(address: string, port: number): string {
  return isIPv6(address.split("%")[0]!) ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The host of an https URL, without brackets; empty for what is no URL. */
function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname.replace(/^\[|\]$/g, "") : "";
}

function isBareOrigin(text: string): boolean {
  if (!URL.canParse(text)) return true;
  const { pathname, search, hash, username, password } = new URL(text);
  return pathname === "/" && search + hash + username + password === "";
}

/** A link-local address without the interface that makes it one address. */
function needsZone(address: string): boolean {
  return !address.includes("%") && isIPv6(address) && isLinkLocal(address);
}

function distinct(values: readonly string[]): boolean {
  return new Set(values).size === values.length;
}

function issuePath(root: Fields, keys: readonly (string | number)[]): [v.IssuePathItem, ...v.IssuePathItem[]] {
  let input: unknown = root;
  const items = keys.map((key): v.IssuePathItem => {
    const value = (input as Record<string, unknown>)[key];
    const place = { origin: "value", key, value } as const;
    const item =
      typeof key === "number"
        ? { ...place, type: "array" as const, key, input: input as unknown[] }
        : { ...place, type: "object" as const, key, input: input as Record<string, unknown> };
    input = value;
    return item;
  });
  return items as [v.IssuePathItem, ...v.IssuePathItem[]];
}
