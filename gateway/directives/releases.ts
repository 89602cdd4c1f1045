import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile } from "@paddock/base/durable-file.ts";
import type { DirectiveBody } from "@paddock/wire/directive.ts";
import * as v from "valibot";

/** Where whoever installs releases, as root, says what became of them. */
export const UPDATE_DIR = "/var/lib/paddock-update";
const STATE_FILE = "state.json";
/** Below `dataDir`: what this gateway, which is not root, asks for. */
const REQUEST_FILE = "update-request.json";
const STATE_BYTES_MAX = 256 * 1024;

const UpdateState = v.object({
  results: v.array(
    v.object({
      id: v.nullable(v.string()),
      outcome: v.picklist(["applied", "refused", "reverted", "failed"]),
      reason: v.nullish(v.string()),
    }),
  ),
});

type ReleaseEnd = v.InferOutput<typeof UpdateState>["results"][number];

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
export async function releaseEnd(updateDir: string, id: string): Promise<ReleaseEnd | undefined> {
  try {
    const text = await readFile(join(updateDir, STATE_FILE), "utf8");
    if (text.length > STATE_BYTES_MAX) return undefined;
    return v.parse(UpdateState, JSON.parse(text)).results.findLast((result) => result.id === id);
  } catch {
    // Not there yet, or being made anew: it is looked at again.
    return undefined;
  }
}
