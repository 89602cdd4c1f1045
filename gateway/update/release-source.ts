import type { KeyObject } from "node:crypto";
import { PaddockError } from "@paddock/base/errors.ts";
import { MANIFEST_BYTES_MAX } from "@paddock/wire/limits.ts";
import { manifestHash, openManifest, type ReleaseManifest } from "@paddock/wire/release/manifest.ts";
import {
  decodeUpdateHead,
  releaseFileName,
  UPDATE_HEAD_BYTES,
  updateLayout,
} from "@paddock/wire/release/update-file.ts";
import { FileSource, type ByteSource } from "./byte-source.ts";
import { HttpSource, type HttpSourceOptions } from "./http-source.ts";
import type { ReleaseSource } from "./ports.ts";

/** Which release, and where it is. */
export type ReleaseTarget =
  /** One that has to be found there. */
  | { readonly file: string; readonly version?: string | undefined }
  /** Of an update, or of the folder (with a slash at its end) that releases are in; then `version`, or the newest. */
  | { readonly url: string; readonly version?: string | undefined };

export interface OpenOptions {
  /** Whose releases are believed. */
  readonly keys: readonly KeyObject[];
  /** Of this machine: names the files in a folder. */
  readonly arch: string;
  readonly http?: HttpSourceOptions;
}

/**
 * Opens a release and checks its manifest; the rest is hashed as it is read. Throws UPDATE_SOURCE, UPDATE_INVALID, and USAGE
 * for an address that is none.
 */
export async function openRelease(target: ReleaseTarget, options: OpenOptions): Promise<ReleaseSource> {
  if ("file" in target) return checkVersion(await openUpdate(await FileSource.open(target.file), options), target);
  const url = httpUrl(target.url);
  if (!url.pathname.endsWith("/"))
    return checkVersion(await openUpdate(new HttpSource(url, options.http), options), target);
  const manifest = await readManifestIn(url, target.version ?? "latest", options);
  const update = new URL(encodeURI(releaseFileName(manifest.version, options.arch, "update")), url);
  return checkVersion(await openUpdate(new HttpSource(update, options.http), options), {
    version: manifest.version,
  });
}

/** The manifest of a release in a folder of releases. */
async function readManifestIn(folder: URL, version: string, options: OpenOptions): Promise<ReleaseManifest> {
  const source = new HttpSource(
    new URL(encodeURI(releaseFileName(version, options.arch, "manifest")), folder),
    options.http,
  );
  try {
    return believe(await source.readAll(MANIFEST_BYTES_MAX), source.name, options.keys).manifest;
  } finally {
    await source.close();
  }
}

async function checkVersion(
  source: ReleaseSource,
  { version }: { version?: string | undefined },
): Promise<ReleaseSource> {
  if (version === undefined || version === source.manifest.version) return source;
  await source.close();
  throw invalid(`This is release ${source.manifest.version}, and ${version} was asked for.`);
}

async function openUpdate(source: ByteSource, options: OpenOptions): Promise<ReleaseSource> {
  try {
    const size = await source.size();
    if (size < UPDATE_HEAD_BYTES) throw invalid(`${source.name} has ${size} bytes: it is cut short.`);
    const head = decodeUpdateHead(await source.read(0, UPDATE_HEAD_BYTES));
    if (!head.ok) throw invalid(`${source.name}: ${head.detail}`);
    if (size < UPDATE_HEAD_BYTES + head.value) throw invalid(`${source.name} ends at byte ${size}: it is cut short.`);
    const encoded = await source.read(UPDATE_HEAD_BYTES, head.value);
    const { manifest, hash } = believe(encoded, source.name, options.keys);
    const layout = updateLayout(manifest, head.value);
    if (size !== layout.end)
      throw invalid(`${source.name} has ${size} bytes, and release ${manifest.version} has ${layout.end}.`);
    return {
      manifest,
      manifestSha256: hash,
      read: (part, offset, length) => source.read(layout[part] + offset, length),
      close: () => source.close(),
    };
  } catch (error) {
    await source.close();
    throw error;
  }
}

function believe(
  encoded: Uint8Array,
  name: string,
  keys: readonly KeyObject[],
): { manifest: ReleaseManifest; hash: string } {
  const manifest = openManifest(encoded, keys);
  if (manifest.ok) return { manifest: manifest.value, hash: manifestHash(encoded) };
  throw invalid(`The manifest in ${name}: ${manifest.detail}`);
}

function httpUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && (url.protocol === "https:" || url.protocol === "http:")) return url;
  throw new PaddockError("USAGE", `--url ${text}: expected an http:// or https:// address.`);
}

function invalid(message: string): PaddockError {
  return new PaddockError("UPDATE_INVALID", message);
}
