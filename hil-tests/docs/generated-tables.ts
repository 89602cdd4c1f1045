import { readFile } from "node:fs/promises";
import { ERROR_TABLE } from "@paddock/base/errors.ts";
import { configRows, type Row, type Schema } from "./config-rows.ts";
import { collectorMetricRows, gatewayMetricRows } from "./metric-rows.ts";

/** The top of the repository. */
export const ROOT = new URL("../../", import.meta.url);

/** Where the schemas leave a key without words. */
const GATEWAY_NOTES: Readonly<Record<string, string>> = {
  "metrics.listen.address": "Address to bind.",
  "metrics.listen.port": "TCP port; 0 lets the kernel choose one.",
  "metrics.tls.cert": "PEM file of the certificate chain.",
  "metrics.tls.key": "PEM file of its key.",
  "paths[].bfd.endToEnd.auth.type": "Authentication type of RFC 5880 §4.2 to §4.4.",
  "paths[].bfd.endToEnd.auth.keys": "The first signs, all are accepted.",
  "paths[].bfd.endToEnd.auth.keys[].id": "Key id, the same on both ends.",
  "paths[].bfd.endToEnd.auth.keys[].secret": "Text, or `hex:` and digits.",
  "paths[].bfd.firstHop.auth.type": "Authentication type of RFC 5880 §4.2 to §4.4.",
  "paths[].bfd.firstHop.auth.keys": "The first signs, all are accepted.",
  "paths[].bfd.firstHop.auth.keys[].id": "Key id, the same on both ends.",
  "paths[].bfd.firstHop.auth.keys[].secret": "Text, or `hex:` and digits.",
};
const COLLECTOR_NOTES: Readonly<Record<string, string>> = {
  listen: "Where gateways connect: TLS 1.3 over TCP.",
  tls: "PEM files to show instead of the certificate over the identity key.",
  "tls.cert": "PEM file of the certificate chain.",
  "tls.key": "PEM file of its key.",
  "operator.socket": "Unix socket of the operator's commands; null: operator.sock in dataDir.",
  "operator.listen": "The operator's API over TCP as well, on this machine only; null: not.",
  "operator.listen.address": "Loopback address to bind.",
  "metrics.tls.cert": "PEM file of the certificate chain.",
  "metrics.tls.key": "PEM file of its key.",
  claims: "Claim codes that admit gateways without a further yes. Read at the start.",
  "claims[].label": "Name of the gateway that it admits; empty takes the gateway's own.",
  "log.level": "Least level that is logged.",
  "bfd.seamless": "Answers seamless BFD (S-BFD), without state; null: not.",
  "bfd.seamless.listen[].address": "Address that gateways watch.",
  "bfd.passive": "Answers multihop BFD sessions that gateways open; null: not.",
  "bfd.passive.intervalMs": "Milliseconds between packets, both ways.",
  "bfd.passive.detectMult": "Packets in a row that may be missing.",
};

export interface GeneratedTable {
  readonly head: Row;
  readonly rows: readonly Row[];
}

/** The keys of a scenario, for sensor-sim/README.md. */
export async function scenarioTable(): Promise<GeneratedTable> {
  const schema = JSON.parse(await readFile(new URL("sensor-sim/scenario.schema.json", ROOT), "utf8")) as Schema;
  return { head: ["key", "may be", "default", "meaning"], rows: configRows(schema, {}) };
}

/** The tables of docs/operations.md that the code decides, by the name in their markers. */
export async function generatedTables(): Promise<Readonly<Record<string, GeneratedTable>>> {
  const config = ["key", "may be", "default", "meaning"];
  const metrics = ["metric", "type", "meaning", "alert on"];
  return {
    "gateway-config": { head: config, rows: configRows(await schemaOf("gateway"), GATEWAY_NOTES) },
    "collector-config": { head: config, rows: configRows(await schemaOf("collector"), COLLECTOR_NOTES) },
    errors: {
      head: ["code", "then", "meaning", "remedy"],
      rows: Object.entries(ERROR_TABLE).map(([code, { disposition, meaning, remedy }]) => [
        `\`${code}\``,
        disposition,
        meaning,
        remedy,
      ]),
    },
    "gateway-metrics": { head: metrics, rows: gatewayMetricRows() },
    "collector-metrics": { head: metrics, rows: await collectorMetricRows() },
  };
}

async function schemaOf(program: "gateway" | "collector"): Promise<Schema> {
  return JSON.parse(await readFile(new URL(`${program}/config.schema.json`, ROOT), "utf8")) as Schema;
}

/** The cells of the table between the markers of that name, or undefined when there are none. */
export function tableIn(document: string, name: string): Row[] | undefined {
  const block = blockOf(name).exec(document)?.[2];
  const lines = block?.split("\n").filter((line) => line.startsWith("|"));
  // The second line is the rule below the head.
  return lines?.filter((_, index) => index !== 1).map(cellsOf);
}

/** The document with the table between the markers of that name replaced. */
export function withTable(document: string, name: string, { head, rows }: GeneratedTable): string {
  const lines = [head, head.map(() => "---"), ...rows].map((row) => `| ${row.map(escapeCell).join(" | ")} |`);
  return document.replace(
    blockOf(name),
    (_, start: string, __, end: string) => `${start}\n\n${lines.join("\n")}\n\n${end}`,
  );
}

function blockOf(name: string): RegExp {
  return new RegExp(`(<!-- generated: ${name} -->)(.*?)(<!-- end -->)`, "su");
}

function cellsOf(line: string): Row {
  return line
    .split(/(?<!\\)\|/u)
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function escapeCell(text: string): string {
  return text.replaceAll("|", "\\|");
}
