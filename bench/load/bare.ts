import { startForked } from "./forked.ts";

export interface BareReceiver {
  readonly port: number;
  readonly pid: number;
  /** Datagrams received so far. */
  count(): Promise<number>;
  stop(): Promise<void>;
}

/** Starts the bare socket to compare with, as a process of its own. */
export async function startBareReceiver(kind: "count" | "echo"): Promise<BareReceiver> {
  const { pid, ready, ask, stop } = await startForked<{ port: number }, { count: number }>("bare-receiver.ts", [kind]);
  return { port: ready.port, pid, count: async () => (await ask()).count, stop };
}
