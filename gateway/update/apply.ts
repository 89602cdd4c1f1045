import { isDeepStrictEqual } from "node:util";
import { PaddockError } from "@paddock/base/errors.ts";
import { compareVersions } from "@paddock/wire/release/version.ts";
import { badEntryFile, bootEntries } from "./boot-entries.ts";
import { architecture, releaseKeys, runningRelease, type DevicePaths } from "./device.ts";
import type { HttpSourceOptions } from "./http-source.ts";
import { install, planInstall } from "./install.ts";
import { endsHold, objectionTo } from "./judge-release.ts";
import { lockUpdates } from "./lock.ts";
import { openDevice, prepare, type OpenDevice } from "./open-device.ts";
import type { BootFiles, InstallProgress } from "./ports.ts";
import { openRelease, type ReleaseTarget } from "./release-source.ts";
import { readState, withResult, writeState, type UpdateResult, type UpdateState } from "./state.ts";

export interface ApplyOptions {
  readonly paths: DevicePaths;
  readonly target: ReleaseTarget;
  readonly allowDowngrade: boolean;
  /** What asked, when it was not a person: its id, and the one manifest that it means. */
  readonly request?: { readonly id: string; readonly version: string; readonly manifestSha256: string };
  /** A person who stands before the machine asks by a stick: under which id results have it, and for which release. */
  readonly byHand?: { readonly id: string; readonly version?: string };
  /** Seconds since the gateway's newest receipt; null without one. */
  readonly lastReceiptS: () => Promise<number | null>;
  readonly tell: (line: string) => void;
  readonly progress: (progress: InstallProgress) => void;
  readonly http?: HttpSourceOptions;
  /** Unix ms. */
  readonly now: () => number;
}

export interface Applied {
  readonly version: string;
  /** runs: nothing to do. installed: the next start is its first. settled: this request was answered before. */
  readonly outcome: "runs" | "installed" | "settled";
  /** Bytes that came from the source, without the manifest. */
  readonly fetchedBytes: number;
}

/** How often a request is tried before it counts as failed: what is fetched already is not fetched again. */
const REQUEST_ATTEMPTS_MAX = 10;

/**
 * Installs a release beside the one that runs, and keeps what came of it in the state. One at a time. Throws PaddockError
 * with an UPDATE_ code; the release that runs is as it was then, and so is the other one unless writing had begun.
 */
export async function applyRelease(options: ApplyOptions): Promise<Applied> {
  const { paths, request, tell } = options;
  const running = await runningRelease(paths);
  const lock = await lockUpdates(paths);
  try {
    const state = await readState(paths.stateDir, tell);
    if (request !== undefined && state.results.some(({ id }) => id === request.id))
      return { version: running.version, outcome: "settled", fetchedBytes: 0 };
    return await applyTo(running, state, options);
  } catch (error) {
    if (!(error instanceof PaddockError)) throw error;
    await noteFailure(error, running.version, options);
    throw error;
  } finally {
    lock.close();
  }
}

async function applyTo(
  running: { readonly version: string; readonly disk: string },
  state: UpdateState,
  options: ApplyOptions,
): Promise<Applied> {
  const { paths, target, allowDowngrade, request, byHand, lastReceiptS, progress, now } = options;
  const keys = await releaseKeys(paths);
  const source = await openRelease(target, { keys, arch: architecture(), ...(options.http && { http: options.http }) });
  let device: OpenDevice | undefined;
  try {
    const { manifest, manifestSha256 } = source;
    const { version } = manifest;
    if (request !== undefined && request.manifestSha256 !== manifestSha256)
      throw new PaddockError("UPDATE_INVALID", `The manifest of ${version} is another one than the request means.`);
    if (version === running.version) {
      const reason = "it runs already";
      if (request !== undefined)
        await note(paths, state, { id: request.id, version, outcome: "applied", reason }, now());
      return { version, outcome: "runs", fetchedBytes: 0 };
    }
    device = await openDevice(running, { paths, state, write: true, nowMs: now() });
    const objection = objectionTo(manifest, device.facts, {
      allowDowngrade: allowDowngrade && request === undefined,
      byHand: byHand !== undefined,
    });
    if (objection !== undefined) throw objection;
    const { hold } = state;
    const kept = hold !== null && endsHold(hold, version, byHand !== undefined) ? null : hold;

    const before = state.pending?.version === version ? state.pending : undefined;
    const pending = {
      id: request?.id ?? byHand?.id ?? null,
      version,
      from: running.version,
      at: now(),
      written: false,
      attempts: before?.attempts ?? 0,
      reason: null,
    };
    const receiptS = await lastReceiptS();
    const started = { ...state, running: running.version, lastReceiptBefore: { receiptS, at: now() }, pending };
    await writeState(paths.stateDir, started);
    let fetchedBytes = 0;
    const tell = (one: InstallProgress): void => {
      ({ fetchedBytes } = one);
      progress(one);
    };
    tell({ step: "looking", doneBytes: 0, totalBytes: 0, fetchedBytes });
    const installation = await prepare(device, source, tell);
    await install(installation, await planInstall(installation));
    if (compareVersions(version, running.version) < 0) await standBack(device.boot, running.version);
    // A person may have held updates meanwhile.
    const { hold: latest } = await readState(paths.stateDir);
    const left = isDeepStrictEqual(latest, hold) ? kept : latest;
    await writeState(paths.stateDir, { ...started, hold: left, pending: { ...pending, written: true } });
    return { version, outcome: "installed", fetchedBytes };
  } finally {
    await source.close();
    await device?.disk.close();
  }
}

/** Lets the boot loader take an older release: of those that are not marked as bad it takes the newest. */
async function standBack(boot: BootFiles, running: string): Promise<void> {
  const own = bootEntries(await boot.list()).find(({ version }) => version === running);
  if (own !== undefined && own.triesLeft !== 0) await boot.rename(own.file, badEntryFile(running));
  await boot.sync();
}

type Noted = Omit<UpdateResult, "kind" | "at" | "revision">;

async function note(paths: DevicePaths, state: UpdateState, result: Noted, at: number): Promise<void> {
  await writeState(paths.stateDir, withResult(state, { kind: "release", at, ...result }));
}

/**
 * Keeps a failure as a result. A request whose source or disk failed is tried again, and stands as pending until then; an
 * installed release that waits for its first start stays pending.
 */
async function noteFailure(error: PaddockError, running: string, options: ApplyOptions): Promise<void> {
  const { paths, request, byHand, now } = options;
  const state = await readState(paths.stateDir);
  const pending = state.pending?.written === false ? state.pending : null;
  const kept = pending === null ? state : { ...state, pending: null };
  if (request !== undefined && error.disposition === "retry") {
    const attempts = (pending?.id === request.id ? pending.attempts : 0) + 1;
    if (attempts < REQUEST_ATTEMPTS_MAX) {
      const { id, version } = request;
      const next = {
        id,
        version,
        from: running,
        at: now(),
        written: false,
        attempts,
        reason: error.message.slice(0, 1000),
      };
      if (kept.pending === null) await writeState(paths.stateDir, { ...kept, pending: next });
      return;
    }
  }
  const outcome = error.disposition === "retry" ? "failed" : "refused";
  const version = request?.version ?? byHand?.version ?? pending?.version;
  const result = {
    id: request?.id ?? byHand?.id ?? null,
    ...(version !== undefined && { version }),
    outcome,
    reason: error.message,
  } as const;
  await note(paths, kept, result, now());
}
