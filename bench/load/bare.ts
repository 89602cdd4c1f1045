import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

export interface BareReceiver {
  readonly port: number;
  readonly pid: number;
  /** Datagrams received so far. */
  count(): Promise<number>;
  stop(): Promise<void>;
}

/** Starts the bare socket to compare with, as a process of its own. */
export async function startBareReceiver(kind: "count" | "echo"): Promise<BareReceiver> {
  const child = fork(join(import.meta.dirname, "bare-receiver.ts"), [kind]);
  const [{ port }] = (await once(child, "message")) as [{ port: number }];
  return {
    port,
    pid: child.pid!,
    async count() {
      const answer = once(child, "message") as Promise<[{ count: number }]>;
      child.send("count");
      return (await answer)[0].count;
    },
    async stop() {
      const exit = once(child, "exit");
      child.disconnect();
      await exit;
    },
  };
}
