import { Decoder, Tag } from "cbor-x";

/**
 * As much of CDDL (RFC 8610) as wire.cddl uses: choices, literals, ranges, arrays, maps, groups, tags, occurrences,
 * `.size` and `.cbor`. Arrays match greedily from left to right, without going back.
 */

type Type =
  | { readonly kind: "rule"; readonly name: string }
  | { readonly kind: "literal"; readonly value: number | string }
  | { readonly kind: "range"; readonly first: number; readonly last: number }
  | { readonly kind: "array" | "map" | "group"; readonly entries: readonly Entry[] }
  | { readonly kind: "tag"; readonly tag: number; readonly content: Type }
  | { readonly kind: "choice"; readonly types: readonly Type[] }
  | { readonly kind: "control"; readonly base: Type; readonly control: string; readonly argument: Type };

interface Entry {
  readonly min: number;
  readonly max: number;
  /** Of a map entry; names in arrays are comments. */
  readonly key: Type | undefined;
  readonly type: Type;
}

export type Schema = ReadonlyMap<string, Type>;

const TOKEN = /"[^"]*"|#6\.\d+|\.\.|\.[a-z]+|=>|-?\d+|[A-Za-z][A-Za-z0-9-]*|[=:/,?*()[\]{}]/g;

/** Throws on what it does not know. */
export function parseCddl(text: string): Schema {
  const source = text.replaceAll(/^((?:[^";\n]|"[^"\n]*")*);.*$/gm, "$1");
  const leftover = source.replaceAll(TOKEN, "").trim();
  if (leftover !== "") throw new Error(`not understood: ${leftover.slice(0, 40)}`);
  const parser = new Parser(source.match(TOKEN) ?? []);
  const rules = new Map<string, Type>();
  while (!parser.atEnd) {
    const name = parser.take();
    parser.expect("=");
    if (rules.has(name)) throw new Error(`rule ${name} stands twice`);
    rules.set(name, parser.choice());
  }
  return rules;
}

class Parser {
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  get atEnd(): boolean {
    return this.#at >= this.#tokens.length;
  }

  take(): string {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw new Error("the schema ends too early");
    return token;
  }

  expect(token: string): void {
    const found = this.take();
    if (found !== token) throw new Error(`expected ${token}, found ${found} at token ${this.#at}`);
  }

  choice(): Type {
    const types = [this.#controlled()];
    while (this.#takeIf("/")) types.push(this.#controlled());
    return types.length === 1 ? types[0]! : { kind: "choice", types };
  }

  #takeIf(token: string): boolean {
    if (this.#tokens[this.#at] !== token) return false;
    this.#at++;
    return true;
  }

  #controlled(): Type {
    const base = this.#primary();
    const next = this.#tokens[this.#at];
    if (next !== ".size" && next !== ".cbor") return base;
    this.#at++;
    return { kind: "control", base, control: next, argument: this.#primary() };
  }

  #primary(): Type {
    const token = this.take();
    if (token === "[") return { kind: "array", entries: this.#entries("]") };
    if (token === "{") return { kind: "map", entries: this.#entries("}") };
    if (token === "(") {
      const entries = this.#entries(")");
      const only = entries.length === 1 ? entries[0]! : undefined;
      return only !== undefined && only.key === undefined ? only.type : { kind: "group", entries };
    }
    if (token.startsWith("#6.")) {
      this.expect("(");
      const content = this.choice();
      this.expect(")");
      return { kind: "tag", tag: Number(token.slice(3)), content };
    }
    if (token.startsWith('"')) return { kind: "literal", value: token.slice(1, -1) };
    if (/^-?\d/.test(token)) {
      if (!this.#takeIf("..")) return { kind: "literal", value: Number(token) };
      return { kind: "range", first: Number(token), last: Number(this.take()) };
    }
    if (!/^[A-Za-z]/.test(token)) throw new Error(`unexpected ${token} at token ${this.#at}`);
    return { kind: "rule", name: token };
  }

  #entries(close: string): Entry[] {
    const entries: Entry[] = [];
    while (!this.#takeIf(close)) {
      entries.push(this.#entry());
      if (!this.#takeIf(",") && this.#tokens[this.#at] !== close) throw new Error(`no comma at token ${this.#at}`);
    }
    return entries;
  }

  #entry(): Entry {
    let [min, max] = [1, 1];
    if (this.#takeIf("?")) min = 0;
    else if (this.#tokens[this.#at + 1] === "*") {
      min = Number(this.take());
      this.expect("*");
      max = Number(this.take());
    }
    const type = this.choice();
    if (this.#takeIf(":")) return { min, max, key: undefined, type: this.choice() };
    if (this.#takeIf("=>")) return { min, max, key: type, type: this.choice() };
    return { min, max, key: undefined, type };
  }
}

const decoder = new Decoder({ mapsAsObjects: false, useRecords: false });

/** Undefined when `bytes` are one CBOR item that fits the rule, else where and why not. */
export function matchCddl(schema: Schema, rule: string, bytes: Uint8Array): string | undefined {
  let item: unknown;
  try {
    item = decoder.decode(bytes);
  } catch (error) {
    return `not CBOR: ${String(error)}`;
  }
  return match(schema, { kind: "rule", name: rule }, item, rule);
}

const PRELUDE: Readonly<Record<string, (item: unknown) => boolean>> = {
  uint: (item) => isInteger(item) && item >= 0,
  int: isInteger,
  bytes: (item) => item instanceof Uint8Array,
  tstr: (item) => typeof item === "string",
  null: (item) => item === null,
};

function isInteger(item: unknown): item is number | bigint {
  return Number.isInteger(item) || typeof item === "bigint";
}

function match(schema: Schema, type: Type, item: unknown, where: string): string | undefined {
  const no = `${where}: ${describe(item)} is no ${describeType(type)}`;
  switch (type.kind) {
    case "rule": {
      const prelude = PRELUDE[type.name];
      if (prelude !== undefined) return prelude(item) ? undefined : no;
      const rule = schema.get(type.name);
      if (rule === undefined) throw new Error(`no rule ${type.name}`);
      return match(schema, rule, item, where === type.name ? where : `${where}/${type.name}`);
    }
    case "literal":
      return item === type.value ? undefined : no;
    case "range":
      return isInteger(item) && item >= type.first && item <= type.last ? undefined : no;
    case "tag":
      return item instanceof Tag && item.tag === type.tag ? match(schema, type.content, item.value, where) : no;
    case "choice": {
      const problems = type.types.map((option) => match(schema, option, item, where));
      return problems.includes(undefined) ? undefined : problems.join("; ");
    }
    case "control":
      return match(schema, type.base, item, where) ?? matchControl(schema, type.control, type.argument, item, where);
    case "array":
      return Array.isArray(item) ? matchArray(schema, type.entries, item as readonly unknown[], where) : no;
    case "map":
      return item instanceof Map ? matchMap(schema, type.entries, item, where) : no;
    case "group":
      throw new Error(`${where}: a group is no type`);
  }
}

function matchControl(
  schema: Schema,
  control: string,
  argument: Type,
  item: unknown,
  where: string,
): string | undefined {
  if (control === ".cbor") {
    if (argument.kind !== "rule") throw new Error(`${where}: .cbor takes a rule here`);
    return matchCddl(schema, argument.name, item as Uint8Array);
  }
  const bytes = typeof item === "string" ? Buffer.byteLength(item) : (item as Uint8Array).length;
  return match(schema, argument, bytes, `${where} .size`);
}

function matchArray(
  schema: Schema,
  entries: readonly Entry[],
  items: readonly unknown[],
  where: string,
): string | undefined {
  let at = 0;
  for (const [index, entry] of entries.entries()) {
    let count = 0;
    let problem: string | undefined;
    while (count < entry.max && at < items.length) {
      problem = match(schema, entry.type, items[at], `${where}[${at}]`);
      if (problem !== undefined) break;
      at++;
      count++;
    }
    if (count < entry.min) return problem ?? `${where}: entry ${index} is missing`;
  }
  return at === items.length ? undefined : `${where}: ${items.length - at} items too many`;
}

function matchMap(
  schema: Schema,
  entries: readonly Entry[],
  map: Map<unknown, unknown>,
  where: string,
): string | undefined {
  const left = new Map(map);
  for (const entry of flatten(schema, entries)) {
    if (entry.key?.kind !== "literal") throw new Error(`${where}: only literal keys are understood`);
    const { value: key } = entry.key;
    if (!left.has(key)) {
      if (entry.min > 0) return `${where}: key ${key} is missing`;
      continue;
    }
    const problem = match(schema, entry.type, left.get(key), `${where}.${key}`);
    if (problem !== undefined) return problem;
    left.delete(key);
  }
  return left.size === 0 ? undefined : `${where}: unknown keys ${[...left.keys()].map(String).join(", ")}`;
}

/** Entries without a key name a group, which stands for its own entries. */
function flatten(schema: Schema, entries: readonly Entry[]): readonly Entry[] {
  return entries.flatMap((entry) => {
    if (entry.key !== undefined) return [entry];
    const group = entry.type.kind === "rule" ? schema.get(entry.type.name) : entry.type;
    if (group?.kind !== "group") throw new Error("a map entry without a key is no group");
    return flatten(schema, group.entries);
  });
}

function describe(item: unknown): string {
  if (item instanceof Uint8Array) return `${item.length} bytes`;
  if (item instanceof Map) return "a map";
  return Array.isArray(item) ? "an array" : String(item);
}

function describeType(type: Type): string {
  switch (type.kind) {
    case "rule":
      return type.name;
    case "literal":
      return String(type.value);
    case "range":
      return `${type.first}..${type.last}`;
    default:
      return type.kind;
  }
}
