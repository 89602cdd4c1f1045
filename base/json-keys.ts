/** An object key of a JSON text at which reading it would lose something in silence. */
export interface KeyFault {
  /** As people write it: `paths[1].name`. */
  readonly field: string;
  readonly why: string;
}

/** Keys that JavaScript gives a meaning of its own; validation libraries leave them out without a word. */
const RESERVED_KEYS: ReadonlySet<string> = new Set(["__proto__", "prototype", "constructor"]);

/** Strings, and the punctuation that says what they are; numbers and words have no say. */
const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;

interface Level {
  /** Undefined in a list. */
  readonly keys: Set<string> | undefined;
  /** The key or index that what follows belongs to. */
  at: string | number;
}

/**
 * The first key of a JSON text that stands twice in its object, of which a parser keeps the last in silence (RFC 8259
 * §4), or that JavaScript reserves. `text` has to be JSON.
 */
export function faultyKey(text: string): KeyFault | undefined {
  const levels: Level[] = [];
  let string: string | undefined;
  for (const [token] of text.matchAll(TOKENS)) {
    const level = levels.at(-1);
    switch (token) {
      case "{":
        levels.push({ keys: new Set(), at: "" });
        break;
      case "[":
        levels.push({ keys: undefined, at: 0 });
        break;
      case "}":
      case "]":
        levels.pop();
        break;
      case ",":
        if (typeof level?.at === "number") level.at++;
        break;
      case ":": {
        const key = JSON.parse(string!) as string;
        level!.at = key;
        if (RESERVED_KEYS.has(key)) return { field: fieldOf(levels), why: "a name that is reserved, choose another" };
        if (level!.keys!.has(key))
          return { field: fieldOf(levels), why: "stands twice, and only one of them can hold" };
        level!.keys!.add(key);
        break;
      }
      default:
        string = token;
    }
  }
  return undefined;
}

function fieldOf(levels: readonly Level[]): string {
  return formatField(levels.map(({ at }) => at));
}

/** Where something stands in a document, as people write it: `paths[1].name`. */
export function formatField(path: readonly unknown[]): string {
  return path
    .map((key, index) => (typeof key === "number" ? `[${key}]` : index === 0 ? String(key) : `.${String(key)}`))
    .join("");
}
