import { parseAst } from "rolldown/parseAst";
import type { Mutant } from "./mutants-of.ts";

/** What is decided: a frame is answered with 2.04, a batch is sealed, a batch may be deleted. */
export type Verb = "2.04" | "sealed" | "trimmed";

/** A function that decides it: all of its mutants are asked, not a sample. */
export interface Decision {
  readonly verb: Verb;
  /** What it decides, in words. */
  readonly says: string;
  readonly file: string;
  /** The function's or method's name, with `#` where it has one. */
  readonly within: string;
}

/**
 * The functions between a received frame and a trimmed batch that say the three words that cannot be taken back, each in the
 * order of the way.
 */
export const DECISIONS: readonly Decision[] = [
  ...of("2.04", "gateway/ingest/frame-post.ts", {
    "#takeFrame": "whether a frame is handed on, and who waits for its write",
    "#whenCommitted": "2.04 after the write, a refusal after its failure",
    "#forgetUnless": "a frame that was not stored is taken again",
    "#answerCopy": "a copy is answered as the first one was",
  }),
  ...of("2.04", "gateway/ingest/admission.ts", {
    check: "whether a frame is valid and new",
    submit: "whether the commit loop took it",
    "#submitKeyed": "whether the sensor's number counts as used",
    "#checkKeyed": "whose the frame is, and whether it is stored already",
  }),
  ...of("2.04", "gateway/ingest/duplicate-ring.ts", {
    find: "whether a message was there before",
    codeOf: "what it was answered",
    settle: "that its answer counts",
    forget: "that it does not",
  }),
  ...of("2.04", "gateway/commit/lane-writer.ts", { "#run": "each frame's word after the write" }),
  ...of("2.04", "store/commit-queue.ts", {
    submit: "whose write a word is about",
    "#run": "a word only after the write",
    "#write": "after a failed write nothing counts",
  }),
  ...of("sealed", "gateway/commit/chain-sealer.ts", { append: "where a batch stands, and that it stands there" }),
  ...of("sealed", "gateway/commit/room-bargain.ts", { "#write": "whether a batch found room" }),
  ...of("sealed", "gateway/commit/lane-writer.ts", {
    "#pump": "which batch is written next",
    "#stored": "that it is on disk",
    "#refuse": "what is refused with one that found no room",
  }),
  ...of("sealed", "store/append.ts", { prepareAppend: "whether there is room for a batch" }),
  ...of("sealed", "store/store-core.ts", {
    applyAppend: "what is written of a batch",
    completeGroup: "that its chain knows it",
    publishGroup: "that it may be seen",
  }),
  ...of("trimmed", "wire/receipt.ts", { openReceipt: "whether a receipt is the collector's" }),
  ...of("trimmed", "uplink/forward/collector-link.ts", {
    "#receiptOf": "whether it is for this gateway and this chain",
  }),
  ...of("trimmed", "uplink/forward/upload.ts", {
    measure: "what was sent, and with its payload",
    receiptFault: "whether a receipt names what was sent",
  }),
  ...of("trimmed", "uplink/forward/receipt-queue.ts", {
    "#drain": "that a receipt is durable",
    saysAllOf: "whether an older receipt need not be written",
  }),
  ...of("trimmed", "gateway/batch-source.ts", {
    acknowledge: "which seqs a receipt lets go of",
    "#proven": "what it lets go of beyond what was just sent",
    "#hashAt": "which header its head is compared with",
    "#trim": "what follows from a trim",
  }),
  ...of("trimmed", "store/release.ts", {
    acknowledgeIn: "that seqs are acknowledged",
    trimmable: "which of them may be deleted",
    trimIn: "what is deleted",
  }),
];

function of(verb: Verb, file: string, functions: Readonly<Record<string, string>>): Decision[] {
  return Object.entries(functions).map(([name, says]) => ({ verb, says, file, within: name }));
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

/**
 * The mutants inside these functions of a source.
 * @throws Error that names a function that is not there: one that was renamed must not drop out in silence.
 */
export function within(mutants: readonly Mutant[], source: string, names: readonly string[]): Mutant[] {
  const program: unknown = parseAst(source, { lang: "ts", sourceType: "module" });
  const places = names.map((name) => {
    const place = functionNamed(program as Node, name);
    if (place === undefined) throw new Error(`there is no function ${name}; was it renamed?`);
    return place;
  });
  return mutants.filter(({ start, end }) => places.some((place) => place.start <= start && end <= place.end));
}

function functionNamed(node: Node, name: string): Node | undefined {
  if ((node.type === "FunctionDeclaration" || node.type === "MethodDefinition") && nameOf(node) === name) return node;
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? (value as unknown[]) : [value]) {
      const found = isNode(child) ? functionNamed(child, name) : undefined;
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function nameOf(node: Node): string {
  const name = (node["id"] ?? node["key"]) as { type: string; name?: string } | null;
  return `${name?.type === "PrivateIdentifier" ? "#" : ""}${name?.name ?? ""}`;
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string";
}
