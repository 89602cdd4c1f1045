import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** The light that boards have for what the machine does; those of network sockets and the like stay as they are. */
const USUAL_NAME = /^(?:ACT|led0|.*:(?:status|activity|act|heartbeat))$/iu;
/** Ten times a second cannot be taken for a heartbeat or for traffic. */
const BLINK_MS = 50;

/**
 * Makes a light of the board blink fast, or does nothing where there is none. `directory` is the kernel's list of lights,
 * `wanted` the name of the one to use. Returns the name of the light. Throws when the kernel refuses.
 */
export async function blink(directory: string, wanted?: string): Promise<string | undefined> {
  const names: readonly string[] = await readdir(directory).catch(() => []);
  const name = names.toSorted().find((one) => (wanted === undefined ? USUAL_NAME.test(one) : one === wanted));
  if (name === undefined) return undefined;
  const set = (file: string, value: string) => writeFile(join(directory, name, file), value);
  await set("trigger", "timer");
  // The kernel makes these two once the trigger is set.
  await set("delay_on", String(BLINK_MS));
  await set("delay_off", String(BLINK_MS));
  return name;
}
