import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { PassThrough } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";

const CHUNK_BYTES = 1 << 20;

/**
 * The bytes of an image from its beginning, unpacked: .raw as it is, .gz, .zst, and .xz through the program `xz`. Throws
 * IMAGE_INVALID where the file is cut or damaged.
 */
export async function* imageChunks(path: string): AsyncGenerator<Buffer> {
  const unpacked = new PassThrough({ highWaterMark: CHUNK_BYTES });
  let failure: unknown;
  const whole = unpackInto(path, unpacked).catch((error: unknown) => {
    failure = error;
    unpacked.destroy();
  });
  try {
    for await (const chunk of unpacked as AsyncIterable<Buffer>) yield chunk;
  } catch (error) {
    failure ??= error;
  }
  await whole;
  if (failure === undefined) return;
  throw new PaddockError("IMAGE_INVALID", `${path} cannot be unpacked: ${messageOf(failure)}.`, {
    cause: failure,
    remedy: "Download the image again.",
  });
}

/** The first bytes of an image, or all where it has fewer. Throws as `imageChunks` does. */
export async function imageHead(path: string, bytes: number): Promise<Buffer> {
  let head = Buffer.alloc(0);
  for await (const chunk of imageChunks(path)) {
    head = Buffer.concat([head, chunk]);
    if (head.length >= bytes) break;
  }
  return head.subarray(0, bytes);
}

async function unpackInto(path: string, target: PassThrough): Promise<void> {
  if (path.endsWith(".xz")) return unpackByXz(path, target);
  const file = createReadStream(path, { highWaterMark: CHUNK_BYTES });
  if (path.endsWith(".zst")) return pipeline(file, createZstdDecompress(), target);
  if (path.endsWith(".gz")) return pipeline(file, createGunzip(), target);
  return pipeline(file, target);
}

async function unpackByXz(path: string, target: PassThrough): Promise<void> {
  const xz = spawn("xz", ["--decompress", "--stdout", "--threads=1", "--", path], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let complaint = "";
  xz.stderr.setEncoding("utf8").on("data", (text: string) => (complaint = `${complaint}${text}`.slice(0, 500)));
  const ended = new Promise<void>((resolve, reject) => {
    xz.once("error", (error: NodeJS.ErrnoException) =>
      reject(error.code === "ENOENT" ? new Error("the program xz is missing; install xz-utils") : error),
    );
    xz.once("close", (code) =>
      code === 0 ? resolve() : reject(new Error(complaint.trim() || `xz ended with ${code}`)),
    );
  });
  try {
    await Promise.all([pipeline(xz.stdout, target, { end: false }), ended]);
    target.end();
  } finally {
    // Whoever stops reading early leaves it waiting for room.
    if (xz.exitCode === null) xz.kill();
  }
}
