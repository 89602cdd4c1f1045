import { messageOf, PaddockError } from "@paddock/base/errors.ts";

/** Writes what a person named on the command line. Throws PaddockError USAGE when it cannot be. */
export async function writing<Value>(path: string, write: () => Promise<Value>): Promise<Value> {
  try {
    return await write();
  } catch (error) {
    if (error instanceof PaddockError) throw error;
    const remedy = "Choose a place that exists and that you may write to.";
    throw new PaddockError("USAGE", `${path} cannot be written: ${messageOf(error)}.`, { cause: error, remedy });
  }
}
