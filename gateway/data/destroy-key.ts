import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { encodeHead, HEAD_BYTES, judgeHead } from "@paddock/wire/key-slot.ts";

/** What destroying a key is done with. */
export interface DestroyPorts {
  readonly path: string;
  head(): Promise<Buffer>;
  /** Resolves once the bytes are on the disk. */
  write(bytes: Uint8Array, at: number): Promise<void>;
  /** Makes everything useless that the machine's TPM has sealed. */
  clearTpm(): Promise<void>;
  /** Tells the disk that nothing on it is needed. */
  discard(): Promise<void>;
  /** Overwrites the whole partition with zeros and reads it back. */
  eraseAll(): Promise<void>;
  tell(line: string): void;
}

/**
 * Makes what a data partition holds unreadable and leaves it as one that nothing is on yet. Where it is encrypted its key is
 * overwritten in place and read back, and the TPM forgets what it sealed, so that copies of the slot are worth nothing either;
 * where it is not, every byte is overwritten. Cut off anywhere, doing it again does all of it. Throws RESET_FAILED.
 */
export async function destroyData(ports: DestroyPorts): Promise<"key" | "all"> {
  const { path } = ports;
  const content = judgeHead(await ports.head());
  if (content.kind !== "slot") {
    await ports.eraseAll();
    await overwriteHead(ports);
    return "all";
  }
  // Before the slot: without that nobody would know, after a loss of power, that there is something to be forgotten.
  if (content.slot.keeper === "tpm")
    await attempt(ports, "the TPM forgets the key", "the TPM forgets nothing", () => ports.clearTpm());
  await overwriteHead(ports);
  await attempt(ports, `${path} is given back to the disk`, "the disk takes nothing back", () => ports.discard());
  // What reads back from a place that was given back is for the disk to say.
  await overwriteHead(ports);
  return "key";
}

async function overwriteHead(ports: DestroyPorts): Promise<void> {
  const slots = encodeHead({ keeper: "none" });
  const expected = Buffer.concat([slots, Buffer.alloc(HEAD_BYTES - slots.length)]);
  const failed = (why: string, cause?: unknown): PaddockError =>
    new PaddockError("RESET_FAILED", `The key of ${ports.path} ${why}.`, {
      remedy: "Destroy the disk: what it holds cannot be erased.",
      cause,
    });
  try {
    await ports.write(expected, 0);
  } catch (error) {
    throw failed(`cannot be overwritten: ${messageOf(error)}`, error);
  }
  if (!(await ports.head()).equals(expected)) throw failed("is overwritten, and something else is read back");
}

/** What does more than has to be done may fail. */
async function attempt(ports: DestroyPorts, done: string, failed: string, task: () => Promise<void>): Promise<void> {
  try {
    await task();
    ports.tell(`factory reset: ${done}`);
  } catch (error) {
    ports.tell(`factory reset: ${failed}: ${messageOf(error)}`);
  }
}
