import { readFile } from "node:fs/promises";
import * as v from "valibot";
import { replaceFile } from "@paddock/base/durable-file.ts";
import type { Log } from "@paddock/base/log.ts";
import type { Damage } from "@paddock/store/damage.ts";
import { chainText } from "./chain-name.ts";
import { setAside } from "./set-aside.ts";

export const SCRUB_FILE = "scrub.json";

/** Places noted; with more the disk is to be replaced, and a round finds the others again. */
const PLACES_MAX = 1000;

const WHOLE = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const Notes = v.object({
  rounds: WHOLE,
  /** Unix ms. */
  completed: v.nullable(v.number()),
  /** Null between two rounds. */
  position: v.nullable(
    v.pipe(
      v.object({ chain: v.optional(v.string()), seq: WHOLE, offset: WHOLE }),
      v.transform(({ chain, seq, offset }) => ({ chain, seq, offset })),
    ),
  ),
  /** Where batches were damaged when this was written, and from which offsets the log lacked entries. */
  batches: v.pipe(v.array(v.object({ chain: v.string(), seq: WHOLE })), v.maxLength(PLACES_MAX)),
  offsets: v.pipe(v.array(WHOLE), v.maxLength(PLACES_MAX)),
});

/** What outlives a restart: how far the look has come, and where damage was found. */
export type ScrubNotes = Readonly<v.InferOutput<typeof Notes>>;

const NOTHING: ScrubNotes = { rounds: 0, completed: null, position: null, batches: [], offsets: [] };

/** A damaged file is set aside: without it the look begins anew. */
export async function readScrubNotes(path: string, log: Log): Promise<ScrubNotes> {
  try {
    return v.parse(Notes, JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT")
      await setAside(log, path, error, "a look from the beginning");
    return NOTHING;
  }
}

export async function writeScrubNotes(path: string, notes: ScrubNotes): Promise<void> {
  await replaceFile(path, `${JSON.stringify(notes)}\n`);
}

/** The places that can be looked at again, the ones found first. */
export function knownPlaces(damage: readonly Damage[]): Pick<ScrubNotes, "batches" | "offsets"> {
  const batches = new Map<string, { chain: string; seq: number }>();
  const offsets = new Set<number>();
  for (const { chain, seq, offset } of damage) {
    if (chain !== undefined && seq !== undefined) {
      const place = { chain: chainText(chain), seq };
      if (batches.size < PLACES_MAX) batches.set(`${place.chain}/${seq}`, place);
    } else if (offset !== undefined && offsets.size < PLACES_MAX) offsets.add(offset);
  }
  return { batches: [...batches.values()], offsets: [...offsets] };
}
