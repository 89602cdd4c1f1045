import { execFile } from "node:child_process";

export interface Ran {
  /** The exit code; ENOENT where there is no such program. */
  readonly status: number | string;
  /** Both streams. */
  readonly output: string;
}

/** Runs a program to its end, 25 s at most. */
export function run(command: string, ...args: string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(command, args, { timeout: 120_000 }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : (error.code ?? "killed"), output: stdout + stderr });
    });
  });
}
