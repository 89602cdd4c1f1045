import { vi } from "vitest";
import { failureLine } from "../cli.ts";

/** How a command ended, and what it said. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program's main function in this process, as `runMain` would in one of its own: starting Node costs more than most
 * commands do. For what reads its standard input, listens for signals, or fails while it streams to its output, start the
 * program. One at a time.
 */
export async function runInProcess(
  main: (argv: string[]) => number | Promise<number>,
  argv: readonly string[],
): Promise<Ended> {
  const [out, err] = [caught(process.stdout), caught(process.stderr)];
  try {
    const code = await main([...argv]);
    return { code, stdout: out.text(), stderr: err.text() };
  } catch (error) {
    return { code: 2, stdout: out.text(), stderr: err.text() + failureLine(error, argv) };
  } finally {
    out.release();
    err.release();
  }
}

/** Keeps what is written to a stream until it is released. */
function caught(stream: NodeJS.WriteStream): { readonly text: () => string; readonly release: () => void } {
  let text = "";
  const spy = vi
    .spyOn(stream, "write")
    .mockImplementation((piece: string | Uint8Array, ...more: unknown[]): boolean => {
      text += typeof piece === "string" ? piece : Buffer.from(piece).toString();
      const done = more.at(-1);
      if (typeof done === "function") done();
      return true;
    });
  return { text: () => text, release: () => spy.mockRestore() };
}
