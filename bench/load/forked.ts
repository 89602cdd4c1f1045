import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** A process of a benchmark that says something once it is ready, and answers when it is asked. */
export interface Forked<Ready, Answer> {
  readonly pid: number;
  readonly ready: Ready;
  readonly ask: () => Promise<Answer>;
  readonly stop: () => Promise<void>;
}

/** Starts a script of this folder. Rejects when it ends before it is ready. */
export async function startForked<Ready, Answer>(
  script: string,
  args: readonly (string | number)[],
): Promise<Forked<Ready, Answer>> {
  const child = fork(join(import.meta.dirname, script), args.map(String));
  const exit = once(child, "exit");
  const said = async <T>(): Promise<T> => {
    const ended = exit.then(([code]) => Promise.reject(new Error(`${script} ended with ${code}`)));
    const [message] = (await Promise.race([once(child, "message"), ended])) as [T];
    return message;
  };
  const ready = await said<Ready>();
  return {
    pid: child.pid!,
    ready,
    ask() {
      const answer = said<Answer>();
      child.send("tell");
      return answer;
    },
    async stop() {
      if (child.connected) child.disconnect();
      await exit;
    },
  };
}

/** The other end, in the script: says that it is ready, tells what it is asked for, and ends with who started it. */
export function serveFork(ready: object, tell: () => object): void {
  if (process.send === undefined) throw new Error("this is a part of a benchmark: npm run bench starts it");
  process.send(ready);
  process.on("message", () => process.send!(tell()));
  process.on("disconnect", () => process.exit(0));
}
