import { readFile } from "node:fs/promises";
import * as v from "valibot";
import { messageOf, PaddockError } from "./errors.ts";
import { nearestName } from "./nearest.ts";

/**
 * Checks `input` against a strict schema and fills in its defaults. Throws PaddockError CONFIG_INVALID that lists every
 * field at fault with its value; unknown keys get the nearest known name. `what` names the document in the message.
 */
export function parseConfig<Schema extends v.GenericSchema>(
  schema: Schema,
  input: unknown,
  what: string,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, input);
  if (result.success) return result.output;
  const faults = result.issues.flatMap((issue) => describeIssue(issue, schema));
  throw new PaddockError("CONFIG_INVALID", `${what} is not valid: ${faults.join(" ")}`);
}

/** Reads a JSON file and checks it by `parseConfig`. Throws CONFIG_UNREADABLE or CONFIG_INVALID. */
export async function readConfigFile<Schema extends v.GenericSchema>(
  schema: Schema,
  path: string,
): Promise<v.InferOutput<Schema>> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new PaddockError("CONFIG_UNREADABLE", `${path} cannot be read: ${messageOf(error)}.`, { cause: error });
  }
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new PaddockError("CONFIG_UNREADABLE", `${path} is not JSON: ${jsonProblem(text, error)}.`);
  }
  return parseConfig(schema, document, path);
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
  readonly path?: readonly { readonly type: string; readonly key?: unknown; readonly input: unknown }[] | undefined;
  readonly issues?: readonly Issue[] | undefined;
}

function describeIssue(issue: Issue, schema: v.GenericSchema): string[] {
  const path = issue.path ?? [];
  const field = path.map((item) => String(item.key)).join(".") || "the document";
  const last = path.at(-1);
  if (issue.type === "strict_object" && issue.expected === "never" && last !== undefined) {
    const known = knownKeys(schema, path.slice(0, -1));
    return [`${field}: unknown key${suggestion(String(last.key), known)}.`];
  }
  // The library's own sentences repeat the value.
  const message = issue.message.replace(` but received ${issue.received}`, "");
  if (issue.input === undefined) return [`${field}: missing; ${message}.`];
  const isSecret = path.some(({ key }) => isSecretKey(key)) || holdsObject(issue);
  return [`${field}: ${isSecret ? kindOf(issue.input) : shorten(issue.input)} is refused; ${message}.`];
}

/** What stands below such a key opens something: it is in no message and no log. */
const SECRET_KEY = /secret|password|token|key|claim|code|auth/i;

function isSecretKey(key: unknown): boolean {
  return typeof key === "string" && SECRET_KEY.test(key);
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
  return known.length > 0 ? `; known are ${known.join(", ")}` : "";
}

/** The parts of a valibot schema that lead to what it contains. */
interface Node {
  readonly entries?: Readonly<Record<string, Node>>;
  readonly wrapped?: Node;
  readonly item?: Node;
  readonly value?: Node;
}

/** The keys of the object schema at `path`: an issue names the key that is too much, not those that there are. */
function knownKeys(schema: v.GenericSchema, path: readonly { readonly key?: unknown }[]): string[] {
  let node = unwrap(schema as Node);
  for (const { key } of path) node = unwrap(node?.entries?.[String(key)] ?? node?.item ?? node?.value);
  return Object.keys(node?.entries ?? {});
}

function unwrap(node: Node | undefined): Node | undefined {
  return node?.wrapped === undefined ? node : unwrap(node.wrapped);
}

function shorten(value: unknown): string {
  const text =
    JSON.stringify(value, (key, inner: unknown) => (isSecretKey(key) ? `(${kindOf(inner)})` : inner)) ?? String(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}
