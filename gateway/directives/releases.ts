import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile } from "@paddock/base/durable-file.ts";
import type { DirectiveBody } from "@paddock/wire/directive.ts";
import { decodeState, STICK_ID, type UpdateResult } from "../update/state.ts";

const STATE_FILE = "state.json";
/** Below `dataDir`: what this gateway, which is not root, asks for. */
const REQUEST_FILE = "update-request.json";
const STICK_RESULT = new RegExp(`^${STICK_ID}[0-9a-f]{32}$`, "u");
/** Fewer than answers are remembered: what was said already is not said again and again. */
const STICK_ENDS_MAX = 4;

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
  return (await resultsIn(updateDir)).findLast((result) => result.id === id);
}

/** What became last of each of the newest few things that sticks asked for, by its id in hex. */
export async function stickEnds(updateDir: string): Promise<ReadonlyMap<string, UpdateResult>> {
  const byStick = (await resultsIn(updateDir)).filter(({ id }) => id !== null && STICK_RESULT.test(id));
  const newest = new Map<string, UpdateResult>();
  for (const result of byStick.slice(-STICK_ENDS_MAX)) newest.set(result.id!.slice(STICK_ID.length), result);
  return newest;
}

async function resultsIn(updateDir: string): Promise<readonly UpdateResult[]> {
  try {
    return decodeState(await readFile(join(updateDir, STATE_FILE), "utf8"))?.results ?? [];
  } catch {
    // Not there yet, or being made anew: it is looked at again.
    return [];
  }
}
