import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import {
  encodeSlot,
  judgeHead,
  KEY_BYTES,
  SLOT_OFFSETS,
  type KeySlot,
  type SealedKey,
} from "@paddock/wire/key-slot.ts";
import { tableOf } from "./device-mapper.ts";

/** What opening a data partition is done with. */
export interface DataPorts {
  readonly path: string;
  /** Of the partition. */
  readonly bytes: number;
  head(): Promise<Buffer>;
  /** Resolves once the bytes are on the disk. */
  write(bytes: Uint8Array, at: number): Promise<void>;
  /** The machine's TPM; undefined: there is none. `expected`: there has to be one, so it is waited for. */
  tpm(expected: boolean): Promise<KeyKeeper | undefined>;
  random(bytes: number): Buffer;
  map(table: string): Promise<void>;
  unmap(): Promise<void>;
  /** Makes a file system on what `map` made. */
  format(): Promise<void>;
  tell(line: string): void;
}

export interface KeyKeeper {
  seal(key: Uint8Array): Promise<SealedKey>;
  unseal(sealed: SealedKey): Promise<Buffer>;
}

/**
 * Opens the data partition as /dev/mapper/data, and makes it first where nothing is on it yet. Whatever it holds that cannot be
 * opened stays as it is: throws DATA_LOCKED with what to do.
 */
export async function openData(ports: DataPorts): Promise<void> {
  const { path, bytes } = ports;
  const content = judgeHead(await ports.head());
  if (content.kind === "unknown") throw damaged(path);
  if (content.kind === "plain") {
    await ports.map(tableOf(path, bytes, undefined));
    ports.tell("data partition: NOT encrypted, as an earlier image made it; a factory reset encrypts it");
    return;
  }
  const { slot } = content;
  switch (slot.keeper) {
    case "none":
      await makeData(ports);
      return;
    case "disk":
      await ports.map(tableOf(path, bytes, slot.key));
      break;
    case "tpm":
      await ports.map(tableOf(path, bytes, await unsealed(ports, slot.sealed)));
      break;
  }
  ports.tell(OPENED[slot.keeper]);
}

/**
 * Takes a new key, makes a file system behind it, and writes the key's slots last: where the power goes before, nothing has been
 * made, and the next start begins again.
 */
async function makeData(ports: DataPorts): Promise<void> {
  const key = ports.random(KEY_BYTES);
  const slot = await slotFor(key, ports);
  await ports.map(tableOf(ports.path, ports.bytes, key));
  try {
    await ports.format();
    // The first copy decides, so it goes last.
    for (const offset of SLOT_OFFSETS.toReversed()) await ports.write(encodeSlot(slot), offset);
  } catch (error) {
    await ports.unmap();
    throw error;
  }
  ports.tell(`data partition: made anew`);
  ports.tell(OPENED[slot.keeper]);
}

const OPENED = {
  disk: "data partition: encrypted; its key lies beside it on this disk, since the machine has no TPM that keeps it",
  tpm: "data partition: encrypted; the key is in the TPM of this machine",
} as const;

/** With a TPM that cannot be used a gateway still has to take readings. */
async function slotFor(key: Buffer, ports: DataPorts): Promise<Exclude<KeySlot, { keeper: "none" }>> {
  const inSlot = { keeper: "disk", key } as const;
  const tpm = await ports.tpm(false);
  if (tpm === undefined) return inSlot;
  try {
    const sealed = await tpm.seal(key);
    if ((await tpm.unseal(sealed)).equals(key)) return { keeper: "tpm", sealed };
    ports.tell("WARNING: the TPM gives back another key than it was given, so it is not used");
  } catch (error) {
    ports.tell(`WARNING: the TPM cannot keep the key of the data partition: ${messageOf(error)}`);
  }
  return inSlot;
}

async function unsealed(ports: DataPorts, sealed: SealedKey): Promise<Buffer> {
  try {
    const tpm = await ports.tpm(true);
    if (tpm === undefined) throw new PaddockError("TPM_REFUSED", "This machine has no TPM 2.0.");
    return await tpm.unseal(sealed);
  } catch (error) {
    throw new PaddockError(
      "DATA_LOCKED",
      `${ports.path} is locked by the TPM of the machine that made it: ${messageOf(error)} Nothing was changed.`,
      { remedy: MOVED, cause: error },
    );
  }
}

const MOVED =
  "Put the disk back into its machine, with the TPM switched on there. To begin anew in this one and lose what is on it: an empty file named factory-reset in CONFIG.";

function damaged(path: string): PaddockError {
  return new PaddockError(
    "DATA_LOCKED",
    `${path} begins with neither a key nor a file system: it is damaged, or not a gateway's. Nothing was changed.`,
    {
      remedy:
        "Keep a copy of the disk if you need what was on it. To begin anew: an empty file named factory-reset in CONFIG.",
    },
  );
}
