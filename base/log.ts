import { writeSync } from "node:fs";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, unknown>>;

/** One JSON object per line: `time` (ISO), `level`, `event` (a stable name), then the fields. */
export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

const ORDER: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/** A log of JSON lines, by default to standard error, so that standard output stays for answers. */
export function jsonLinesLog(minimum: LogLevel = "info", write: (line: string) => void = writeStderr): Log {
  const at = (level: LogLevel) =>
    ORDER.indexOf(level) < ORDER.indexOf(minimum)
      ? () => {}
      : (event: string, fields: LogFields = {}) =>
          write(`${JSON.stringify({ time: new Date().toISOString(), level, event, ...fields })}\n`);
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

function writeStderr(line: string): void {
  try {
    writeSync(2, line);
  } catch {
    // A closed or full standard error must not take the data path down.
  }
}
