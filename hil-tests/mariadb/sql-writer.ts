import { SqlSink } from "@paddock/collector/sinks/sql/sql-sink.ts";
import { rowsAt } from "./sql-rows.ts";

/**
 * `node sql-writer.ts SOCKET OFFSET`: writes the rows of `rowsAt` up to a log offset, from wherever the database says that
 * it stands, again after each failure, and ends. The runner of a collector in small, to be killed at any moment.
 */
const [socketPath, to] = process.argv.slice(2);
const sink = new SqlSink({ socketPath: socketPath!, user: "root", database: "paddock" });
for (;;) {
  try {
    const state = await sink.open();
    let from = state.place?.offset ?? 0;
    while (from < Number(to)) {
      const chunk = rowsAt(from);
      await sink.write(chunk);
      from = chunk.place.offset;
    }
    break;
  } catch (error) {
    if ((error as { code?: string }).code !== "SINK_UNAVAILABLE") throw error;
    process.stderr.write(`${String(error)}\n`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
await sink.close();
