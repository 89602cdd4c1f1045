import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile } from "@paddock/base/durable-file.ts";
import type { DirectiveBody } from "@paddock/wire/directive.ts";
import { decodeState, type UpdateResult } from "../update/state.ts";

const STATE_FILE = "state.json";
/** Below `dataDir`: what this gateway, which is not root, asks for. */
const REQUEST_FILE = "update-request.json";

/** Why a release cannot be installed here; undefined when somebody is there who does. */
export async function problemOfRelease(updateDir: string): Promise<string | undefined> {
  try {
    await access(updateDir);
    return undefined;
  } catch {
    return "unsupported: this gateway was not installed from an image, so nothing here installs releases";
  }
}

/** Asks for a release: a unit of the image looks for this file. The release's own signature is what is believed there. */
export async function requestRelease(
  dataDir: string,
  id: string,
  { url, version, manifestSha256 }: DirectiveBody & { kind: "release" },
): Promise<void> {
  const request = { id, kind: "release", url, version, manifestSha256: Buffer.from(manifestSha256).toString("hex") };
  await replaceFile(join(dataDir, REQUEST_FILE), `${JSON.stringify(request)}\n`);
}

/** How the release of that directive ended; undefined while it is not known. */
export async function releaseEnd(updateDir: string, id: string): Promise<UpdateResult | undefined> {
  try {
    const text = await readFile(join(updateDir, STATE_FILE), "utf8");
    return decodeState(text)?.results.findLast((result) => result.id === id);
  } catch {
    // Not there yet, or being made anew: it is looked at again.
    return undefined;
  }
}
