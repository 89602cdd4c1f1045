import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseDurationMs } from "@paddock/base/duration.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { print, printJson } from "@paddock/base/printable.ts";
import { isVersion, VERSION_FORM } from "@paddock/wire/release/version.ts";
import { formatBytes } from "../cli/format.ts";
import { ASKING, parseOptions, socketOf } from "../cli/options.ts";
import { blinkUntil } from "../provision/led.ts";
import { LED_FILE } from "../provision/plan.ts";
import { askGateway } from "../status/status-client.ts";
import { applyRelease, type Applied, type ApplyOptions } from "./apply.ts";
import { checkRelease } from "./check.ts";
import { DEVICE_PATHS, systemctl, type DevicePaths } from "./device.ts";
import type { GateEvent } from "./gate.ts";
import { rollBack } from "./go-back.ts";
import type { InstallProgress } from "./ports.ts";
import type { ReleaseTarget } from "./release-source.ts";
import { readRequest } from "./request.ts";
import { afterFailure, noteLeaving, runGate, type GateOptions } from "./run-gate.ts";
import { heldUntil, readState, writeState } from "./state.ts";
import { followStick } from "./stick.ts";
import { formatUpdateStatus, updateStatus } from "./update-status.ts";

const text = { type: "string" } as const;
const flag = { type: "boolean" } as const;

/** Where a machine has things elsewhere: for tests and for repair. */
const PLACES = { "boot-dir": text, entries: text, "state-dir": text, key: text, "board-file": text } as const;
const COMMON = { ...ASKING, ...PLACES } as const;
const SOURCE = { file: text, url: text, version: text } as const;

/** The configuration that the gateway of an image runs with. */
const IMAGE_CONFIG = "/run/paddock/gateway.json";
/** How long a gateway may take to answer; a gate asks again. */
const ANSWER_MS = 5000;

/** Where an image mounts a stick, the partition that people edit, and the kernel's list of lights. */
const STICK = "/run/stick";
const CONFIG = "/config";
const LEDS = "/sys/class/leds";
/** How long a light says that a stick was refused. */
const BLINK_MS = 60_000;

/** Exit code of a request that failed for a reason that may pass. */
const AGAIN = 3;

type Action = (args: string[]) => Promise<number>;

export const updateActions: Readonly<
  Record<"status" | "check" | "apply" | "rollback" | "stick" | "hold" | "gate", Action>
> = {
  async status(args) {
    const { values } = parseOptions(args, COMMON);
    const status = await updateStatus(pathsOf(values), Date.now());
    if (values.json === true) printJson(status);
    else print(formatUpdateStatus(status));
    return 0;
  },

  async check(args) {
    const { values } = parseOptions(args, { ...COMMON, ...SOURCE });
    const checked = await checkRelease({ paths: pathsOf(values), target: targetOf(values), now: Date.now, tell: warn });
    if (values.json === true) printJson(checked);
    else {
      const { version, running, isNewer, fetchBytes, totalBytes, objection } = checked;
      const what = isNewer
        ? `Release ${version} is there; ${running} runs.`
        : `${running} runs; ${version} is no newer.`;
      const cost = `It would transfer ${formatBytes(fetchBytes)} of ${formatBytes(totalBytes)}: the rest is here.`;
      print(
        [what, isNewer ? cost : "", objection === null ? "" : `It would be refused: ${objection}`]
          .filter(Boolean)
          .join("\n"),
      );
    }
    return checked.isNewer ? 1 : 0;
  },

  async apply(args) {
    const known = { ...COMMON, ...SOURCE, request: text, "allow-downgrade": flag, reboot: flag } as const;
    const { values } = parseOptions(args, known);
    const { json = false, "allow-downgrade": allowDowngrade = false } = values;
    const request = values.request === undefined ? undefined : await readRequest(values.request);
    if (request !== undefined && (values.file ?? values.url ?? values.version) !== undefined)
      throw new PaddockError(
        "USAGE",
        "--request says itself which release it means: leave out --file, --url, --version.",
      );
    const options = {
      paths: pathsOf(values),
      target: request === undefined ? targetOf(values) : { url: request.url, version: request.version },
      allowDowngrade,
      ...(request !== undefined && { request }),
      lastReceiptS: async () => receiptOf(await ask(values)),
      tell: warn,
      progress: json ? () => {} : progressPrinter(),
      now: Date.now,
    } satisfies ApplyOptions;
    const applied = await applyRelease(options).catch((error: unknown) => {
      // systemd starts the command again, and not for what would be refused again.
      if (request === undefined || !(error instanceof PaddockError) || error.disposition !== "retry") throw error;
      warn(error.explain());
      return undefined;
    });
    if (applied === undefined) return AGAIN;
    if (json) printJson(applied);
    else print(sentenceOf(applied, values.reboot === true));
    if (values.reboot === true && applied.outcome === "installed") await systemctl("reboot");
    return 0;
  },

  async rollback(args) {
    const { values } = parseOptions(args, { ...COMMON, reboot: flag });
    const { from, to } = await rollBack({ paths: pathsOf(values), tell: warn, now: Date.now });
    if (values.json === true) printJson({ from, to });
    else
      print(
        `The next start is that of release ${to}. Updates are held: paddock gateway update hold --release ends that.${
          values.reboot === true ? "" : "\nStart it with: systemctl reboot"
        }`,
      );
    if (values.reboot === true) await systemctl("reboot");
    return 0;
  },

  async stick(args) {
    const known = { ...COMMON, folder: text, reboot: flag, "config-dir": text, "leds-dir": text } as const;
    const { values } = parseOptions(args, known);
    const { folder = STICK, json = false, reboot = false } = values;
    const options = {
      folder,
      paths: pathsOf(values),
      lastReceiptS: async () => receiptOf(await ask(values)),
      tell: warn,
      progress: json ? () => {} : progressPrinter(),
      now: Date.now,
    };
    const end = await followStick(options).catch(async (error: unknown) => {
      if (!(error instanceof PaddockError)) throw error;
      warn(`stick: ${error.explain()}`);
      // For who stands there without a screen.
      const light = await readFile(join(values["config-dir"] ?? CONFIG, LED_FILE), "utf8").catch(() => "");
      const wanted = light.trim() === "" ? undefined : light.trim();
      await blinkUntil(values["leds-dir"] ?? LEDS, wanted, () => sleep(BLINK_MS)).catch((failure: unknown) =>
        warn(`no light can be made to blink: ${messageOf(failure)}`),
      );
      return undefined;
    });
    if (end === undefined) return 2;
    if (json) printJson(end);
    else print(`stick: ${end.text}`);
    if (reboot && end.restart) await systemctl("reboot");
    return 0;
  },

  async hold(args) {
    const { values } = parseOptions(args, { ...COMMON, until: text, reason: text, release: flag });
    const { stateDir } = pathsOf(values);
    const state = await readState(stateDir, warn);
    const now = Date.now();
    if (values.release === true && (values.until ?? values.reason) !== undefined)
      throw new PaddockError("USAGE", "--release ends a hold: leave out --until and --reason.");
    const until = values.until === undefined ? null : timeOf(values.until, now);
    const hold = values.release === true ? null : { since: now, until, reason: values.reason?.slice(0, 1000) ?? null };
    await writeState(stateDir, { ...state, hold });
    if (values.json === true) printJson({ hold });
    else
      print(hold === null ? "Updates are no longer held." : `Updates are held ${heldUntil(hold, now) ?? "no longer"}.`);
    return 0;
  },

  async gate(args) {
    const { values } = parseOptions(args, { ...COMMON, within: text, leaving: flag });
    const within = parseDurationMs(values.within ?? "5min");
    if (!within.ok) throw new PaddockError("USAGE", `--within: ${within.detail}`);
    const paths = pathsOf(values);
    if (values.leaving === true) {
      await noteLeaving(paths, async () => receiptOf(await ask(values)), Date.now());
      return 0;
    }
    const options: GateOptions = {
      paths,
      withinMs: within.value,
      ask: () => ask(values),
      tell: (line) => print(`paddock: ${line}`),
      now: Date.now,
      monotonic: () => performance.now(),
      sleep: (ms) => sleep(ms),
    };
    const outcome = await runGate(options).catch((error: unknown) => afterFailure(error, options));
    if (values.json === true) printJson({ outcome });
    return outcome === "healthy" ? 0 : 1;
  },
};

type Places = { readonly [Name in keyof typeof PLACES]?: string | undefined };

function pathsOf(values: Places): DevicePaths {
  return {
    bootDir: values["boot-dir"] ?? DEVICE_PATHS.bootDir,
    entries: values.entries ?? DEVICE_PATHS.entries,
    stateDir: values["state-dir"] ?? DEVICE_PATHS.stateDir,
    keys: values.key ?? DEVICE_PATHS.keys,
    board: values["board-file"] ?? DEVICE_PATHS.board,
  };
}

function targetOf({
  file,
  url,
  version,
}: {
  file?: string | undefined;
  url?: string | undefined;
  version?: string | undefined;
}): ReleaseTarget {
  if ((file === undefined) === (url === undefined)) throw new PaddockError("USAGE", "Say either --file or --url.");
  if (version !== undefined && !isVersion(version))
    throw new PaddockError("USAGE", `--version ${version}: expected ${VERSION_FORM}.`);
  if (file !== undefined) return { file, version };
  return { url: url!, version };
}

/** Asks the gateway for its newest receipt. */
async function ask(values: {
  readonly config?: string | undefined;
  readonly socket?: string | undefined;
}): Promise<GateEvent> {
  try {
    const socket = await socketOf({ socket: values.socket, config: values.config ?? IMAGE_CONFIG });
    const { uplinks, buffer } = await askGateway<"status">(socket, { get: "status" }, ANSWER_MS);
    const idle = buffer.pendingRecords === 0 && uplinks.paths.some(({ session }) => session === "open");
    return { kind: "answer", receiptS: uplinks.lastReceiptS, idle };
  } catch (error) {
    if (error instanceof PaddockError) return { kind: "no-answer" };
    throw error;
  }
}

function receiptOf(event: GateEvent): number | null {
  return event.kind === "answer" ? event.receiptS : null;
}

/** Unix ms of a time, or of a duration from now. */
function timeOf(words: string, now: number): number {
  const duration = parseDurationMs(words);
  const time = duration.ok ? now + duration.value : /^\d{4}-\d\d-\d\d/.test(words) ? Date.parse(words) : NaN;
  if (Number.isFinite(time)) return Math.round(time);
  throw new PaddockError(
    "USAGE",
    `--until ${words}: expected a duration such as 3d, or a time such as 2027-01-31T12:00:00Z.`,
  );
}

function sentenceOf({ version, outcome, fetchedBytes }: Applied, reboots: boolean): string {
  if (outcome === "settled") return "This request was answered before.";
  if (outcome === "runs") return `Release ${version} runs already.`;
  const next = reboots ? "It is started now." : "Start it with: systemctl reboot";
  return `Release ${version} is installed; ${formatBytes(fetchedBytes)} of it were fetched. ${next}`;
}

const STEPS: Readonly<Record<InstallProgress["step"], string>> = {
  looking: "looking for what is here already",
  root: "root file system",
  hashes: "hashes over it",
  program: "program for the boot loader",
  done: "done",
};

/** A line for each step, and no more: this may end in a journal. */
function progressPrinter(): (progress: InstallProgress) => void {
  let last: InstallProgress["step"] | undefined;
  return ({ step }) => {
    if (step !== last && step !== "done") print(STEPS[step]);
    last = step;
  };
}

function warn(line: string): void {
  process.stderr.write(`${line}\n`);
}
