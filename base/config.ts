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
    throw new PaddockError("CONFIG_UNREADABLE", `${path} is not JSON: ${messageOf(error)}.`, { cause: error });
  }
  return parseConfig(schema, document, path);
}

interface Issue {
  readonly type: string;
  readonly message: string;
  readonly input: unknown;
  readonly expected?: string | null;
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
  if (issue.input === undefined) return [`${field}: missing; ${issue.message}.`];
  return [`${field}: ${shorten(issue.input)} is refused; ${issue.message}.`];
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
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}
