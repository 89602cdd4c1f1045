import { once } from "node:events";
import { stat } from "node:fs/promises";
import { createServer } from "node:net";
import { PaddockError } from "@paddock/base/errors.ts";

/**
 * Takes a lake for this process alone, and gives back how to let go of it. A name in the kernel, which ends with the process,
 * so that no crash leaves it. Throws PaddockError when another one has it.
 */
export async function lockLake(root: string): Promise<() => Promise<void>> {
  const { dev, ino } = await stat(root);
  const server = createServer((socket) => socket.destroy());
  server.unref();
  try {
    server.listen(`\0paddock-lake-${dev}-${ino}`);
    await once(server, "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    const remedy =
      "Pause the collector's sink that writes it (paddock collector sinks pause NAME), or name another lake.";
    throw new PaddockError("SINK_UNAVAILABLE", `Another process writes the lake ${root}.`, { cause: error, remedy });
  }
  return async () => {
    if (!server.listening) return;
    server.close();
    await once(server, "close");
  };
}
