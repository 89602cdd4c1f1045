import { PaddockError } from "@paddock/base/errors.ts";
import { bootEntries, otherEntry } from "./boot-entries.ts";
import { openBoot, runningRelease, type DevicePaths } from "./device.ts";
import { lockUpdates } from "./lock.ts";
import type { BootFiles } from "./ports.ts";
import { namesToGoBack } from "./settle.ts";
import { readState, withResult, writeState, type UpdateState } from "./state.ts";

/** Lets the boot loader take `to` at the next start. False, and nothing changed, when its program is not there. */
export async function bootInstead(boot: BootFiles, from: string, to: string): Promise<boolean> {
  const renames = namesToGoBack(await boot.list(), from, to);
  if (renames === undefined) return false;
  for (const one of renames) {
    await boot.rename(one.from, one.to);
    await boot.sync();
  }
  return true;
}

export interface RollbackOptions {
  readonly paths: DevicePaths;
  readonly tell: (line: string) => void;
  /** Unix ms. */
  readonly now: () => number;
  /** A stick asks: under which id the result has it, and what has to be done before anything changes. */
  readonly byHand?: { readonly id: string; readonly begin: () => Promise<void> };
}

/**
 * Lets the next start be that of the other release, and holds updates: what was taken back should not come again by itself.
 * Needs no network. Throws UPDATE_REFUSED when there is no release to go back to, and while one is installed.
 */
export async function rollBack(options: RollbackOptions): Promise<{ from: string; to: string }> {
  const lock = await lockUpdates(options.paths);
  try {
    return await goBack(options);
  } finally {
    lock.close();
  }
}

async function goBack({ paths, tell, now, byHand }: RollbackOptions): Promise<{ from: string; to: string }> {
  const { version: from } = await runningRelease(paths);
  const { boot } = await openBoot(paths, from);
  const state = await readState(paths.stateDir, tell);
  const entries = bootEntries(await boot.list());
  // One that is marked as bad may have been set aside for an older one, by a person; it ran well then.
  const wasRunning = entries.find(({ version }) => version === state.previous && version !== from);
  const to = (otherEntry(entries, from) ?? wasRunning)?.version;
  if (to !== undefined) await byHand?.begin();
  if (to === undefined || !(await bootInstead(boot, from, to)))
    throw new PaddockError("UPDATE_REFUSED", `There is no release to go back to from ${from}.`, {
      remedy:
        byHand === undefined
          ? "Install one: paddock gateway update apply --file FILE --allow-downgrade."
          : "Flash the image of the release that you want; --keep-data keeps what is buffered.",
    });
  const at = now();
  const reason = `taken back by a person for ${to}`;
  const { pending } = state;
  const asked = pending?.version === from ? pending.id : null;
  // Whoever asked for the release hears of it, and so does whoever looks for what the stick did.
  const ids = byHand === undefined ? [asked] : asked === null ? [byHand.id] : [asked, byHand.id];
  const after = ids.reduce<UpdateState>(
    (before, id) => withResult(before, { id, kind: "release", version: from, outcome: "reverted", reason, at }),
    { ...state, pending: null, previous: from },
  );
  const hold = { since: at, until: null, reason: `${from} was taken back`, takenBack: from };
  await writeState(paths.stateDir, { ...after, hold });
  return { from, to };
}
