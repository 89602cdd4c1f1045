import { bootEntries, type BootEntry } from "./boot-entries.ts";
import { withResult, type UpdateState } from "./state.ts";

/** What a start means for an update that was pending. Pure. */
export type Settled =
  /** Nothing waits for a verdict. */
  | { readonly kind: "none"; readonly state: UpdateState }
  /** The release that runs is the new one: the gate has to judge it. */
  | { readonly kind: "trial"; readonly state: UpdateState };

/**
 * Looks after a start at which release runs and what became of the pending one: given up, gone back from, or still to be
 * written. `nowMs`: Unix ms.
 */
export function settle(
  state: UpdateState,
  {
    running,
    entries,
    nowMs,
  }: { readonly running: string; readonly entries: readonly BootEntry[]; readonly nowMs: number },
): Settled {
  const { pending } = state;
  if (pending === null) return { kind: "none", state: { ...state, running } };
  if (pending.version === running) return { kind: "trial", state: { ...state, running } };
  const entry = entries.find(({ version }) => version === pending.version);
  // Not written yet: whoever asked for it asks again.
  if (!pending.written && (entry === undefined || entry.triesLeft !== 0))
    return { kind: "none", state: { ...state, running } };
  // Its first start is still to come.
  if (entry !== undefined && entry.triesLeft !== 0 && pending.reason === null)
    return { kind: "none", state: { ...state, running } };
  const reason =
    pending.reason ??
    (entry === undefined
      ? "its program is gone from the boot partition"
      : "it did not complete a start, and the boot loader went back");
  const { id, version } = pending;
  const result = { id, kind: "release", version, outcome: "reverted", reason, at: nowMs } as const;
  return { kind: "none", state: withResult({ ...state, running, pending: null }, result) };
}

/** The state once the gate has found the pending release healthy. */
export function confirmed(state: UpdateState, reason: string, nowMs: number): UpdateState {
  const { pending } = state;
  if (pending === null) return state;
  const { id, version, from } = pending;
  const result = { id, kind: "release", version, outcome: "applied", reason, at: nowMs } as const;
  return withResult({ ...state, running: version, previous: from, pending: null }, result);
}

/** What names have to change so that the boot loader takes `to` instead of `from`, in this order. Undefined without `to`. */
export function namesToGoBack(
  files: readonly { readonly name: string }[],
  from: string,
  to: string,
): { readonly from: string; readonly to: string }[] | undefined {
  const entries = bootEntries(files);
  const [own, other] = [from, to].map((wanted) => entries.find(({ version }) => version === wanted));
  if (other === undefined) return undefined;
  const renames = [];
  if (other.triesLeft === 0) renames.push({ from: other.file, to: `paddock_${to}.efi` });
  if (own !== undefined && own.triesLeft !== 0) renames.push({ from: own.file, to: `paddock_${from}+0-1.efi` });
  return renames;
}
