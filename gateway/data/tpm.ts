import { open } from "node:fs/promises";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import type { SealedKey } from "@paddock/wire/key-slot.ts";
import * as codec from "./tpm-codec.ts";

/** Sends a command to a TPM and resolves with its answer. Rejects where none can be had. */
export type Transmit = (command: Buffer) => Promise<Buffer>;

/** The device with the kernel's resource manager, which takes away what a program left in the TPM. */
export const TPM_DEVICE = "/dev/tpmrm0";
const ANSWER_BYTES_MAX = 4096;
/** TPM_RC_INTEGRITY of the first parameter: another TPM sealed it, or this one has been cleared (part 2, 6.6.3). */
const NOT_ITS_OWN = 0x1df;

/** A TPM that keeps a secret. */
export class Tpm {
  readonly #transmit: Transmit;

  constructor(transmit: Transmit) {
    this.#transmit = transmit;
  }

  /** Seals at most 128 bytes so that this TPM alone can give them back. Throws TPM_REFUSED. */
  seal(secret: Uint8Array): Promise<SealedKey> {
    return this.#withStorageKey(async (parent) =>
      whole(codec.sealedOf(await this.#do("Create", codec.create(parent, secret)))),
    );
  }

  /** Gives back what `seal` was given. Throws TPM_REFUSED, also where another TPM sealed it or this one has been cleared. */
  unseal(sealed: SealedKey): Promise<Buffer> {
    return this.#withStorageKey(async (parent) => {
      const handle = whole(codec.handleOf(await this.#do("Load", codec.load(parent, sealed))));
      try {
        return whole(codec.secretOf(await this.#do("Unseal", codec.unseal(handle))));
      } finally {
        await this.#transmit(codec.flush(handle));
      }
    });
  }

  /** Makes everything useless that this TPM ever sealed, wherever copies of it are. Throws TPM_REFUSED. */
  async clear(): Promise<void> {
    await this.#do("Clear", codec.clear());
  }

  async #withStorageKey<Result>(use: (handle: number) => Promise<Result>): Promise<Result> {
    const handle = whole(codec.handleOf(await this.#do("CreatePrimary", codec.createPrimary())));
    try {
      return await use(handle);
    } finally {
      await this.#transmit(codec.flush(handle));
    }
  }

  async #do(name: string, command: Buffer): Promise<Buffer> {
    const answer = whole(codec.decodeAnswer(await this.#transmit(command)));
    if (answer.code === 0) return answer.body;
    const why = answer.code === NOT_ITS_OWN ? "another TPM sealed it, or this one has been cleared since" : "refused";
    throw new PaddockError("TPM_REFUSED", `TPM2_${name}: ${why} (0x${answer.code.toString(16)}).`);
  }
}

/** The TPM behind a device file, opened anew for each task. Throws TPM_REFUSED. */
export async function withTpm<Result>(device: string, use: (tpm: Tpm) => Promise<Result>): Promise<Result> {
  let file;
  try {
    file = await open(device, "r+");
  } catch (error) {
    throw new PaddockError("TPM_REFUSED", `${device}: ${messageOf(error)}.`, { cause: error });
  }
  const transmit: Transmit = async (command) => {
    await file.write(command, 0, command.length, null);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(ANSWER_BYTES_MAX), 0, ANSWER_BYTES_MAX, null);
    return buffer.subarray(0, bytesRead);
  };
  try {
    return await use(new Tpm(transmit));
  } finally {
    await file.close();
  }
}

function whole<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new PaddockError("TPM_REFUSED", "The TPM's answer is cut off.");
  return value;
}
