import { isIP, isIPv6 } from "node:net";
import * as v from "valibot";
import { parseConfig } from "@paddock/base/config.ts";
import { PaddockError } from "@paddock/base/errors.ts";
import { BFD_AUTH_TYPES, type BfdAuth, type BfdKey, secretBytesMax } from "@paddock/wire/bfd-auth.ts";
import { BFD_PORTS } from "@paddock/wire/bfd-packet.ts";
import { INTERVAL_MS_MIN } from "./intervals.ts";
import { PROFILES, type ProfileName } from "./profiles.ts";

/** RFC 5881 §5 and RFC 5883: the interface of a link-local address goes behind a `%`. */
const address = v.pipe(
  v.string(),
  v.check(
    (text) => isIP(text) !== 0,
    "write an IPv6 (or IPv4) address, link-local ones with their interface: fe80::1%eth0",
  ),
  v.check(
    (text) => !isLinkLocal(text) || text.includes("%"),
    "add the interface of this link-local address, as in fe80::1%eth0",
  ),
);

const port = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535));
const intervalMs = v.pipe(
  v.number(),
  v.minValue(INTERVAL_MS_MIN, `at least ${INTERVAL_MS_MIN} ms: timers count whole milliseconds`),
  v.maxValue(4_294_967, "at most 4294967 ms: the packet has 32 bits of microseconds"),
);
const detectMult = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(255));
const discriminator = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(0xffff_ffff));

const key = v.strictObject({
  /** Key id, 0 to 255. */
  id: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(255)),
  /** The secret as text, or as hex with `hex:` before it. */
  secret: v.pipe(v.string(), v.minLength(1)),
});

const auth = v.strictObject({
  type: v.picklist(BFD_AUTH_TYPES),
  /** The first signs, all are accepted. */
  keys: v.pipe(v.array(key), v.minLength(1, "at least one key")),
});

export const SESSION_SCHEMA = v.strictObject({
  /** Unique among those of its owner; chosen by whoever adds the session. */
  name: v.pipe(v.string(), v.minLength(1), v.maxLength(120)),
  /** Who added it; nobody else changes or removes it. A path name fits. */
  owner: v.optional(v.pipe(v.string(), v.maxLength(4200)), ""),
  /** RFC 5881, RFC 5883, RFC 7880 initiator, RFC 9747. */
  kind: v.picklist(["single-hop", "multihop", "seamless", "echo"]),
  local: address,
  /** The peer; for echo left out, the packets are addressed to `local` and the routing table names the router. */
  remote: v.optional(address),
  profile: v.optional(v.picklist(Object.keys(PROFILES) as [ProfileName, ...ProfileName[]]), "steady"),
  /** Both directions; overrides the profile. */
  intervalMs: v.optional(intervalMs),
  /** Overrides `intervalMs` for what we send. */
  transmitIntervalMs: v.optional(intervalMs),
  /** Overrides `intervalMs` for what the peer may send. */
  receiveIntervalMs: v.optional(intervalMs),
  detectMult: v.optional(detectMult),
  passive: v.optional(v.boolean(), false),
  enabled: v.optional(v.boolean(), true),
  /** Whether the transmission interval grows when this process stalls too long to keep it. */
  adaptive: v.optional(v.boolean(), true),
  auth: v.optional(auth),
  /** The reflector's discriminator (seamless only). */
  remoteDiscriminator: v.optional(discriminator),
  /** Ports other than the registered ones, for tests and for machines without privileges. */
  localPort: v.optional(port),
  remotePort: v.optional(port),
});

export type SessionSpec = v.InferOutput<typeof SESSION_SCHEMA>;
/** What `add` takes: everything with a default may be left out. */
export type SessionSpecInput = v.InferInput<typeof SESSION_SCHEMA>;
export type SessionKind = SessionSpec["kind"];

export interface PortSet {
  readonly singleHop: number;
  readonly multihop: number;
  readonly seamless: number;
  readonly echo: number;
}

/** Checks a session and fills in its defaults. Throws PaddockError BFD_INVALID or CONFIG_INVALID naming the field. */
export function parseSession(input: unknown): SessionSpec {
  const spec = parseConfig(SESSION_SCHEMA, input, "BFD session");
  const fail = (message: string): never => {
    throw new PaddockError("BFD_INVALID", `session "${spec.name}": ${message}`);
  };
  if (spec.kind === "echo" && spec.remote !== undefined)
    fail("remote: an echo is addressed to local; leave remote out.");
  if (spec.kind !== "echo" && spec.remote === undefined)
    fail(`remote: missing; a ${spec.kind} session needs its peer.`);
  if (spec.remote !== undefined && isIPv6(spec.remote) !== isIPv6(spec.local))
    fail("local and remote are of two IP versions.");
  if (spec.remote !== undefined && isLinkLocal(spec.remote) !== isLinkLocal(spec.local)) {
    fail("local and remote must both be link-local, or neither.");
  }
  if (spec.kind === "multihop" && isLinkLocal(spec.local))
    fail("local: a link-local address does not reach beyond one hop.");
  if (spec.kind === "seamless" && spec.remoteDiscriminator === undefined) {
    fail("remoteDiscriminator: missing; it is what the reflector answers to.");
  }
  if (spec.kind !== "seamless" && spec.remoteDiscriminator !== undefined) {
    fail("remoteDiscriminator: only for seamless sessions; the others learn it.");
  }
  if (spec.passive && (spec.kind === "seamless" || spec.kind === "echo"))
    fail(`passive: not possible for ${spec.kind}.`);
  if (spec.auth !== undefined) {
    if (spec.kind === "seamless" || spec.kind === "echo") fail(`auth: not possible for ${spec.kind}.`);
    authOf(spec.auth, fail);
  }
  return spec;
}

function authOf(config: NonNullable<SessionSpec["auth"]>, fail: (message: string) => never): BfdAuth {
  const most = secretBytesMax(config.type);
  const keys: BfdKey[] = config.keys.map(({ id, secret }) => {
    const bytes = secretBytes(secret);
    if (bytes === undefined)
      return fail(`auth.keys: the secret of key ${id} is not hex: write pairs of 0 to 9 and a to f.`);
    if (bytes.length === 0 || bytes.length > most) {
      fail(`auth.keys: the secret of key ${id} has ${bytes.length} bytes; ${config.type} takes 1 to ${most}.`);
    }
    return { id, secret: bytes };
  });
  if (new Set(keys.map(({ id }) => id)).size !== keys.length) fail("auth.keys: two keys have the same id.");
  return { type: config.type, keys: keys as [BfdKey, ...BfdKey[]] };
}

/** Undefined for what calls itself hex and is not: Buffer.from would keep what stands before the first slip. */
function secretBytes(secret: string): Buffer | undefined {
  if (!secret.startsWith("hex:")) return Buffer.from(secret, "utf8");
  const digits = secret.slice(4);
  return /^(?:[0-9a-f]{2})*$/i.test(digits) ? Buffer.from(digits, "hex") : undefined;
}

/** The keys of a parsed session, as the codec wants them. */
export function sessionAuth(spec: SessionSpec): BfdAuth | undefined {
  if (spec.auth === undefined) return undefined;
  return authOf(spec.auth, (message) => {
    throw new PaddockError("BFD_INVALID", `session "${spec.name}": ${message}`);
  });
}

/** The intervals that a session asks for, in microseconds. */
export function sessionTimers(spec: SessionSpec): {
  desiredMinTxUs: number;
  requiredMinRxUs: number;
  detectMult: number;
} {
  const profile = PROFILES[spec.profile];
  const bothMs = spec.intervalMs ?? profile.intervalMs;
  return {
    desiredMinTxUs: Math.round((spec.transmitIntervalMs ?? bothMs) * 1000),
    requiredMinRxUs: Math.round((spec.receiveIntervalMs ?? bothMs) * 1000),
    detectMult: spec.detectMult ?? profile.detectMult,
  };
}

/** Where packets of a session go and come from: the registered ports, unless the speaker or the session has others. */
export function sessionPorts(spec: SessionSpec, ports: PortSet): { localPort: number; remotePort: number } {
  const registered =
    ports[
      ({ "single-hop": "singleHop", multihop: "multihop", seamless: "seamless", echo: "echo" } as const)[spec.kind]
    ];
  return { localPort: spec.localPort ?? registered, remotePort: spec.remotePort ?? registered };
}

export const REGISTERED_PORTS: PortSet = BFD_PORTS;

export function isLinkLocal(text: string): boolean {
  return /^fe[89ab][0-9a-f]:/i.test(text);
}

/** What only a new session can have: the socket, the machine or the demultiplexing hang on it. */
const LASTING_FIELDS = [
  "kind",
  "local",
  "remote",
  "passive",
  "remoteDiscriminator",
  "localPort",
  "remotePort",
] as const;

/** The first field in which `after` is not the same session any more, or undefined if it can change in place. */
export function lastingDifference(
  before: SessionSpec,
  after: SessionSpec,
): (typeof LASTING_FIELDS)[number] | undefined {
  return LASTING_FIELDS.find((field) => before[field] !== after[field]);
}
