import { createHash } from "node:crypto";
import { parseAst } from "rolldown/parseAst";

/** One small fault in one file: the text from `start` to `end` (UTF-16 units) is replaced. */
export interface Mutant {
  /** The repository's path, with slashes. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly operator: Operator;
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** What is replaced, in one line, shortened; with file and operator it names the mutant for as long as the code stays. */
  readonly original: string;
}

type Operator =
  | "condition"
  | "operand"
  | "comparison"
  | "logic"
  | "fallback"
  | "arithmetic"
  | "negation"
  | "boolean"
  | "statement"
  | "return";

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

const ORIGINAL_CHARS = 90;
/** Each comparison with its edge moved, or turned round where it has none. */
const COMPARISONS: Readonly<Record<string, string>> = {
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "===": "!==",
  "!==": "===",
  "==": "!=",
  "!=": "==",
};
const ARITHMETIC: Readonly<Record<string, string>> = {
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
  "%": "*",
  "<<": ">>>",
  ">>": "<<",
  ">>>": "<<",
  "&": "|",
  "|": "&",
};
/** Statements that only do something; without them the code still parses. */
const DROPPED = new Set(["ExpressionStatement", "ThrowStatement", "BreakStatement", "ContinueStatement"]);

/** All mutants of a TypeScript source, in the order of their places. */
export function mutantsOf(file: string, source: string): Mutant[] {
  const found: Mutant[] = [];
  const add = (operator: Operator, node: { start: number; end: number }, text: string): void => {
    const before = source.slice(node.start, node.end);
    if (before === text) return;
    const original = before.replaceAll(/\s+/gu, " ").slice(0, ORIGINAL_CHARS);
    const line = source.slice(0, node.start).split("\n").length;
    found.push({ file, line, operator, start: node.start, end: node.end, text, original });
  };
  const program: unknown = parseAst(source, { lang: "ts", sourceType: "module" }, file);
  visit(program as Node, source, add);
  return found.toSorted((a, b) => a.start - b.start || a.end - b.end);
}

/** The source with the mutant in it. */
export function withMutant(source: string, mutant: Mutant): string {
  return source.slice(0, mutant.start) + mutant.text + source.slice(mutant.end);
}

/** `size` mutants, chosen by the seed and by what each one is, not by where: code that moves keeps its sample. */
export function sampleOf(mutants: readonly Mutant[], size: number, seed: string): Mutant[] {
  const seen = new Map<string, number>();
  const ranked = mutants.map((mutant) => {
    const name = `${mutant.file}\n${mutant.operator}\n${mutant.original}\n${mutant.text}`;
    const nth = seen.get(name) ?? 0;
    seen.set(name, nth + 1);
    return { mutant, rank: createHash("sha256").update(`${seed}\n${name}\n${nth}`).digest("hex") };
  });
  const chosen = ranked.toSorted((a, b) => (a.rank < b.rank ? -1 : 1)).slice(0, size);
  return chosen.map(({ mutant }) => mutant).toSorted((a, b) => a.start - b.start || a.end - b.end);
}

type Add = (operator: Operator, node: { start: number; end: number }, text: string) => void;

function visit(node: Node, source: string, add: Add): void {
  mutate(node, source, add);
  // The words of an error are not a promise; that it is thrown is one, and dropping the statement asks for that.
  if (node.type === "ThrowStatement" || node.type === "ImportDeclaration") return;
  for (const [key, value] of Object.entries(node)) {
    if (key === "typeAnnotation" || key === "typeArguments" || key === "typeParameters" || key === "returnType")
      continue;
    for (const child of Array.isArray(value) ? (value as unknown[]) : [value]) {
      if (isNode(child) && !isTypeOnly(child)) visit(child, source, add);
    }
  }
}

function mutate(node: Node, source: string, add: Add): void {
  const text = (part: Node): string => source.slice(part.start, part.end);
  if (node.type === "IfStatement" || node.type === "ConditionalExpression") {
    add("condition", node["test"] as Node, "true");
    add("condition", node["test"] as Node, "false");
  } else if (node.type === "WhileStatement" || node.type === "ForStatement") {
    // Never true: a loop without an end is found by its timeout alone, slowly.
    if (isNode(node["test"])) add("condition", node["test"], "false");
  } else if (node.type === "LogicalExpression") {
    const left = node["left"] as Node;
    const right = node["right"] as Node;
    if (node["operator"] === "??") {
      add("fallback", node, text(left));
    } else {
      const and = node["operator"] === "&&";
      add(
        "logic",
        { start: left.end, end: right.start },
        between(source, left, right, and ? "&&" : "||", and ? "||" : "&&"),
      );
      for (const operand of [left, right]) add("operand", operand, and ? "true" : "false");
    }
  } else if (node.type === "BinaryExpression") {
    binary(node, source, add);
  } else if (node.type === "UnaryExpression" && node["operator"] === "!") {
    add("negation", node, `(${text(node["argument"] as Node)})`);
  } else if (node.type === "Literal" && typeof node["value"] === "boolean") {
    add("boolean", node, String(!node["value"]));
  } else if (node.type === "ReturnStatement" && isNode(node["argument"])) {
    add("return", node["argument"], "undefined");
  } else if (DROPPED.has(node.type) && typeof node["directive"] !== "string") {
    add("statement", node, ";");
  }
}

function binary(node: Node, source: string, add: Add): void {
  const left = node["left"] as Node;
  const right = node["right"] as Node;
  const operator = node["operator"] as string;
  const edge = COMPARISONS[operator];
  const other = ARITHMETIC[operator];
  const gap = { start: left.end, end: right.start };
  if (edge !== undefined) add("comparison", gap, between(source, left, right, operator, edge));
  if (other !== undefined && !isText(left) && !isText(right)) {
    add("arithmetic", gap, between(source, left, right, operator, other));
  }
}

/** What stands between two operands (blanks, brackets, comments), with another operator. */
function between(source: string, left: Node, right: Node, operator: string, other: string): string {
  return source.slice(left.end, right.start).replace(operator, other);
}

function isText(node: Node): boolean {
  return node.type === "TemplateLiteral" || (node.type === "Literal" && typeof node["value"] === "string");
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string";
}

/** Types leave nothing behind when they are stripped; `x as T`, `x!` and `x satisfies T` leave their `x`. */
function isTypeOnly(node: Node): boolean {
  return node.type.startsWith("TS") && !isNode(node["expression"]);
}
