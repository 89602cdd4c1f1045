import { FORMAT_COSE_MAC0, FORMAT_SENML_CBOR, FORMAT_SENSML_CBOR } from "@paddock/wire/content-formats.ts";
import { decodeMac0 } from "@paddock/wire/cose-mac.ts";
import { FORMAT_GATEWAY } from "@paddock/wire/record.ts";
import { readSenml, type Reading } from "@paddock/wire/senml-read.ts";

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
  /** Records of a payload that the collector's disk changed. */
  readonly damaged?: number;
  /** Records that the collector's disk lost, and what of them is missing; whose they were may not be known. */
  readonly lost?: number;
  readonly why?: string;
}

/** What a line holds for who wants readings. */
export interface SenmlLines {
  /** NDJSON; empty for the gateway's own records and for a pack of base fields alone. */
  readonly text: string;
  /** The first reason why something of the line is not among its readings. */
  readonly problem: string | undefined;
}

/**
 * A line of the log as NDJSON lines: one for each reading, resolved (RFC 8428 §4.6) against the frame's reception, and
 * `{"offset","gateway","source","problem"}` for each record that is none. A line without a frame stays as it is.
 */
export function senmlLines(line: LogLine): SenmlLines {
  if (line.frame === undefined || line.format === undefined) return { text: jsonLine(line), problem: undefined };
  if (line.format === FORMAT_GATEWAY) return { text: "", problem: undefined };
  const { readings, problems } = readFrame(Buffer.from(line.frame, "base64url"), line.format, line.at / 1000);
  const { offset, gateway, source } = line;
  const told = problems.map((problem) => jsonLine({ offset, gateway, source, problem }));
  return {
    text: readings
      .map((reading) => jsonLine(plain(line, reading)))
      .concat(told)
      .join(""),
    problem: problems[0],
  };
}

interface ReadFrame {
  readonly readings: readonly Reading[];
  readonly problems: readonly string[];
}

/** `now` is the Unix time in seconds of the reception. */
function readFrame(frame: Uint8Array, format: number, now: number): ReadFrame {
  switch (format) {
    case FORMAT_SENML_CBOR:
    case FORMAT_SENSML_CBOR: {
      const { readings, faults } = readSenml(frame, { now });
      return { readings, problems: faults.map(({ detail }) => detail) };
    }
    case FORMAT_COSE_MAC0: {
      const mac = decodeMac0(frame);
      return mac.ok ? readFrame(mac.value.payload, mac.value.format, now) : { readings: [], problems: [mac.detail] };
    }
    default:
      return { readings: [], problems: [`content format ${format} is no SenML`] };
  }
}

function plain({ offset, gateway, source }: LogLine, reading: Reading) {
  const { time, name, unit, value, contentFormat, sum, updateTime } = reading;
  const shown = value instanceof Uint8Array ? Buffer.from(value).toString("base64url") : value;
  return { offset, gateway, source, time, name, unit, value: shown, contentFormat, sum, updateTime };
}

function jsonLine(line: object): string {
  return `${JSON.stringify(line)}\n`;
}
