import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { FORMAT_COSE_MAC0, FORMAT_SENML_CBOR, FORMAT_SENSML_CBOR } from "@paddock/wire/content-formats.ts";
import { decodeMac0 } from "@paddock/wire/cose-mac.ts";
import { resolveSenml, type Reading } from "@paddock/wire/senml-read.ts";

/** A line of the log as `GET /v1/log` gives it in NDJSON; a batch that is evicted or undecodable has no record in it. */
export interface LogLine {
  readonly offset: number;
  readonly received: number;
  readonly gateway: string;
  readonly lane: string;
  readonly epoch: number;
  readonly seq: number;
  readonly index?: number;
  readonly source?: string;
  readonly format?: number;
  readonly at: number;
  readonly clock: string;
  readonly frame?: string;
  /** Records that the gateway gave up for want of room. */
  readonly evicted?: number;
  /** Records of a payload that cannot be read. */
  readonly undecodable?: number;
}

/** The readings in a line's frame, resolved (RFC 8428 §4.6) against its reception. None for what carries no SenML. */
export function readingsOf(line: LogLine): Outcome<readonly Reading[]> {
  if (line.frame === undefined || line.format === undefined) return accept([]);
  const frame = Buffer.from(line.frame, "base64url");
  const now = line.at / 1000;
  if (line.format === FORMAT_SENML_CBOR || line.format === FORMAT_SENSML_CBOR) return resolveSenml(frame, { now });
  if (line.format !== FORMAT_COSE_MAC0) return refuse("format", `content format ${line.format} is no SenML`);
  const mac = decodeMac0(frame);
  return mac.ok ? resolveSenml(mac.value.payload, { now }) : mac;
}

/** The readings of a line as NDJSON, one line each: `{"offset","gateway","source","time","name","unit","value"}`. */
export function senmlLines(line: LogLine): string {
  const readings = readingsOf(line);
  if (!readings.ok) return "";
  return readings.value.map((reading) => `${JSON.stringify(plain(line, reading))}\n`).join("");
}

function plain({ offset, gateway, source }: LogLine, { time, name, unit, value, sum, updateTime }: Reading) {
  const shown = value instanceof Uint8Array ? Buffer.from(value).toString("base64url") : value;
  return { offset, gateway, source, time, name, unit, value: shown, sum, updateTime };
}
