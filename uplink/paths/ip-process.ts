import { spawn } from "node:child_process";

/** A running `ip` (iproute2). */
export interface IpProcess {
  onOutput(listener: (text: string) => void): void;
  /** Told once; `problem` is undefined after exit code 0. */
  onExit(listener: (problem: string | undefined) => void): void;
  kill(): void;
}
export type StartIp = (args: readonly string[]) => IpProcess;

/**
 * Becomes `ip` and leaves somebody behind who waits for a line or the end of its input. The end without a line means
 * that whoever started it was killed: then `ip` goes as well, which would otherwise live until the next change.
 */
const WITH_PARENT = 'exec 3<&0; (read -r _ <&3 || kill -KILL $$) >/dev/null 2>&1 & exec ip "$@" </dev/null 3<&-';

/** The real one. It ends with this process, however that ends. */
export function startIp(args: readonly string[]): IpProcess {
  const child = spawn("sh", ["-c", WITH_PARENT, "ip", ...args], { stdio: ["pipe", "pipe", "ignore"] });
  child.stdout.setEncoding("utf8");
  // Nobody reads the line when both have ended already.
  child.stdin.on("error", () => {});
  child.once("exit", () => child.stdin.end("\n"));
  return {
    onOutput: (listener) => void child.stdout.on("data", listener),
    onExit(listener) {
      let told = false;
      const tell = (problem: string | undefined): void => {
        if (!told) listener(problem);
        told = true;
      };
      child.on("error", (error) => tell(error.message));
      child.on("close", (code, signal) => tell(code === 0 ? undefined : `exit ${code ?? signal}`));
    },
    kill: () => void child.kill("SIGKILL"),
  };
}
