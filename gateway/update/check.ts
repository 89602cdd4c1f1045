import { compareVersions } from "@paddock/wire/release/version.ts";
import { architecture, releaseKeys, runningRelease, type DevicePaths } from "./device.ts";
import type { HttpSourceOptions } from "./http-source.ts";
import { planInstall } from "./install.ts";
import { objectionTo } from "./judge-release.ts";
import { openDevice, prepare } from "./open-device.ts";
import { openRelease, type ReleaseTarget } from "./release-source.ts";
import { readState } from "./state.ts";

export interface CheckOptions {
  readonly paths: DevicePaths;
  readonly target: ReleaseTarget;
  readonly tell: (line: string) => void;
  readonly http?: HttpSourceOptions;
  /** Unix ms. */
  readonly now: () => number;
}

export interface CheckedRelease {
  readonly running: string;
  readonly version: string;
  readonly manifestSha256: string;
  readonly supportedUntil: string;
  readonly isNewer: boolean;
  /** Whether it is in the other slot already, whole. */
  readonly isInstalled: boolean;
  /** Bytes that installing it would fetch, without the manifest, and bytes of all of it. */
  readonly fetchBytes: number;
  readonly totalBytes: number;
  /** Why it would be refused; null when it would not. */
  readonly objection: string | null;
}

/** What installing a release would mean. Changes nothing. Throws like `applyRelease`. */
export async function checkRelease({ paths, target, tell, http, now }: CheckOptions): Promise<CheckedRelease> {
  const release = await runningRelease(paths);
  const state = await readState(paths.stateDir, tell);
  const keys = await releaseKeys(paths);
  const source = await openRelease(target, { keys, arch: architecture(), ...(http && { http }) });
  try {
    const device = await openDevice(release, { paths, state, write: false, nowMs: now() });
    try {
      const { manifest, manifestSha256 } = source;
      const { version, supportedUntil, root, uki } = manifest;
      const running = release.version;
      const plan = version === running ? undefined : await planInstall(await prepare(device, source, () => {}));
      return {
        running,
        version,
        manifestSha256,
        supportedUntil,
        isNewer: compareVersions(version, running) > 0,
        isInstalled: plan?.isInstalled ?? true,
        fetchBytes: plan?.fetchBytes ?? 0,
        totalBytes: root.bytes + uki.bytes,
        objection: objectionTo(manifest, device.facts, { allowDowngrade: false })?.explain() ?? null,
      };
    } finally {
      await device.disk.close();
    }
  } finally {
    await source.close();
  }
}
