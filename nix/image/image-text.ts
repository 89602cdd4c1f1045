import { DATA_TEXT } from "./data-text.ts";
import { NAMES_TEXT } from "./names-text.ts";
import { RESET_TEXT } from "./reset-text.ts";
import { STICK_TEXT } from "./stick-text.ts";
import { systemText } from "./system-text.ts";
import { updateText } from "./update-text.ts";

/**
 * Every unit and setting of an image by path, without a slash in front. `key` is the PEM file whose releases it takes as
 * updates; undefined: none.
 */
export async function imageText(key: string | undefined): Promise<Readonly<Record<string, string>>> {
  return { ...systemText(), ...NAMES_TEXT, ...DATA_TEXT, ...RESET_TEXT, ...STICK_TEXT, ...(await updateText(key)) };
}
