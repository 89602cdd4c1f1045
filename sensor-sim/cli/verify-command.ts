import { writeFile } from "node:fs/promises";
import { eachLine } from "../verify/lines.ts";
import { formatJunit, formatReport, judge, STRICT, type Allowances } from "../verify/report.ts";
import { Verification } from "../verify/verify.ts";
import { parseCountOrAny, parseDuration, parseWhole, readArguments, usage } from "./arguments.ts";

const COUNT_MAX = 1e12;

/** `sim verify`: 0 for PASS, 1 for FAIL. */
export async function verifyCommand(argv: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(argv, {
    sent: { type: "string" },
    log: { type: "string" },
    json: { type: "boolean", default: false },
    junit: { type: "string" },
    "require-all": { type: "boolean", default: false },
    "allow-lost": { type: "string", default: "0" },
    "allow-duplicate": { type: "string", default: "0" },
    "allow-altered": { type: "string", default: "0" },
    "allow-refused": { type: "string", default: "0" },
    "allow-incomplete": { type: "boolean", default: false },
    "allow-unconfirmed": { type: "string", default: "0" },
    "allow-nothing": { type: "boolean", default: false },
    "clock-skew": { type: "string" },
    relayed: { type: "boolean", default: false },
    "max-evicted": { type: "string" },
    "max-turned-away": { type: "string" },
    "max-late-p99": { type: "string" },
  });
  if (positionals.length > 0) throw usage(`"${positionals[0]}" is not expected.`);
  if (values.sent === undefined) throw usage("--sent is missing; it names what `paddock sim run --out` wrote.");
  if (values.log === undefined)
    throw usage("--log is missing; it names the collector's log as NDJSON, or - for standard input.");
  const count = (option: "allow-lost" | "allow-duplicate" | "allow-altered" | "allow-refused"): number =>
    parseWhole(values[option], `--${option}`, 0, COUNT_MAX);
  const allowed: Allowances = {
    ...STRICT,
    lost: count("allow-lost"),
    duplicate: count("allow-duplicate"),
    altered: count("allow-altered"),
    goodRefused: count("allow-refused"),
    incomplete: values["allow-incomplete"],
    unconfirmed: parseCountOrAny(values["allow-unconfirmed"], "--allow-unconfirmed"),
    nothing: values["allow-nothing"],
    ...(values["require-all"] ? { unconfirmed: 0, turnedAway: 0 } : {}),
    ...(values["max-evicted"] === undefined
      ? {}
      : { accounted: parseWhole(values["max-evicted"], "--max-evicted", 0, COUNT_MAX) }),
    ...(values["max-turned-away"] === undefined
      ? {}
      : { turnedAway: parseWhole(values["max-turned-away"], "--max-turned-away", 0, COUNT_MAX) }),
    ...(values["max-late-p99"] === undefined
      ? {}
      : { lateP99Ms: parseDuration(values["max-late-p99"], "--max-late-p99") }),
  };
  const verification = new Verification({
    relayed: values.relayed,
    ...(values["clock-skew"] === undefined ? {} : { clockSkewMs: parseDuration(values["clock-skew"], "--clock-skew") }),
  });
  await eachLine(values.sent, (line) => verification.sent(line));
  await eachLine(values.log, (line) => verification.logged(line));
  const report = judge(verification.report(), allowed);
  if (values.junit !== undefined) await writeFile(values.junit, formatJunit(report, allowed));
  process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : formatReport(report));
  return report.verdict === "PASS" ? 0 : 1;
}
