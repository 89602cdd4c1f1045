import { readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile } from "@paddock/base/durable-file.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { DIRECTIVE_OUTCOMES } from "@paddock/wire/gateway-record.ts";
import { DIRECTIVE_DOCUMENT_BYTES_MAX } from "@paddock/wire/limits.ts";
import * as v from "valibot";
import { ANSWERS_MAX, NO_DIRECTIVES, type DirectiveState } from "./machine.ts";

/** Below `dataDir`. */
const STATE_FILE = "directives.json";
/** A person made it to have the gateway's own document alone from the next start on. */
export const RESET_FILE = "directives.reset";

const id = v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/u));
const safe = v.pipe(v.number(), v.safeInteger());
const change = v.object({ id, revision: safe, document: v.pipe(v.string(), v.maxBytes(DIRECTIVE_DOCUMENT_BYTES_MAX)) });

const StateSchema = v.object({
  /** Public key of the collector whose directives these are, hex. */
  collector: v.string(),
  newest: v.object({ issued: safe, revision: safe }),
  confirmed: v.nullable(change),
  trial: v.nullable(change),
  release: v.nullable(v.object({ id, version: v.string() })),
  answers: v.pipe(
    v.array(
      v.object({
        id,
        outcome: v.picklist(DIRECTIVE_OUTCOMES),
        subject: v.string(),
        reason: v.string(),
        told: v.boolean(),
      }),
    ),
    v.maxLength(ANSWERS_MAX),
  ),
});

export interface FoundState {
  readonly state: DirectiveState;
  /** Why the file says nothing: it is to be set aside. */
  readonly damaged: string | undefined;
}

/**
 * What directives of this collector have done here; nothing of another's. A damaged file leaves the gateway with its own document. Throws
 * STORE_READ_FAILED for one that the disk does not give back.
 */
export async function readDirectiveState(dataDir: string, collector: string | undefined): Promise<FoundState> {
  const path = join(dataDir, STATE_FILE);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    // What is wrong with the directory itself is said by the opening of the store.
    const { code = "" } = error as NodeJS.ErrnoException;
    if (["ENOENT", "ENOTDIR", "EACCES"].includes(code)) return { state: NO_DIRECTIVES, damaged: undefined };
    throw new PaddockError("STORE_READ_FAILED", `${path} cannot be read: ${messageOf(error)}.`, { cause: error });
  }
  try {
    const { collector: whose, ...state } = v.parse(StateSchema, JSON.parse(text));
    return { state: whose === collector ? state : NO_DIRECTIVES, damaged: undefined };
  } catch (error) {
    return { state: NO_DIRECTIVES, damaged: messageOf(error) };
  }
}

export async function writeDirectiveState(dataDir: string, collector: string, state: DirectiveState): Promise<void> {
  await replaceFile(join(dataDir, STATE_FILE), `${JSON.stringify({ collector, ...state }, null, 1)}\n`);
}

/** Keeps a damaged file for a person. */
export async function setStateAside(dataDir: string): Promise<void> {
  const path = join(dataDir, STATE_FILE);
  await rename(path, `${path}.damaged`);
}
