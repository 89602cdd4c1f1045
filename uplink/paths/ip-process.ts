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
 * The real one. A monitor that outlives a killed gateway ends with its next message, which it cannot write any more; a
 * service manager ends it at once.
 */
export function startIp(args: readonly string[]): IpProcess {
  const child = spawn("ip", args, { stdio: ["ignore", "pipe", "ignore"] });
  child.stdout.setEncoding("utf8");
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
