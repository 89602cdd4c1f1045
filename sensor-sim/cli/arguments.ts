import { existsSync, readdirSync } from "node:fs";
import { isIPv6 } from "node:net";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import { parseDurationMs } from "@paddock/base/duration.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { nearestName } from "@paddock/base/nearest.ts";
import type { Target } from "../send/endpoint-pool.ts";

/** Reads options and positionals; unknown options and missing values are USAGE errors. */
export function readArguments<Options extends ParseArgsOptionsConfig>(argv: readonly string[], options: Options) {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw usage(`${messageOf(error)}.`);
  }
}

export function usage(message: string): PaddockError {
  return new PaddockError("USAGE", message);
}

/** `[address]:port`, or a bare port on `::1`. */
export function parseTarget(text: string, option: string): Target {
  const match = /^(?:\[([^\]]+)\]:)?(\d{1,5})$/.exec(text);
  const address = match?.[1] ?? "::1";
  const port = Number(match?.[2]);
  if (match === null || !isIPv6(address) || port > 65_535) {
    throw usage(`${option} ${text} is not an IPv6 address and port; write [::1]:5683.`);
  }
  return { address, port };
}

export function parseWhole(text: string, option: string, min: number, max: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max) {
    throw usage(`${option} ${text} is not a whole number from ${min} to ${max}.`);
  }
  return value;
}

/** A count, or the word any: no limit. */
export function parseCountOrAny(text: string, option: string): number {
  return text === "any" ? Number.POSITIVE_INFINITY : parseWhole(text, option, 0, 1e12);
}

export function parseDuration(text: string, option: string): number {
  const parsed = parseDurationMs(text);
  if (!parsed.ok) throw usage(`${option}: ${parsed.detail}`);
  return parsed.value;
}

/** The seed: a whole number below 2^32, so that it can be written down. */
export function parseSeed(text: string | undefined): number {
  if (text === undefined) throw usage("--seed is missing; the same seed sends the same bytes, for example --seed 1.");
  return parseWhole(text, "--seed", 0, 0xffff_ffff);
}

/** The path of a scenario: a file, or the name of one that comes along. */
export function scenarioPath(positionals: readonly string[]): string {
  const [name, ...rest] = positionals;
  if (name === undefined || rest.length > 0) throw usage("name one scenario: a file, or for example steady.");
  if (/[./]/.test(name) || existsSync(name)) return name;
  const shipped = fileURLToPath(new URL(`../scenarios/${name}.json`, import.meta.url));
  if (existsSync(shipped)) return shipped;
  const names = readdirSync(new URL("../scenarios/", import.meta.url)).map((file) => basename(file, ".json"));
  const nearest = nearestName(name, names);
  const hint = nearest === undefined ? "" : ` Did you mean ${nearest}?`;
  throw usage(
    `there is no file ${name} and no scenario of that name.${hint} Those that come along: ${names.join(", ")}.`,
  );
}
