import { isIP, isIPv6 } from "node:net";
import { PaddockError } from "@paddock/base/errors.ts";
import { PROFILES, type ProfileName } from "@paddock/uplink/bfd/profiles.ts";
import { isLinkLocal, parseSession, SESSION_SCHEMA, type SessionSpecInput } from "@paddock/uplink/bfd/session-spec.ts";
import type { WatchScope } from "@paddock/uplink/paths/combined-liveness.ts";
import { followsAddresses } from "@paddock/uplink/paths/source-address.ts";
import type { WatchPace } from "@paddock/uplink/paths/watch-pace.ts";
import * as v from "valibot";

const { intervalMs, detectMult, remoteDiscriminator, remotePort, auth } = SESSION_SCHEMA.entries;

const pacing = {
  local: v.pipe(
    v.optional(v.string()),
    v.description("Address to send from; left out: the path's source, else the address that the kernel would take."),
  ),
  remotePort: v.pipe(remotePort, v.description("UDP port that answers; left out: the registered one.")),
  profile: v.pipe(
    v.optional(v.picklist(Object.keys(PROFILES) as [ProfileName, ...ProfileName[]]), "steady"),
    v.description(
      "fast: 50 ms x 3, steady: 300 ms x 3, slow: 10 s x 3. A metered path runs slow while another one carries the traffic.",
    ),
  ),
  intervalMs: v.pipe(intervalMs, v.description("Milliseconds between packets, instead of the profile's.")),
  detectMult: v.pipe(detectMult, v.description("Packets in a row that may be missing, instead of the profile's.")),
};

const endToEnd = v.strictObject({
  mode: v.pipe(
    v.picklist(["seamless", "multihop"]),
    v.description("seamless: the collector reflects (S-BFD, RFC 7880). multihop: a BFD session with it (RFC 5883)."),
  ),
  ...pacing,
  remote: v.pipe(v.optional(v.string()), v.description("Address that answers; left out: that of the endpoint in use.")),
  discriminator: v.pipe(
    remoteDiscriminator,
    v.description("What the collector's reflector answers to, bfd.seamless.discriminator there. seamless only."),
  ),
  auth: v.pipe(auth, v.description("Authentication of RFC 5880; multihop only.")),
});

const firstHop = v.strictObject({
  mode: v.pipe(
    v.picklist(["single-hop", "echo"]),
    v.description("single-hop: the router speaks BFD (RFC 5881). echo: it only forwards (RFC 9747)."),
  ),
  ...pacing,
  remote: v.pipe(
    v.optional(v.string()),
    v.description("Address of the router; left out: the path's nextHop. None for echo."),
  ),
  auth: v.pipe(auth, v.description("Authentication of RFC 5880; single-hop only.")),
});

/** The sessions that watch one path, as the configuration writes them (docs/bfd.md says which fits which path). */
export const PathBfdSchema = v.strictObject({
  endToEnd: v.pipe(
    v.optional(v.nullable(endToEnd), null),
    v.description("Session to the collector, which proves the whole path; null: none."),
  ),
  firstHop: v.pipe(
    v.optional(v.nullable(firstHop), null),
    v.description("Session to the next router, which tells where it broke, and sooner; null: none."),
  ),
});

export type PathBfd = v.InferOutput<typeof PathBfdSchema>;
type SessionConfig = NonNullable<PathBfd["endToEnd"]> | NonNullable<PathBfd["firstHop"]>;

/** What of a configured path its sessions depend on. */
export interface WatchedPath {
  readonly name: string;
  readonly source: string | null;
  readonly interface: string | null;
  readonly nextHop: string | null;
  readonly endpoint: string;
  readonly bfd: PathBfd | null;
}

/** One configured session of a path. */
export interface WatchedSession {
  readonly path: WatchedPath;
  readonly scope: WatchScope;
  /** Unique in the gateway. */
  readonly name: string;
  readonly config: SessionConfig;
}

const SCOPE_WORDS: Readonly<Record<WatchScope, string>> = { endToEnd: "end-to-end", firstHop: "first-hop" };

/** The sessions that the configuration asks for, the one from end to end first. */
export function watchedSessions(path: WatchedPath): WatchedSession[] {
  return (["endToEnd", "firstHop"] as const).flatMap((scope) => {
    const config = path.bfd?.[scope] ?? null;
    return config === null ? [] : [{ path, scope, name: `${path.name} ${SCOPE_WORDS[scope]}`, config }];
  });
}

/** The address in an endpoint's URL; undefined when it has a name instead. */
export function endpointAddress(endpoint: string): string | undefined {
  const host = new URL(endpoint).hostname.replace(/^\[|\]$/g, "");
  return isIP(host) === 0 ? undefined : host;
}

/**
 * Where a session goes; undefined where the configuration does not say it, and for echo. `endpoint` is the one in use: a
 * configured `remote` stands for the first one only.
 */
export function sessionRemote(session: WatchedSession, endpoint = session.path.endpoint): string | undefined {
  const { path, scope, config } = session;
  if (config.mode === "echo") return undefined;
  if (config.remote !== undefined)
    return scope === "endToEnd" && endpoint !== path.endpoint ? undefined : config.remote;
  return scope === "endToEnd" ? endpointAddress(endpoint) : nextHopAddress(path);
}

/** The next hop, with the interface that a link-local address needs. */
function nextHopAddress({ nextHop, interface: on }: WatchedPath): string | undefined {
  if (nextHop === null) return undefined;
  return isLinkLocal(nextHop) && on !== null && !nextHop.includes("%") ? `${nextHop}%${on}` : nextHop;
}

/** The address that the configuration names for a session; undefined where the kernel has to be asked. */
export function sessionLocal(session: WatchedSession): string | undefined {
  const { path, config } = session;
  if (config.local !== undefined) return config.local;
  // A link-local router is spoken to from our link-local address on that link.
  if (isLinkLocal(sessionRemote(session) ?? "")) return undefined;
  return followsAddresses(path) ? undefined : (path.source ?? undefined);
}

/** Who knows the address that a session sends from. */
export type LocalOrigin = "configuration" | "path" | "kernel";

/** `path`: the source of a path that follows the kernel's addresses, and moves with it. */
export function localOrigin(session: WatchedSession): LocalOrigin {
  if (sessionLocal(session) !== undefined) return "configuration";
  return followsAddresses(session.path) && !isLinkLocal(sessionRemote(session) ?? "") ? "path" : "kernel";
}

/** Whether a session can be had between these ends: not toward an endpoint with a name, or of another IP version. */
export function isWatchable(session: WatchedSession, local: string, endpoint?: string): boolean {
  if (session.config.mode === "echo") return true;
  const remote = sessionRemote(session, endpoint);
  return remote !== undefined && isIPv6(remote) === isIPv6(local);
}

/** The session in the speaker's words. */
export function speakerSession(
  session: WatchedSession,
  local: string,
  { pace = "configured", endpoint }: { pace?: WatchPace | undefined; endpoint?: string | undefined } = {},
): SessionSpecInput {
  const { mode, local: _local, remote: _remote, ...configured } = session.config;
  const { discriminator, ...rest } = { discriminator: undefined, ...configured };
  const { intervalMs: ownIntervalMs, detectMult: _detectMult, ...steady } = rest;
  const slower = pace === "slow" && (ownIntervalMs ?? PROFILES[rest.profile].intervalMs) < PROFILES.slow.intervalMs;
  const remote = sessionRemote(session, endpoint);
  return {
    ...(slower ? { ...steady, profile: "slow" as const } : rest),
    name: session.name,
    kind: mode,
    local,
    ...(remote === undefined ? {} : { remote }),
    ...(discriminator === undefined ? {} : { remoteDiscriminator: discriminator }),
  };
}

/** What is wrong with the sessions of a path, with the session that it is about; undefined when nothing is. */
export function bfdProblem(path: WatchedPath): { readonly scope: WatchScope; readonly message: string } | undefined {
  for (const session of watchedSessions(path)) {
    const message = sessionProblem(session);
    if (message !== undefined) return { scope: session.scope, message };
  }
  return undefined;
}

function sessionProblem(session: WatchedSession): string | undefined {
  const { path, scope, config } = session;
  const remote = sessionRemote(session);
  if (config.mode === "echo") {
    if (config.remote !== undefined || config.remotePort !== undefined)
      return "expected neither remote nor remotePort: an echo comes back to where it left";
    if (sessionLocal(session) === undefined && !followsAddresses(path))
      return "expected local, or a source of the path: an echo is addressed to it";
  } else if (remote === undefined) {
    return scope === "endToEnd"
      ? "expected remote: the endpoint has a name, and BFD goes to an address"
      : "expected remote, or a nextHop of the path: the router that answers";
  }
  try {
    parseSession(speakerSession(session, sessionLocal(session) ?? placeholderFor(remote)));
    return undefined;
  } catch (error) {
    if (error instanceof PaddockError) return error.message;
    throw error;
  }
}

/** Stands for an address that the kernel will tell; of the same kind as the remote one. */
function placeholderFor(remote: string | undefined): string {
  if (remote === undefined) return "::1";
  return isLinkLocal(remote) ? `fe80::1%${remote.split("%")[1] ?? ""}` : remote;
}
