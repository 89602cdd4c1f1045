import { createPublicKey, verify } from "node:crypto";
import { lstatSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { PaddockError } from "@paddock/base/errors.ts";
import { BUILDER } from "../image/architectures.ts";
import { sha256Of } from "../image/release.ts";
import { run } from "../image/run.ts";
import { dataTables } from "./data-tables.ts";
import type { Evidence } from "./evidence.ts";
import { pageFiles } from "./judge.ts";
import { openPorts } from "./open-ports.ts";
import { extractRoot, partitionsOf, rootFiles } from "./read-image.ts";

const HOUSE = join(import.meta.dirname, "../..");
const DOCUMENT_BYTES_MAX = 16 * 1024 * 1024;

const ReleaseSchema = v.object({
  version: v.string(),
  arch: v.string(),
  commit: v.string(),
  supportUntil: v.string(),
  rootHash: v.string(),
});

export interface GatherOptions {
  /** Folder of the release. */
  readonly image: string;
  /** PEM of the public key of releases. */
  readonly publicKey: string;
  /** Folder of what the image builder fetched. */
  readonly cache: string;
  readonly tests: ReadonlyMap<string, boolean>;
  readonly now: Date;
  readonly tell: (step: string) => void;
}

/** Looks at an image and at what lies beside it. */
export async function gather(options: GatherOptions): Promise<Evidence> {
  const { image, publicKey, tests, now, tell } = options;
  const release = v.parse(ReleaseSchema, JSON.parse(await readFile(join(image, "release.json"), "utf8")));
  if (release.arch !== BUILDER.name)
    throw new PaddockError(
      "USAGE",
      `${image} is for ${release.arch}; a gateway is started from the image, which this machine cannot.`,
      {
        remedy: `Judge the image for ${BUILDER.name} of the same commit.`,
      },
    );
  const raw = join(image, `paddock_${release.version}_${release.arch}.raw`);
  tell("sums");
  const sums = await readFile(join(image, "SHA256SUMS"));
  const signature = await readFile(join(image, "SHA256SUMS.sig")).catch(() => Buffer.alloc(0));
  const { documents, changed, imageSha256 } = await listedFiles(image, sums.toString("utf8"), raw);
  const isSigned = verify(null, sums, createPublicKey(await readFile(publicKey)), signature);
  const scratch = await mkdtemp(join(tmpdir(), "paddock-conformance-"));
  try {
    tell("partitions and root file system");
    const partitions = await partitionsOf(raw);
    const slot = partitions.find(({ label }) => label === `paddock_${release.version}`);
    if (slot === undefined) throw new Error(`${raw} has no partition paddock_${release.version}`);
    const folder = await extractRoot(raw, slot, scratch, options.cache);
    const fat = (name: string) => `${raw}@@${partitions.find(({ label }) => label === name)!.startByte}`;
    const loader = await run("mtype", ["-i", fat("esp"), "::/loader/loader.conf"]);
    const config = (await run("mdir", ["-b", "-i", fat("CONFIG"), "::/"])).split("\n").filter((line) => line !== "");
    tell("open ports of a gateway");
    return {
      release,
      imageSha256,
      sumsProblem: isSigned ? changed : "SHA256SUMS is not signed by the release key",
      documents,
      partitions,
      root: rootFiles(folder),
      loader,
      config: config.map((name) => name.replace("::/", "")),
      ports: await openPorts(folder, scratch),
      // A program that makes none is what the report is for.
      dataTables: await dataTables(folder, scratch).catch(() => undefined),
      tests,
      pages: new Map(pageFiles().map((page) => [page, readFileSync(join(HOUSE, page), "utf8")])),
      now,
    };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

interface Listed {
  readonly documents: ReadonlyMap<string, string>;
  readonly imageSha256: string;
  /** What is not as SHA256SUMS says; undefined: everything is. */
  readonly changed: string | undefined;
}

async function listedFiles(folder: string, sums: string, raw: string): Promise<Listed> {
  const documents = new Map<string, string>();
  const wrong: string[] = [];
  let imageSha256 = "";
  for (const line of sums.split("\n").filter((one) => one !== "")) {
    const [hash, name] = line.split("  ") as [string, string];
    const path = join(folder, name);
    const found = await sha256Of(path).catch(() => "missing");
    if (path === raw) imageSha256 = found;
    if (found !== hash) wrong.push(name);
    else if (lstatSync(path).size < DOCUMENT_BYTES_MAX && /\.(?:json|txt)$/u.test(name))
      documents.set(name, await readFile(path, "utf8"));
  }
  return {
    documents,
    imageSha256,
    changed: wrong.length === 0 ? undefined : `SHA256SUMS has other hashes of ${wrong.join(", ")}`,
  };
}
