import { readFile, writeFile } from "node:fs/promises";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { print, printJson } from "@paddock/base/printable.ts";
import { TABLE_BYTES } from "@paddock/wire/gpt.ts";
import { appendFlashed, flashedHostnames, readBatch, type Flashed } from "./batch.ts";
import { findTarget, listDisks, type Target } from "./block-devices.ts";
import { assertBoard, releaseOf } from "./board.ts";
import { unitOf, type Unit } from "./config-files.ts";
import { DiskFile } from "./disk-file.ts";
import { flashOne, mapOf } from "./flash-one.ts";
import { imageChunks, imageHead } from "./image-stream.ts";
import { labelPng } from "./label.ts";
import { HELP, readOptions, usage, wishesOf, type FlashOptions } from "./options.ts";
import { checkRelease, readReleaseKey, type CheckedRelease } from "./release-files.ts";
import { confirm, diskLine, progressLine } from "./terminal.ts";
import { compareWithImage } from "./verify-disk.ts";

/** `paddock flash`. Returns the exit code. Throws PaddockError. */
export async function flashCommand(argv: readonly string[]): Promise<number> {
  const { values, image } = readOptions(argv);
  if (values.help || argv.length === 0) {
    print(HELP);
    return values.help ? 0 : 2;
  }
  if (values.list) return list(values);
  if (image === undefined) throw usage("Name the image: paddock flash IMAGE --to DISK.");
  if (values.to === undefined) throw usage("--to is missing; paddock flash --list shows the disks.");
  if (values.key === undefined && !values.unsigned) {
    throw usage(
      "--key is missing: the public key of who made the image. --unsigned goes without, for one that you built.",
    );
  }
  const { version, board } = releaseOf(image, values.board);
  const key = values.key === undefined ? undefined : await readReleaseKey(values.key);
  const release = await checkRelease(image, { key });
  assertBoard(await imageHead(image, TABLE_BYTES), board);
  const job = { image, version, board, release, values };
  if (values["verify-only"]) return verifyOnly(job, values.to);
  return values.batch === undefined ? flashSingle(job, values.to) : flashBatch(job, values.to, values.batch);
}

interface Job {
  readonly image: string;
  readonly version: string;
  readonly board: string;
  readonly release: CheckedRelease;
  readonly values: FlashOptions;
}

async function list({ json }: FlashOptions): Promise<number> {
  const disks = await listDisks();
  if (json) printJson(disks);
  else print(disks.length === 0 ? "There is no disk." : disks.map((disk) => diskLine(disk)).join("\n"));
  return 0;
}

async function flashSingle(job: Job, to: string): Promise<number> {
  const unit = unitOf(await wishesOf(job.values));
  const target = await findTarget(to);
  if (!job.values.yes && !(await confirm(questionFor(target, job)))) {
    throw usage("Nothing was written.");
  }
  report(await flashUnit(job, target, unit), job);
  return 0;
}

async function flashBatch(job: Job, to: string, table: string): Promise<number> {
  if (job.values.label !== undefined && forHost(job.values.label, "") === job.values.label) {
    throw usage(
      `--label ${job.values.label}: each gateway's label would replace the one before; put {hostname} into it.`,
    );
  }
  const text = await readFile(table, "utf8").catch((error: unknown) => {
    throw usage(`--batch ${table} cannot be read: ${messageOf(error)}.`);
  });
  const rows = readBatch(text);
  // All of them first: a fault in the last line is better told before the first card is written.
  const units = new Map<string, Unit>();
  for (const { line, hostname, options } of rows) {
    try {
      units.set(hostname, unitOf(await wishesOf(job.values, options)));
    } catch (error) {
      if (error instanceof PaddockError) throw usage(`${table}, line ${line}: ${error.message}`);
      throw error;
    }
  }
  const { record } = job.values;
  const done = record === undefined ? new Set<string>() : await flashedHostnames(record, job.release.sha256);
  for (const [hostname, unit] of units) {
    if (done.has(hostname)) {
      print(`${hostname}: flashed before, says ${record}.`);
      continue;
    }
    const target = await nextTarget(job, to, hostname);
    report(await flashUnit(job, target, unit), job);
  }
  return 0;
}

/** The target of the next gateway of a batch; a person is asked to change the card, unless each has a file of its own. */
async function nextTarget(job: Job, to: string, hostname: string): Promise<Target> {
  const own = forHost(to, hostname);
  if (own !== to && !own.startsWith("/dev/")) return findTarget(own);
  if (
    !(await confirm(`Put the card for ${hostname} in. Erase ${own} and write ${job.version} for ${job.board} to it?`))
  ) {
    throw usage(
      `Stopped before ${hostname}; ${job.values.record === undefined ? "with --record" : "the same command"} goes on there.`,
    );
  }
  return findTarget(own);
}

async function flashUnit(job: Job, target: Target, unit: Unit): Promise<Flashed> {
  const { values, image, release, version, board } = job;
  const data = await flashOne({
    image,
    release,
    board,
    target,
    unit,
    keepData: values["keep-data"] === true,
    progress: (step) => progressLine(step),
  });
  const { hostname, id, claim } = unit;
  if (values.label !== undefined) {
    await writeFile(forHost(values.label, hostname ?? ""), labelPng({ version, hostname, id, claim }), { mode: 0o600 });
  }
  const flashed: Flashed = {
    time: new Date().toISOString(),
    ...(hostname === undefined ? {} : { hostname }),
    ...(id === undefined ? {} : { id }),
    ...(claim === undefined ? {} : { claim }),
    to: target.kind === "disk" ? target.disk.path : target.path,
    ...(target.kind === "disk" ? { disk: `${target.disk.model} ${target.disk.serial}`.trim() } : {}),
    image,
    sha256: release.sha256,
    version,
    data,
  };
  if (values.record !== undefined) await appendFlashed(values.record, flashed);
  return flashed;
}

function report(flashed: Flashed, { values, release }: Job): void {
  if (values.json) return printJson(flashed);
  const { to, version, id, claim, hostname, data } = flashed;
  const lines = [
    `${to} holds ${version}${hostname === undefined ? "" : ` for ${hostname}`}; it reads back as written${release.signed ? "" : " (nobody signed it)"}.`,
    ...(data === "kept" ? ["Its readings and identity were kept."] : []),
    ...(data === "wiped" ? ["What it held before is given up."] : []),
    ...(id === undefined ? [] : [`id ${id}`]),
    ...(claim === undefined ? [] : [`claim code ${claim}; the collector's configuration needs it in "claims"`]),
  ];
  print(lines.join("\n"));
}

async function verifyOnly({ image, release, values }: Job, to: string): Promise<number> {
  const target = await findTarget(to);
  const disk = await DiskFile.open(target);
  try {
    const map = mapOf(release);
    const draw = progressLine("compare");
    const compared = await compareWithImage(imageChunks(image), map, disk, (done) =>
      draw(done, map?.imageBytes ?? done),
    );
    const wrong = compared.filter(({ state, changes }) => state !== "same" && !changes);
    if (values.json) printJson({ to, holds: wrong.length === 0 && compared.length > 0, partitions: compared });
    else {
      for (const { label, state, at, changes } of compared) {
        const where = at === undefined ? "" : ` from byte ${at}`;
        print(`${label}: ${state}${where}${changes && state === "differs" ? " (a gateway writes here itself)" : ""}`);
      }
      print(wrong.length === 0 ? `${to} holds this image.` : `${to} does not hold this image.`);
    }
    return wrong.length === 0 && compared.length > 0 ? 0 : 1;
  } finally {
    await disk.close();
  }
}

function questionFor(target: Target, { version, board, values }: Job): string {
  const what = target.kind === "disk" ? diskLine(target.disk) : target.path;
  return `${what}\n${values["keep-data"] ? "Write" : "Erase all of it and write"} ${version} for ${board}?`;
}

function forHost(template: string, hostname: string): string {
  return template.replaceAll("{hostname}", hostname);
}
