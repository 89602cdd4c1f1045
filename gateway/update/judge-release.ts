import { PaddockError } from "@paddock/base/errors.ts";
import { verityBytes, VERITY_BLOCK_BYTES } from "@paddock/wire/dm-verity.ts";
import type { ReleaseManifest } from "@paddock/wire/release/manifest.ts";
import { compareVersions } from "@paddock/wire/release/version.ts";
import { heldUntil, type Hold } from "./state.ts";

export interface DeviceFacts {
  /** Version that runs. */
  readonly running: string;
  /** Whether it still has to prove itself while another one could take its place. */
  readonly onTrial: boolean;
  readonly arch: string;
  readonly board: string;
  /** Bytes of the slot that is free to be written. */
  readonly rootBytes: number;
  readonly verityBytes: number;
  /** Bytes that the new program may have in the boot partition, once the other release's is gone. */
  readonly bootBytes: number;
  readonly hold: Hold | null;
  /** Unix ms; only a hold that ends looks at it. */
  readonly nowMs: number;
}

/** Why a release may not be installed here; undefined when it may. Pure, and before anything is changed. */
export function objectionTo(
  { version, arch, board, root, uki }: ReleaseManifest,
  facts: DeviceFacts,
  { allowDowngrade, byHand = false }: { readonly allowDowngrade: boolean; readonly byHand?: boolean },
): PaddockError | undefined {
  if (arch !== facts.arch)
    return invalid(`Release ${version} is for ${arch}, and this machine is ${facts.arch}.`, "Take the one for it.");
  if (board !== facts.board)
    return invalid(`Release ${version} is for the board ${board}, and this is ${facts.board}.`, "Take the one for it.");
  const held =
    facts.hold === null || endsHold(facts.hold, version, byHand) ? undefined : heldUntil(facts.hold, facts.nowMs);
  if (held !== undefined)
    return refused(
      `Updates are held ${held}.`,
      byHand
        ? "A stick ends no hold but that of another release that was taken back: wait until it is over, or flash the image; --keep-data keeps what is buffered."
        : "Release the hold: paddock gateway update hold --release.",
    );
  if (facts.onTrial)
    return refused(
      `Release ${facts.running} has not proven itself yet, and the other slot holds the one to go back to.`,
      byHand
        ? "Wait ten minutes, and plug the stick in again."
        : "Wait until paddock gateway update status says that it is confirmed.",
    );
  if (compareVersions(version, facts.running) < 0 && !allowDowngrade)
    return refused(
      `Release ${version} is older than ${facts.running}, which runs.`,
      byHand
        ? "An older release may have holes that are known, so a stick brings newer ones alone; a file named rollback goes back to the one before."
        : "An older release may have holes that are known: say --allow-downgrade, as root on this machine, if you want it.",
    );
  const blocks = root.bytes / VERITY_BLOCK_BYTES;
  if (root.bytes > facts.rootBytes || verityBytes(blocks) > facts.verityBytes)
    return invalid(
      `Release ${version} needs ${root.bytes} bytes and ${verityBytes(blocks)} of hashes, and the slot has ${facts.rootBytes} and ${facts.verityBytes}.`,
      "Flash the image of this release; --keep-data keeps what is buffered.",
    );
  if (uki.bytes > facts.bootBytes)
    return new PaddockError(
      "UPDATE_FAILED",
      `The program of release ${version} has ${uki.bytes} bytes, and the boot partition has room for ${facts.bootBytes}.`,
      { remedy: "Remove files from the boot partition (/efi) that no release put there. Nothing was changed." },
    );
  return undefined;
}

/** Whether installing a release by hand ends a hold: one that keeps another release from coming back by itself. */
export function endsHold({ takenBack }: Hold, version: string, byHand: boolean): boolean {
  return byHand && takenBack !== undefined && takenBack !== version;
}

function invalid(message: string, remedy: string): PaddockError {
  return new PaddockError("UPDATE_INVALID", message, { remedy });
}

function refused(message: string, remedy: string): PaddockError {
  return new PaddockError("UPDATE_REFUSED", message, { remedy });
}
