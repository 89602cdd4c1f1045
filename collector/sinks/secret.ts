import { readFile } from "node:fs/promises";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";

/** The text of a small file, without the line's end that editors put there. Read at each connection: it may be changed. */
export async function readSecret(file: string, field = "passwordFile"): Promise<string> {
  try {
    return (await readFile(file, "utf8")).replace(/\r?\n$/u, "");
  } catch (cause) {
    throw new PaddockError("SINK_REFUSED", `${field} ${file} cannot be read: ${messageOf(cause)}.`, {
      cause,
      remedy: `Make it readable for the user that runs the collector, or correct ${field} of the sink.`,
    });
  }
}
