import { chown, mkdir, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { replaceFile, syncDirectory } from "@paddock/base/durable-file.ts";
import { messageOf } from "@paddock/base/errors.ts";
import { accept, refuse } from "@paddock/base/outcome.ts";
import { IDENTITY_FILE, LAST_GOOD, LED_FILE, planProvision, type Found, type FoundFile, type Plan } from "./plan.ts";
import { blink } from "./led.ts";
import { ERRORS_FILE, errorsText, problemLine } from "./report.ts";

export interface ProvisionOptions {
  /** Where the CONFIG partition is mounted; it may be missing. */
  readonly configDir: string;
  /** The gateway's data directory. Whoever owns it owns what is made here. */
  readonly stateDir: string;
  /** Made anew at each start. */
  readonly runDir: string;
  /** Where systemd-networkd looks for settings. */
  readonly networkDir: string;
  /** The kernel's list of lights. */
  readonly ledsDir: string;
  /** Called with each line for the console. */
  readonly tell: (line: string) => void;
}

const NAMES = [
  "gateway.json",
  "sensors.json",
  IDENTITY_FILE,
  "claim.txt",
  "collector.pub",
  "hostname",
  "authorized_keys",
  LED_FILE,
];
/** Bytes; a thousand sensors with keys are 200 kB. */
const FILE_BYTES_MAX = 4 * 1024 * 1024;
/** Files in network/ that are looked at. */
const NETWORK_FILES_MAX = 64;
const SECRET_MODE = 0o600;
/** systemd-networkd runs as a user of its own. */
const READABLE_MODE = 0o644;

/**
 * Makes from the CONFIG partition what the gateway runs with. Never rejects: what cannot be read, written or wiped is
 * told, and the rest is done all the same. Resolves with the plan that was carried out.
 */
export async function provision(options: ProvisionOptions): Promise<Plan> {
  const { configDir, stateDir, runDir, networkDir, ledsDir, tell } = options;
  await attempt(
    `${stateDir} cannot be made`,
    tell,
    async () => void (await mkdir(stateDir, { recursive: true, mode: 0o700 })),
  );
  const plan = planProvision(await look(options), { stateDir, runDir });
  const folders = { state: stateDir, run: runDir, network: networkDir };
  const failed = new Set<string>();
  for (const { place, name, content } of plan.files) {
    const done = await attempt(`${place} file ${name} cannot be written`, tell, () =>
      write(join(folders[place], name), content, place === "network" ? undefined : stateDir),
    );
    if (!done) failed.add(name);
  }
  for (const name of plan.wipe)
    if (!failed.has(name))
      await attempt(`${name} cannot be wiped from CONFIG`, tell, () => wipe(join(configDir, name)));
  for (const problem of plan.problems) tell(problemLine(problem));
  if (plan.problems.length === 0 && plan.source === "config") tell("CONFIG: everything is right.");
  const errors = errorsText(plan);
  await attempt(`${ERRORS_FILE} cannot be written`, tell, () => report(join(configDir, ERRORS_FILE), errors));
  if (plan.problems.length > 0) {
    await attempt("no light can be made to blink", tell, async () => void (await blink(ledsDir, plan.led)));
  }
  return plan;
}

async function look({ configDir, stateDir, tell }: ProvisionOptions): Promise<Found> {
  const config = new Map<string, FoundFile>();
  const names = [...NAMES, ...(await networkNames(configDir, tell)).map((name) => `network/${name}`)];
  for (const name of names) {
    const file = await readBounded(join(configDir, name));
    if (file !== undefined) config.set(name, file);
  }
  return {
    config,
    lastGood: {
      gateway: await readText(join(stateDir, LAST_GOOD.gateway)),
      sensors: await readText(join(stateDir, LAST_GOOD.sensors)),
    },
    identity: await readText(join(stateDir, IDENTITY_FILE)),
  };
}

async function networkNames(configDir: string, tell: (line: string) => void): Promise<string[]> {
  try {
    const entries = await readdir(join(configDir, "network"), { withFileTypes: true });
    // macOS leaves files of its own on FAT partitions, ._NAME and .DS_Store.
    const names = entries.filter((entry) => entry.isFile() && !entry.name.startsWith(".")).map(({ name }) => name);
    if (names.length > NETWORK_FILES_MAX)
      tell(`CONFIG: of network/ only the first ${NETWORK_FILES_MAX} files are looked at.`);
    return names.toSorted().slice(0, NETWORK_FILES_MAX);
  } catch (error) {
    if (!isMissing(error)) tell(`CONFIG: network/ cannot be read: ${messageOf(error)}.`);
    return [];
  }
}

/** Undefined when there is no such file. */
async function readBounded(path: string): Promise<FoundFile | undefined> {
  try {
    const { size } = await stat(path);
    if (size > FILE_BYTES_MAX) return refuse("unreadable", `it has ${size} bytes, at most ${FILE_BYTES_MAX} are read`);
    return accept(await readFile(path));
  } catch (error) {
    return isMissing(error) ? undefined : refuse("unreadable", `it cannot be read: ${messageOf(error)}`);
  }
}

async function readText(path: string): Promise<string | undefined> {
  const file = await readBounded(path);
  return file?.ok === true ? Buffer.from(file.value).toString("utf8") : undefined;
}

/** Durably; `ownedLike` names a directory whose owner the file and its folder get. */
async function write(path: string, content: string, ownedLike: string | undefined): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true });
  await replaceFile(path, content, ownedLike === undefined ? READABLE_MODE : SECRET_MODE);
  if (ownedLike === undefined || process.getuid?.() !== 0) return;
  const { uid, gid } = await stat(ownedLike);
  for (const one of folder === ownedLike ? [path] : [path, folder]) await chown(one, uid, gid);
}

/** Takes the bytes of a secret off the disk, as far as a file system tells where they are, and then its name. */
async function wipe(path: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    const { size } = await file.stat();
    await file.write(Buffer.alloc(size), 0, size, 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await rm(path);
  await syncDirectory(dirname(path));
}

/** Writes only what is new: a partition that is left alone cannot be damaged by a power cut. */
async function report(path: string, text: string | undefined): Promise<void> {
  const old = await readText(path);
  if (old === text) return;
  if (text === undefined) await rm(path, { force: true });
  else if (await exists(dirname(path))) await writeFile(path, text, { flush: true });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function attempt(what: string, tell: (line: string) => void, step: () => Promise<void>): Promise<boolean> {
  try {
    await step();
    return true;
  } catch (error) {
    tell(`CONFIG: ${what}: ${messageOf(error)}.`);
    return false;
  }
}

function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENOTDIR";
}
