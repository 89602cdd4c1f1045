import { constants } from "node:fs";
import { open } from "node:fs/promises";
import * as v from "valibot";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { isVersion, VERSION_FORM } from "@paddock/wire/release/version.ts";

const BYTES_MAX = 4096;

const requestSchema = v.object({
  id: v.pipe(v.string(), v.minLength(1), v.maxLength(128)),
  kind: v.literal("release"),
  url: v.pipe(v.string(), v.maxLength(2048)),
  version: v.pipe(v.string(), v.check(isVersion, `expected ${VERSION_FORM}`)),
  /** Of the one manifest that is meant, hex. */
  manifestSha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
});

/** What the gateway, which is not root, asks for on behalf of its collector. */
export type UpdateRequest = v.InferOutput<typeof requestSchema>;

/**
 * Reads a request from a folder that somebody with less rights writes: follows no link, and takes no more than a request
 * has. Throws USAGE.
 */
export async function readRequest(path: string): Promise<UpdateRequest> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(BYTES_MAX + 1), 0, BYTES_MAX + 1, 0);
      if (bytesRead > BYTES_MAX) throw new Error(`it has more than ${BYTES_MAX} bytes`);
      const read = v.safeParse(requestSchema, JSON.parse(buffer.toString("utf8", 0, bytesRead)));
      if (read.success) return read.output;
      const [issue] = read.issues;
      throw new Error(`${v.getDotPath(issue) ?? "all of it"}: ${issue.message}`);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new PaddockError("USAGE", `The request ${path} is none: ${messageOf(error)}.`, {
      cause: error,
      remedy: "The gateway writes it; ask for the update on the collector again.",
    });
  }
}
