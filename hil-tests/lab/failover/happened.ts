import { eventually } from "../namespaces.ts";

/** How an error begins that says that nothing was tested. */
export const NEVER_HAPPENED = "the fault never happened";

/** Packets come all the time and kernels answer at once; the rest is for a busy machine. */
const LIMIT_MS = 30_000;

/** Waits until a fault shows where it was done: in the kernel, or in its packets. Throws when it does not. */
export async function happened(fault: string, shows: () => boolean | Promise<boolean>): Promise<void> {
  try {
    await eventually(fault, shows, LIMIT_MS);
  } catch (error) {
    throw new Error(`${NEVER_HAPPENED}: ${fault}`, { cause: error });
  }
}
