import { writeSync } from "node:fs";
import { PaddockError } from "./errors.ts";
import { printable } from "./printable.ts";
import { VERSION } from "./version.ts";

/**
 * The edge of a program: answers `--version` where it stands alone, else runs `main` with the arguments behind the script's name and ends with its exit code (0 fine,
 * 1 something wants attention, 2 broken). A PaddockError is told in one line with its remedy; anything else is a
 * programmer error and is told with its stack. Both go to standard error; with `--json` among the arguments, as one line
 * of JSON, an event "failed" with code, message and remedy.
 */
export function runMain(main: (argv: string[]) => number | Promise<number>): void {
  void runAndTell(main);
}

async function runAndTell(main: (argv: string[]) => number | Promise<number>): Promise<void> {
  const argv = process.argv.slice(2);
  try {
    if (argv.length === 1 && argv[0] === "--version") {
      writeSync(1, `paddock ${VERSION}, Node ${process.version}\n`);
      return;
    }
    process.exitCode = await main(argv);
  } catch (error) {
    writeSync(2, failureLine(error, argv));
    // What failed may have left handles open; there is nothing to wait for.
    process.exit(2);
  }
}

/** What is told of a failure, as `runMain` says; ends with a line feed. */
export function failureLine(error: unknown, argv: readonly string[]): string {
  return `${printable(argv.includes("--json") ? failedEvent(error) : failureText(error))}\n`;
}

function failureText(error: unknown): string {
  return error instanceof PaddockError ? error.explain() : ((error as Error).stack ?? String(error));
}

/** The same as a log says of a program that ends. */
function failedEvent(error: unknown): string {
  if (!(error instanceof PaddockError)) return JSON.stringify({ event: "failed", message: failureText(error) });
  const { code, message, remedy } = error;
  return JSON.stringify({ event: "failed", code, message, remedy });
}
