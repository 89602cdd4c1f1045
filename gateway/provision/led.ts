import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** The light that boards have for what the machine does; those of network sockets and the like stay as they are. */
const USUAL_NAME = /^(?:ACT|led0|.*:(?:status|activity|act|heartbeat))$/iu;
/** Ten times a second cannot be taken for a heartbeat or for traffic. */
const BLINK_MS = 50;

/** The light to use: `wanted`, or the usual one of those in the kernel's list; undefined where it is not there. */
async function lightIn(directory: string, wanted: string | undefined): Promise<string | undefined> {
  const names: readonly string[] = await readdir(directory).catch(() => []);
  return names.toSorted().find((one) => (wanted === undefined ? USUAL_NAME.test(one) : one === wanted));
}

/**
 * Makes a light of the board blink fast, or does nothing where there is none. `directory` is the kernel's list of lights,
 * `wanted` the name of the one to use. Returns the name of the light. Throws when the kernel refuses.
 */
export async function blink(directory: string, wanted?: string): Promise<string | undefined> {
  const name = await lightIn(directory, wanted);
  if (name === undefined) return undefined;
  const set = (file: string, value: string) => writeFile(join(directory, name, file), value);
  await set("trigger", "timer");
  // The kernel makes these two once the trigger is set.
  await set("delay_on", String(BLINK_MS));
  await set("delay_off", String(BLINK_MS));
  return name;
}

/**
 * Blinks for as long as `until` is not resolved, and leaves the light as it was. Does nothing where there is none. Throws
 * when the kernel refuses.
 */
export async function blinkUntil(
  directory: string,
  wanted: string | undefined,
  until: () => Promise<unknown>,
): Promise<void> {
  const name = await lightIn(directory, wanted);
  if (name === undefined) return;
  const file = join(directory, name, "trigger");
  // The kernel lists all that there are, with the one in use in brackets.
  const before = /\[(?<trigger>[^\]]+)\]/u.exec(await readFile(file, "utf8"))?.groups?.["trigger"] ?? "none";
  await blink(directory, name);
  await until();
  // One that blinks already has something of its own to say.
  if (before !== "timer") await writeFile(file, before);
}
