import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** A store that is never written to; without a group of builders nix says so in each call. */
const NIX_CONFIG = "experimental-features = nix-command flakes\nbuild-users-group =\nsubstituters =\nsandbox = false";

export const NIX_ENVIRONMENT: NodeJS.ProcessEnv = { ...process.env, NIX_CONFIG };

/**
 * The value of a Nix expression, evaluated in this room. Rejects with the message of nix's own error. The exit code decides:
 * nix 2.8 writes half a document before it fails.
 */
export async function evaluateNix(expression: string): Promise<unknown> {
  const args = ["--eval", "--strict", "--json", "--store", "dummy://", "--expr", expression];
  try {
    const options = { cwd: import.meta.dirname, env: NIX_ENVIRONMENT, maxBuffer: 64 * 1024 * 1024 };
    const { stdout } = await promisify(execFile)("nix-instantiate", args, options);
    return JSON.parse(stdout);
  } catch (error) {
    const { code, stderr = "" } = error as { code?: unknown; stderr?: string };
    if (code === "ENOENT") throw new Error("nix is not there; hil-tests/setup.sh installs it", { cause: error });
    throw new Error(/^error: ([^]*)$/mu.exec(stderr)?.[1]?.trim() || String(error), { cause: error });
  }
}
