/** What a stick asks for by the names of its files, or why that is not clear. */
export type StickWish =
  | { readonly kind: "install"; readonly name: string }
  | { readonly kind: "roll-back"; readonly name: string }
  | { readonly kind: "unclear"; readonly why: string; readonly remedy: string };

const UPDATE = /^paddock_.*\.update$/iu;
/** Windows adds .txt to names, and does not show it. */
const ROLL_BACK = /^rollback(?:\.txt)?$/iu;
const NAMES_SHOWN = 3;

/** Looks at the names in a stick's top folder, and guesses nothing. `arch`: this machine's. Pure. */
export function wishOf(names: readonly string[], arch: string): StickWish {
  const updates = names.filter((name) => UPDATE.test(name));
  const asks = names.filter((name) => ROLL_BACK.test(name));
  const both = [...asks, ...updates];
  const [rollBack] = asks;
  if (rollBack !== undefined && updates.length > 0)
    return unclear(
      `The stick asks for two things: ${shown(both)}.`,
      "Leave one of them: the file rollback goes back, an update goes on.",
    );
  if (rollBack !== undefined) return { kind: "roll-back", name: rollBack };
  const ours = updates.filter((name) => name.toLowerCase().includes(`_${arch}`));
  // A stick for machines of several kinds is fine; whom an update is for its manifest says, not its name.
  const candidates = ours.length > 0 ? ours : updates;
  const [update] = candidates;
  if (update === undefined)
    return unclear(
      "The stick has neither an update nor a file rollback in its top folder, or it is not FAT.",
      `Format it as FAT32 with the name PADDOCK, and copy paddock_VERSION_${arch}.update to it.`,
    );
  if (candidates.length > 1)
    return unclear(`The stick has ${candidates.length} updates: ${shown(candidates)}.`, "Leave the one that you want.");
  return { kind: "install", name: update };
}

function unclear(why: string, remedy: string): StickWish {
  return { kind: "unclear", why, remedy };
}

function shown(names: readonly string[]): string {
  return names.slice(0, NAMES_SHOWN).join(", ") + (names.length > NAMES_SHOWN ? ", …" : "");
}
