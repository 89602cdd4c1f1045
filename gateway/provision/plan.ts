import { parseConfig, parseJson } from "@paddock/base/config.ts";
import { PaddockError } from "@paddock/base/errors.ts";
import { refuse, type Outcome } from "@paddock/base/outcome.ts";
import { identityFromPem } from "@paddock/wire/identity.ts";
import { parseGatewayConfig } from "../config.ts";
import { sensorsFileSchema } from "../ingest/sensors-file.ts";
import { decodeText } from "./decode-text.ts";
import { noticesOf } from "./report.ts";

/** Something on the CONFIG partition that is not as it has to be. */
export interface Problem {
  readonly file: string;
  /** Counted from 1, where the place is known. */
  readonly line: number | undefined;
  readonly what: string;
  readonly remedy: string;
}

/** A file that was looked for: its bytes, or why there are none although it is there. */
export type FoundFile = Outcome<Uint8Array, "unreadable">;

/** What is there when the device starts. */
export interface Found {
  /** Files of the CONFIG partition by name, those of network/ with the folder in front. */
  readonly config: ReadonlyMap<string, FoundFile>;
  /** The documents that the last start with good ones left in the state directory. */
  readonly lastGood: { readonly gateway: string | undefined; readonly sensors: string | undefined };
  /** The key that the device has already, in PEM. */
  readonly identity: string | undefined;
}

export interface Places {
  /** Where the gateway keeps its data. */
  readonly stateDir: string;
  /** Where what it runs with is put at each start. */
  readonly runDir: string;
}

export interface PlannedFile {
  /** Beside the state, among what is made at each start, or among the settings of the network. */
  readonly place: "state" | "run" | "network";
  readonly name: string;
  readonly content: string;
}

export interface Plan {
  /** Written in this order. */
  readonly files: readonly PlannedFile[];
  /** Files of the CONFIG partition whose bytes are to vanish once everything is written. */
  readonly wipe: readonly string[];
  readonly problems: readonly Problem[];
  /** The light that blinks while something is wrong; undefined: the usual one of the board. */
  readonly led: string | undefined;
  /** Where the gateway's document comes from. */
  readonly source: "config" | "last-good" | "default";
}

/** Names below the state directory. */
export const IDENTITY_FILE = "identity.pem";
export const LED_FILE = "led.txt";
export const LAST_GOOD = { gateway: "provision/gateway.json", sensors: "provision/sensors.json" } as const;

const PUT_RIGHT = "Correct the file on the CONFIG partition and start the device again.";
/** RFC 1123 §2.1, and what Linux takes. */
const HOST_NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/iu;
const HOST_NAME_LENGTH_MAX = 64;

/**
 * What becomes of the CONFIG partition at a start. Whatever is wrong there, the plan is one that a gateway can run with:
 * what the last start had, else a gateway that takes frames and keeps them.
 */
export function planProvision(found: Found, places: Places): Plan {
  const problems: Problem[] = [];
  const files: PlannedFile[] = [];
  const text = (name: string): string | undefined => textOf(found, name, problems);

  const sensors = choose(
    [
      { text: text("sensors.json"), source: "config" },
      { text: found.lastGood.sensors, source: "last-good" },
    ],
    checkSensors,
    (error, candidate) => problems.push(problemOf("sensors.json", candidate, error)),
  );
  const sensorsFile = sensors === undefined ? undefined : `${places.runDir}/sensors.json`;
  const extras = {
    claim: lineOf(text("claim.txt")),
    collectorKey: lineOf(text("collector.pub"))?.toLowerCase(),
    sensorsFile,
  };
  const given = text("gateway.json");
  if (
    given === undefined &&
    (extras.claim ?? extras.collectorKey) !== undefined &&
    found.lastGood.gateway === undefined
  )
    problems.push({
      file: extras.collectorKey === undefined ? "claim.txt" : "collector.pub",
      line: undefined,
      what: "without gateway.json nobody says where the collector is.",
      remedy: "Put a gateway.json with paths beside it.",
    });
  let document: Record<string, unknown> = {};
  const chosen = choose(
    [
      { text: given, source: "config" },
      { text: found.lastGood.gateway, source: "last-good" },
      { text: "{}", source: "default" },
    ],
    (candidate, source) => {
      const complete = complement(
        parseJson(candidate, "gateway.json"),
        places,
        source === "default" ? { sensorsFile } : extras,
      );
      parseGatewayConfig(complete, "gateway.json");
      document = complete;
    },
    (error, candidate) => problems.push(problemOf("gateway.json", candidate, error)),
  )!;
  if (chosen.source === "config" && namesOtherData(given!, places))
    problems.push({
      file: "gateway.json",
      line: lineOfKey(given!, "dataDir"),
      what: `dataDir names another directory than ${places.stateDir}, and nothing else of this device can be written to.`,
      remedy: "Leave dataDir away.",
    });

  const content = asDocument(document);
  if (sensors !== undefined) files.push({ place: "run", name: "sensors.json", content: sensors.text });
  if (sensors?.source === "config" && sensors.text !== found.lastGood.sensors)
    files.push({ place: "state", name: LAST_GOOD.sensors, content: sensors.text });
  if (chosen.source === "config" && content !== found.lastGood.gateway)
    files.push({ place: "state", name: LAST_GOOD.gateway, content });

  const name = lineOf(text("hostname"));
  if (name !== undefined) {
    if (HOST_NAME.test(name) && name.length <= HOST_NAME_LENGTH_MAX)
      files.push({ place: "run", name: "hostname", content: `${name}\n` });
    else
      problems.push({
        file: "hostname",
        line: 1,
        what: "this is no name of a host.",
        remedy: `Use up to ${HOST_NAME_LENGTH_MAX} letters, digits and dashes, such as gateway-7.`,
      });
  }
  const keys = text("authorized_keys");
  if (keys !== undefined) files.push({ place: "run", name: "authorized_keys", content: keys });
  files.push(...networkFiles(found, problems));
  const led = lineOf(text(LED_FILE));
  const identity = planIdentity(found, text(IDENTITY_FILE), problems);
  files.push(...identity.files);
  // What is wrong is told by the gateway as well; the last good document must not go on telling it.
  const notices = noticesOf(problems);
  const told = notices.length === 0 ? content : asDocument({ ...document, notices });
  files.push({ place: "run", name: "gateway.json", content: told });
  return { files, wipe: identity.wipe, problems, led, source: chosen.source };
}

/** A key is moved to the device once; one that is there is never replaced. */
function planIdentity(found: Found, pem: string | undefined, problems: Problem[]): Pick<Plan, "files" | "wipe"> {
  if (pem === undefined) return { files: [], wipe: [] };
  const given = identityFromPem(pem);
  if (!given.ok) {
    const remedy =
      "Put the key there that was made for this device, or take the file away: the device makes one itself.";
    problems.push({
      file: IDENTITY_FILE,
      line: undefined,
      what: "this is no Ed25519 private key in PKCS#8 PEM.",
      remedy,
    });
    return { files: [], wipe: [] };
  }
  if (found.identity === undefined)
    return { files: [{ place: "state", name: IDENTITY_FILE, content: pem }], wipe: [IDENTITY_FILE] };
  const own = identityFromPem(found.identity);
  // Moved before, and the power went before it was wiped here.
  if (own.ok && Buffer.from(own.value.id).equals(given.value.id)) return { files: [], wipe: [IDENTITY_FILE] };
  problems.push({
    file: IDENTITY_FILE,
    line: undefined,
    what: "the device has another key already, and keeps it: what it stored is signed with that one.",
    remedy: "Take the file away, or flash the device without --keep-data to begin anew.",
  });
  return { files: [], wipe: [] };
}

function networkFiles(found: Found, problems: Problem[]): PlannedFile[] {
  return [...found.config.keys()].toSorted().flatMap((path): PlannedFile[] => {
    const name = /^network\/(.*)$/u.exec(path)?.[1];
    if (name === undefined) return [];
    if (!/^[A-Za-z0-9][A-Za-z0-9._@-]*\.(?:network|netdev|link)$/u.test(name)) {
      const remedy = "Call it NAME.network, NAME.netdev or NAME.link.";
      problems.push({
        file: path,
        line: undefined,
        what: "systemd-networkd does not read a file of that name.",
        remedy,
      });
      return [];
    }
    const content = textOf(found, path, problems);
    if (content === undefined) return [];
    const line = content
      .split("\n")
      .findIndex((one) => !/^\s*(?:$|[#;]|\[[^\]]+\]\s*$|[A-Za-z0-9]+\s*=|.*\\$)/u.test(one));
    if (line === -1) return [{ place: "network", name, content: content.endsWith("\n") ? content : `${content}\n` }];
    const remedy = "Lines are [Section], Key=value, or # and a remark.";
    problems.push({ file: path, line: line + 1, what: "this line is none of systemd-networkd's.", remedy });
    return [];
  });
}

/** The first candidate that `check` does not throw at; what it throws at is told, for what was put on the partition. */
function choose<Source extends string>(
  candidates: readonly { readonly text: string | undefined; readonly source: Source }[],
  check: (text: string, source: Source) => void,
  tell: (error: PaddockError, text: string) => void,
): { readonly text: string; readonly source: Source } | undefined {
  for (const { text, source } of candidates) {
    if (text === undefined) continue;
    try {
      check(text, source);
      return { text, source };
    } catch (error) {
      if (!(error instanceof PaddockError)) throw error;
      if (source === "config") tell(error, text);
    }
  }
  return undefined;
}

interface Extras {
  readonly claim?: string | undefined;
  readonly collectorKey?: string | undefined;
  readonly sensorsFile: string | undefined;
}

/** The gateway's document with what stands in files of its own, and with the places of this device. */
function complement(
  parsed: unknown,
  { stateDir, runDir }: Places,
  { claim, collectorKey, sensorsFile }: Extras,
): Record<string, unknown> {
  if (!isRecord(parsed))
    throw new PaddockError("CONFIG_INVALID", "gateway.json is not valid: expected an object, { … }.");
  const document: Record<string, unknown> = { ...parsed, dataDir: stateDir };
  const addTo = (section: string, more: Readonly<Record<string, string | undefined>>, replace: boolean): void => {
    const known = document[section] ?? {};
    const added = Object.entries(more).filter(
      ([key, value]) => value !== undefined && isRecord(known) && (replace || known[key] === undefined),
    );
    if (added.length > 0 && isRecord(known)) document[section] = { ...known, ...Object.fromEntries(added) };
  };
  addTo("collector", { publicKey: collectorKey, claim }, false);
  addTo("sensors", { file: sensorsFile }, true);
  addTo("bfd", { socket: `${runDir}/bfd.sock` }, false);
  return document;
}

function asDocument(document: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify(document, null, 2)}\n`;
}

function namesOtherData(text: string, { stateDir }: Places): boolean {
  const { dataDir } = JSON.parse(text) as { dataDir?: unknown };
  return dataDir !== undefined && dataDir !== stateDir;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(found: Found, name: string, problems: Problem[]): string | undefined {
  const file = found.config.get(name);
  if (file === undefined) return undefined;
  const text = file.ok ? decodeText(file.value) : refuse("unreadable", file.detail);
  if (text.ok) return text.value;
  problems.push({ file: name, line: undefined, what: `${text.detail}.`, remedy: "Write it again, as plain text." });
  return undefined;
}

/** The first line of a file of one line; undefined for none and for an empty one. */
function lineOf(text: string | undefined): string | undefined {
  const line = text?.split("\n").find((one) => one.trim() !== "");
  return line?.trim();
}

function lineOfKey(text: string, key: string): number | undefined {
  const index = text.split("\n").findIndex((line) => line.includes(`"${key}"`));
  return index === -1 ? undefined : index + 1;
}

function problemOf(file: string, text: string, error: PaddockError): Problem {
  // Of a document that is JSON the message has the field: the last name in it stands somewhere in the text.
  const field = /is not valid: ([^\s:]+): /u.exec(error.message)?.[1];
  const key = field?.match(/[A-Za-z_]\w*/gu)?.at(-1);
  const place = /at line (\d+)|\(line (\d+) /u.exec(error.message);
  const number = place?.[1] ?? place?.[2];
  return {
    file,
    line: number === undefined ? (key === undefined ? undefined : lineOfKey(text, key)) : Number(number),
    what: error.message,
    remedy: PUT_RIGHT,
  };
}

/** Throws PaddockError. */
function checkSensors(text: string): void {
  const { sensors } = parseConfig(sensorsFileSchema, parseJson(text, "sensors.json"), "sensors.json");
  const elsewhere = Object.entries(sensors).find(([, { keyFile }]) => keyFile !== undefined);
  if (elsewhere !== undefined)
    throw new PaddockError(
      "CONFIG_INVALID",
      `sensors.json is not valid: sensors.${elsewhere[0]}.keyFile: this device has no such file; write the key itself, as key.`,
    );
}
