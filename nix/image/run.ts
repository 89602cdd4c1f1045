import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** Programs of others write their messages in English, sort by bytes and believe that it is 1980, where the time of FAT begins. */
const ENVIRONMENT = {
  LC_ALL: "C",
  TZ: "UTC",
  SOURCE_DATE_EPOCH: "315532800",
  PATH: `${process.env["PATH"]}:/usr/sbin:/sbin`,
};
const OUTPUT_BYTES_MAX = 256 * 1024 * 1024;

/** Runs a program of others; resolves with its output. Rejects with what it said when it fails or is not there. */
export async function run(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(program, args, {
      ...options,
      env: { ...process.env, ...options.env, ...ENVIRONMENT },
      maxBuffer: OUTPUT_BYTES_MAX,
    });
    return stdout;
  } catch (error) {
    const { code, stderr, stdout, message } = error as {
      code?: unknown;
      stderr?: string;
      stdout?: string;
      message: string;
    };
    if (code === "ENOENT") throw new Error(`${program} is not there; hil-tests/setup.sh installs it`, { cause: error });
    throw new Error(`${program} failed: ${[stderr, stdout].join("\n").trim() || message}`, { cause: error });
  }
}
