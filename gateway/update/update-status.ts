import { formatTable } from "../cli/format.ts";
import { bootEntries } from "./boot-entries.ts";
import { BootFolder } from "./boot-folder.ts";
import { runningRelease, type DevicePaths } from "./device.ts";
import { heldUntil, readState, type UpdateState } from "./state.ts";

/** What `paddock gateway update status` shows. */
export interface UpdateStatus extends Omit<UpdateState, "running"> {
  readonly running: string;
  /** Releases that the boot loader knows; null when the boot partition cannot be read, as by others than root. */
  readonly releases: readonly { readonly version: string; readonly state: "confirmed" | "on trial" | "bad" }[] | null;
  /** Until when updates are held, in words; null when they are not. */
  readonly held: string | null;
}

/** Throws UPDATE_UNSUPPORTED when this is no image. */
export async function updateStatus(paths: DevicePaths, nowMs: number): Promise<UpdateStatus> {
  const { version: running } = await runningRelease(paths);
  const state = await readState(paths.stateDir);
  const files = await new BootFolder(paths.entries).list().catch(() => undefined);
  const releases =
    files === undefined
      ? null
      : bootEntries(files).map(({ version, triesLeft }) => {
          // The last try of the one that runs has none left.
          const isLastTry = version === running && state.pending?.version === running;
          return {
            version,
            state:
              triesLeft === null
                ? ("confirmed" as const)
                : triesLeft > 0 || isLastTry
                  ? ("on trial" as const)
                  : ("bad" as const),
          };
        });
  return { ...state, running, releases, held: state.hold === null ? null : (heldUntil(state.hold, nowMs) ?? null) };
}

/** For people. */
export function formatUpdateStatus({ running, releases, held, pending, results }: UpdateStatus): string {
  const others = (releases ?? []).map(
    ({ version, state }) => `${version}: ${state}${version === running ? ", runs" : ""}`,
  );
  const facts = [
    ["runs", running],
    ["releases", releases === null ? "the boot partition cannot be read; ask as root" : others.join("; ")],
  ];
  if (pending !== null) {
    const { version, written, reason } = pending;
    const what = !written
      ? "is being written, or was cut off: apply it again"
      : version === running
        ? "has to prove itself"
        : "is installed; its first start is the next one";
    facts.push(["pending", `${version} ${what}${reason === null ? "" : ` (${reason})`}`]);
  }
  if (held !== null) facts.push(["held", held]);
  const rows = results
    .toReversed()
    .map(({ at, version, revision, outcome, reason }) => [
      new Date(at).toISOString(),
      version ?? (revision === undefined ? "-" : `config ${revision}`),
      outcome,
      reason ?? "",
    ]);
  return (
    formatTable(facts) + (rows.length === 0 ? "" : `\n${formatTable([["at", "release", "result", "why"], ...rows])}`)
  );
}
