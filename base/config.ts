import { readFile } from "node:fs/promises";
import * as v from "valibot";
import { messageOf, PaddockError } from "./errors.ts";
import { faultyKey, formatField } from "./json-keys.ts";
import { nearestName } from "./nearest.ts";

/**
 * Checks `input` against a strict schema and fills in its defaults. Throws PaddockError CONFIG_INVALID that lists every
 * field at fault with its value; unknown keys get the nearest known name. `what` names the document in the message;
 * `remedy` is what to do about it where no `--print-config` shows its keys.
 */
export function parseConfig<Schema extends v.GenericSchema>(
  schema: Schema,
  input: unknown,
  what: string,
  remedy?: string,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, input);
  if (result.success) return result.output;
  // Of one field the first fault is enough: the others mostly follow from it.
  const faults = new Map<string, string>();
  for (const issue of result.issues) {
    const field = fieldOf(issue);
    if (!faults.has(field)) faults.set(field, describeIssue(issue, field, schema));
  }
  throw new PaddockError("CONFIG_INVALID", `${what} is not valid: ${[...faults.values()].join(" ")}`, { remedy });
}

const CORRECT_FIELD = "Correct the field named in the message.";

/** Where the name of a file comes from, for the error about it: by default the option `--config`. */
export interface FileNamedBy {
  /** The configuration key or the option, such as `sensors.file`. */
  readonly namedBy?: string;
}

/** Reads a JSON file and checks it by `parseConfig`. Throws CONFIG_UNREADABLE or CONFIG_INVALID. */
export async function readConfigFile<Schema extends v.GenericSchema>(
  schema: Schema,
  path: string,
  { namedBy }: FileNamedBy = {},
): Promise<v.InferOutput<Schema>> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    const prefix = namedBy === undefined ? "" : `${namedBy}: `;
    const remedy =
      namedBy === undefined ? undefined : `Check that the file which ${namedBy} names is there and readable.`;
    throw new PaddockError("CONFIG_UNREADABLE", `${prefix}${path} cannot be read: ${messageOf(error)}.`, {
      cause: error,
      remedy,
    });
  }
  // Only the programs' own configurations can be printed.
  return parseConfig(schema, parseJson(text, path), path, namedBy === undefined ? undefined : CORRECT_FIELD);
}

/** Reads JSON in which no key stands twice. Throws CONFIG_UNREADABLE or CONFIG_INVALID that name the place in `what`. */
export function parseJson(text: string, what: string): unknown {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new PaddockError("CONFIG_UNREADABLE", `${what} is not JSON: ${jsonProblem(text, error)}.`);
  }
  const fault = faultyKey(text);
  if (fault !== undefined)
    throw new PaddockError("CONFIG_INVALID", `${what} is not valid: ${fault.field}: ${fault.why}.`);
  return document;
}

/** What the parser says of `text`, and where, without the piece that it quotes: secrets may stand there. */
function jsonProblem(text: string, error: unknown): string {
  const message = messageOf(error);
  if (!isUnexpectedToken(error)) return message;
  let low = 0;
  let high = text.length;
  // The shortest beginning of the document that is at fault already ends with the character that is.
  while (low < high) {
    const middle = (low + high) >> 1;
    if (parseFault(text.slice(0, middle + 1), isUnexpectedToken)) high = middle;
    else low = middle + 1;
  }
  const before = text.slice(0, low).split("\n");
  return `an unexpected character at line ${before.length} column ${before.at(-1)!.length + 1}`;
}

function isUnexpectedToken(error: unknown): boolean {
  return messageOf(error).startsWith("Unexpected token");
}

function parseFault(text: string, isFault: (error: unknown) => boolean): boolean {
  try {
    JSON.parse(text);
    return false;
  } catch (error) {
    return isFault(error);
  }
}

interface Issue {
  readonly type: string;
  readonly message: string;
  readonly input: unknown;
  readonly expected?: string | null;
  readonly received?: string;
  readonly requirement?: unknown;
  readonly path?: readonly { readonly type: string; readonly key?: unknown; readonly input: unknown }[] | undefined;
  readonly issues?: readonly Issue[] | undefined;
}

function fieldOf({ path = [] }: Issue): string {
  return formatField(path.map(({ key }) => key)) || "the document";
}

function describeIssue(issue: Issue, field: string, schema: v.GenericSchema): string {
  const path = issue.path ?? [];
  const last = path.at(-1);
  if (issue.type === "strict_object" && issue.expected === "never" && last !== undefined) {
    const known = knownKeys(schema, path.slice(0, -1));
    return `${field}: unknown key${suggestion(String(last.key), known)}`;
  }
  if (issue.input === undefined) {
    const meant = descriptionAt(schema, path);
    return `${field}: missing${meant === undefined ? "." : `; it is: ${meant}`}`;
  }
  const isSecret = path.some(({ key }) => isSecretKey(key)) || holdsObject(issue);
  return `${field}: ${isSecret ? kindOf(issue.input) : shorten(issue.input)} is refused; ${expectationOf(issue)}.`;
}

/** What a schema says for itself, or else the library's terms in words; its own sentences repeat the value. */
function expectationOf({ message, expected }: Issue): string {
  if (!message.startsWith("Invalid ")) return message;
  return expected === undefined || expected === null ? "expected another value" : `expected ${wordsFor(expected)}`;
}

const WORDS: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  boolean: "true or false",
  Object: "an object, { … }",
  Array: "a list, [ … ]",
  null: "null",
};

/** Such as `"a"`, `("a" | "b")`, `string`, `>=1`. */
function wordsFor(expected: string): string {
  return expected
    .replace(/^\((.*)\)$/, "$1")
    .split(" | ")
    .map((term) => WORDS[term] ?? term.replace(/^>=/, "at least ").replace(/^<=/, "at most "))
    .join(" or ");
}

/** What stands below such a key opens something: it is in no message and no log. */
const SECRET_KEY = /^(?:.*secret|.*password|.*token|private.*|keys?|claims?|codes?|auth)$/i;

function isSecretKey(key: unknown): boolean {
  return typeof key === "string" && SECRET_KEY.test(key) && !/^public/i.test(key);
}

/** Where an object or list should stand and something else does, that may be the secret that belongs into it. */
function holdsObject({ expected, input }: Issue): boolean {
  return (expected === "Object" || expected === "Array") && typeof input !== "object";
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "string") return `a text of ${value.length} characters`;
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

function suggestion(key: string, known: readonly string[]): string {
  const nearest = nearestName(key, known);
  if (nearest !== undefined) return `, did you mean "${nearest}"?`;
  return known.length > 0 ? `; known are ${known.join(", ")}.` : ".";
}

/** The parts of a valibot schema that lead to what it contains. */
interface Node {
  readonly entries?: Readonly<Record<string, Node>>;
  readonly wrapped?: Node;
  readonly item?: Node;
  readonly value?: Node;
}

type Path = readonly { readonly key?: unknown }[];

/** The keys of the object schema at `path`: an issue names the key that is too much, not those that there are. */
function knownKeys(schema: v.GenericSchema, path: Path): string[] {
  return Object.keys(unwrap(nodeAt(schema, path))?.entries ?? {});
}

/** The sentence that describes the field at `path`, if it has one. */
function descriptionAt(schema: v.GenericSchema, path: Path): string | undefined {
  const node = nodeAt(schema, path);
  return node === undefined ? undefined : v.getDescription(node as unknown as v.GenericSchema);
}

function nodeAt(schema: v.GenericSchema, path: Path): Node | undefined {
  let node: Node | undefined = schema as Node;
  for (const { key } of path) {
    const inside = unwrap(node);
    node = inside?.entries?.[String(key)] ?? inside?.item ?? inside?.value;
  }
  return node;
}

function unwrap(node: Node | undefined): Node | undefined {
  return node?.wrapped === undefined ? node : unwrap(node.wrapped);
}

function shorten(value: unknown): string {
  const text =
    JSON.stringify(value, (key, inner: unknown) => (isSecretKey(key) ? `(${kindOf(inner)})` : inner)) ?? String(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}
