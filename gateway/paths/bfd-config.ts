import { isIP } from "node:net";
import { PaddockError } from "@paddock/base/errors.ts";
import { PROFILES, type ProfileName } from "@paddock/uplink/bfd/profiles.ts";
import { parseSession, SESSION_SCHEMA, type SessionSpecInput } from "@paddock/uplink/bfd/session-spec.ts";
import { followsAddresses } from "@paddock/uplink/paths/source-address.ts";
import type { WatchPace } from "@paddock/uplink/paths/watch-pace.ts";
import * as v from "valibot";

const { intervalMs, detectMult, remoteDiscriminator, remotePort, auth } = SESSION_SCHEMA.entries;

/** The session that watches one path, as the configuration writes it (docs/bfd.md says which mode fits which path). */
export const PathBfdSchema = v.strictObject({
  mode: v.pipe(
    v.picklist(["seamless", "multihop", "single-hop", "echo"]),
    v.description(
      "seamless: the collector answers (S-BFD). multihop, single-hop: a BFD speaker at remote. echo: a router without BFD.",
    ),
  ),
  local: v.pipe(
    v.optional(v.string()),
    v.description("Address to send from; left out: the path's source, else the address that the kernel would take."),
  ),
  remote: v.pipe(
    v.optional(v.string()),
    v.description("Address that answers; left out: the endpoint's. None for echo."),
  ),
  remotePort: v.pipe(remotePort, v.description("UDP port that answers; left out: the registered one.")),
  discriminator: v.pipe(
    remoteDiscriminator,
    v.description("What the collector's reflector answers to, bfd.seamless.discriminator there. seamless only."),
  ),
  profile: v.pipe(
    v.optional(v.picklist(Object.keys(PROFILES) as [ProfileName, ...ProfileName[]]), "steady"),
    v.description(
      "fast: 50 ms x 3, steady: 300 ms x 3, slow: 10 s x 3. A metered path runs slow while another one carries the traffic.",
    ),
  ),
  intervalMs: v.pipe(intervalMs, v.description("Milliseconds between packets, instead of the profile's.")),
  detectMult: v.pipe(detectMult, v.description("Packets in a row that may be missing, instead of the profile's.")),
  auth: v.pipe(auth, v.description("Authentication of RFC 5880; multihop and single-hop only.")),
});

export type PathBfd = v.InferOutput<typeof PathBfdSchema>;

interface WatchedPath {
  readonly name: string;
  readonly source: string | null;
  readonly interface: string | null;
  readonly endpoint: string;
}

/** Where the session of a path goes; undefined for an endpoint with a name instead of an address. */
export function bfdRemote(path: WatchedPath, bfd: PathBfd): string | undefined {
  if (bfd.remote !== undefined || bfd.mode === "echo") return bfd.remote;
  const host = new URL(path.endpoint).hostname.replace(/^\[|\]$/g, "");
  return isIP(host) === 0 ? undefined : host;
}

/** The address that the configuration names for the session; undefined where the kernel has to be asked. */
export function bfdLocal(path: WatchedPath, bfd: PathBfd): string | undefined {
  return bfd.local ?? (followsAddresses(path) ? undefined : (path.source ?? undefined));
}

/** The session in the speaker's words; `local` is used when the configuration does not say it. */
export function bfdSession(
  path: WatchedPath,
  bfd: PathBfd,
  local: string,
  pace: WatchPace = "configured",
): SessionSpecInput {
  const { mode, discriminator, local: _local, remote: _remote, ...configured } = bfd;
  const { intervalMs: ownIntervalMs, detectMult: _detectMult, ...steady } = configured;
  const slower = pace === "slow" && (ownIntervalMs ?? PROFILES[bfd.profile].intervalMs) < PROFILES.slow.intervalMs;
  const rest = slower ? { ...steady, profile: "slow" as const } : configured;
  const remote = bfdRemote(path, bfd);
  return {
    ...rest,
    name: path.name,
    kind: mode,
    local: bfdLocal(path, bfd) ?? local,
    ...(remote === undefined ? {} : { remote }),
    ...(discriminator === undefined ? {} : { remoteDiscriminator: discriminator }),
  };
}

/** What is wrong with the session of a path, or undefined. */
export function bfdProblem(path: WatchedPath, bfd: PathBfd): string | undefined {
  const remote = bfdRemote(path, bfd);
  if (remote === undefined && bfd.mode !== "echo")
    return "expected remote: the endpoint has a name, and BFD goes to an address";
  if (bfd.mode === "echo" && bfdLocal(path, bfd) === undefined && !followsAddresses(path))
    return "expected local, or a source of the path: an echo is addressed to it";
  try {
    parseSession(bfdSession(path, bfd, remote ?? "::1"));
    return undefined;
  } catch (error) {
    if (error instanceof PaddockError) return error.message;
    throw error;
  }
}
