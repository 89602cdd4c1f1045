import { destination, pino, stdTimeFunctions } from "pino";
import type { Log, LogFields, LogLevel } from "@paddock/base/log.ts";

/** The collector's log: one JSON object per line on standard error, with `time`, `level`, `event`, then the fields. */
export function pinoLog(level: LogLevel): Log {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      messageKey: "message",
    },
    // Written at once: the last lines before an end matter most, and the data path logs nothing per upload.
    destination({ fd: 2, sync: true }),
  );
  const at =
    (method: LogLevel) =>
    (event: string, fields: LogFields = {}) =>
      logger[method]({ event, ...fields });
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
