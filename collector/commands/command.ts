import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { operatorSocketPath, readCollectorConfig, type CollectorConfig } from "../config.ts";

/** One command of `paddock collector`. */
export interface Command {
  readonly name: string;
  /** What stands behind the name in the usage line. */
  readonly usage: string;
  readonly summary: string;
  /** Options and exit codes, for --help. */
  readonly help: string;
  /** Returns the exit code: 0 fine, 1 something wants attention. */
  run(argv: readonly string[]): Promise<number>;
}

export interface Parsed {
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  readonly positionals: readonly string[];
}

/** Read when the command line names none, so that the lines which begin with "next:" work as typed. */
const DEFAULT_CONFIG = "/etc/paddock/collector.json";

const STRING = { type: "string" } as const;
const FLAG = { type: "boolean" } as const;

/** Options of every command that talks to a running collector. */
export const CONNECT_OPTIONS = { config: STRING, socket: STRING, json: FLAG } as const;
export const CONNECT_HELP = `  --config FILE   the collector's configuration, to find its operator socket (${DEFAULT_CONFIG})
  --socket PATH   the operator socket itself
  --json          print JSON`;

/** Splits a command line strictly. Throws PaddockError USAGE. `positionals` is how many there must be, at least and at most. */
export function parseCommandLine(
  argv: readonly string[],
  options: ParseArgsOptionsConfig,
  positionals: readonly [least: number, most: number] = [0, 0],
): Parsed {
  let parsed;
  try {
    parsed = parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new PaddockError("USAGE", `${messageOf(error)}.`, { cause: error });
  }
  const [least, most] = positionals;
  if (parsed.positionals.length < least || parsed.positionals.length > most) {
    const wanted = least === most ? `${least}` : `${least} to ${most}`;
    throw new PaddockError("USAGE", `${parsed.positionals.length} arguments were given, not ${wanted}.`);
  }
  return { values: parsed.values as Parsed["values"], positionals: parsed.positionals };
}

/** The value of an option that takes one, or undefined. */
export function textOption(parsed: Parsed, name: string): string | undefined {
  const value = parsed.values[name];
  return typeof value === "string" ? value : undefined;
}

/** The value of an option that must be there. Throws USAGE. */
export function requiredOption(parsed: Parsed, name: string): string {
  const value = textOption(parsed, name);
  if (value === undefined) throw new PaddockError("USAGE", `--${name} is missing.`);
  return value;
}

/** A whole number from 0 in an option, or undefined when it is absent. Throws USAGE. */
export function wholeOption(parsed: Parsed, name: string): number | undefined {
  const text = textOption(parsed, name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d{1,16}$/u.test(text) || !Number.isSafeInteger(value)) {
    throw new PaddockError("USAGE", `--${name} is ${JSON.stringify(text)}; it is a whole number from 0.`);
  }
  return value;
}

/** Where the running collector listens to its operator. Throws CONFIG_UNREADABLE or CONFIG_INVALID. */
export async function socketOf(parsed: Parsed): Promise<string> {
  const socket = textOption(parsed, "socket");
  if (socket !== undefined) return socket;
  return operatorSocketPath((await configOf(parsed)).config);
}

/** The configuration that --config names, or the one at its usual place. Throws CONFIG_UNREADABLE or CONFIG_INVALID. */
export async function configOf(parsed: Parsed): Promise<{ readonly path: string; readonly config: CollectorConfig }> {
  const named = textOption(parsed, "config");
  const path = named ?? DEFAULT_CONFIG;
  try {
    return { path, config: await readCollectorConfig(path) };
  } catch (error) {
    if (named !== undefined || !(error instanceof PaddockError) || error.code !== "CONFIG_UNREADABLE") throw error;
    const remedy = "Name the collector by --config FILE, or, if it runs, by --socket PATH.";
    throw new PaddockError(error.code, error.message, { cause: error, remedy });
  }
}

/** The lake that a command means: `--lake`, or the one lake of the configuration. Throws USAGE, CONFIG_UNREADABLE or CONFIG_INVALID. */
export async function lakeDirectoryOf(parsed: Parsed): Promise<string> {
  const named = textOption(parsed, "lake");
  if (named !== undefined) return named;
  const { path, config } = await configOf(parsed);
  const lakes = config.sinks.flatMap(({ lake }) => (lake === null ? [] : [lake.directory]));
  if (lakes.length === 1) return lakes[0]!;
  const found = lakes.length === 0 ? "has no sink that is a lake" : `has ${lakes.length} sinks that are a lake`;
  throw new PaddockError("USAGE", `${path} ${found}.`, { remedy: "Name the folder of the lake with --lake DIR." });
}
