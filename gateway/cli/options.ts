import { parseArgs, type ParseArgsConfig } from "node:util";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { readGatewayConfig, type GatewayConfig } from "../config.ts";
import { socketPath } from "../config/socket-path.ts";

/** Where the configuration is unless `--config` says otherwise. */
export const DEFAULT_CONFIG_FILE = "/etc/paddock/gateway.json";

export interface Command {
  /** What it does, in one line. */
  readonly summary: string;
  /** Its lines in `--help`. */
  readonly help: string;
  run(args: string[]): Promise<number>;
}

type Options = NonNullable<ParseArgsConfig["options"]>;

/** Options of every command that asks a running gateway. */
export const ASKING = {
  config: { type: "string", short: "c" },
  socket: { type: "string" },
  json: { type: "boolean" },
} as const satisfies Options;

/** Throws PaddockError USAGE. */
export function parseOptions<const Wanted extends Options>(args: string[], options: Wanted, positionals = 0) {
  try {
    const parsed = parseArgs({ args, options, allowPositionals: positionals > 0, strict: true });
    if (parsed.positionals.length > positionals) throw new TypeError(`"${parsed.positionals.at(-1)}" is one too many`);
    return parsed;
  } catch (error) {
    throw new PaddockError("USAGE", `${messageOf(error)}.`);
  }
}

/** The status socket: `--socket` needs no configuration. */
export async function socketOf(values: {
  readonly config?: string | undefined;
  readonly socket?: string | undefined;
}): Promise<string> {
  return values.socket ?? socketPath(await configOf(values));
}

export function configOf(values: { readonly config?: string | undefined }): Promise<GatewayConfig> {
  return readGatewayConfig(values.config ?? DEFAULT_CONFIG_FILE);
}

export function wholeNumber(text: string | undefined, option: string): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new PaddockError("USAGE", `--${option} ${text}: expected a whole number.`);
}
