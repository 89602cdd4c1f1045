import { readFile } from "node:fs/promises";

/** The folder with what goes to Prometheus and Grafana. */
const FOLDER = new URL("../../docs/prometheus/", import.meta.url);
export const RULES_FILE = new URL("paddock.rules.yml", FOLDER);

export interface Alert {
  readonly name: string;
  readonly expression: string;
  /** Labels that the texts for people name. */
  readonly told: readonly string[];
}

/** The alerts of the rules file, which has each expression on one line. */
export async function alertsOfFile(): Promise<Alert[]> {
  const [, ...pieces] = (await readFile(RULES_FILE, "utf8")).split("- alert: ");
  return pieces.map((piece) => ({
    name: /^\w+/u.exec(piece)![0],
    expression: /^ +expr: (.+)$/mu.exec(piece)![1]!,
    told: [...piece.matchAll(/\$labels\.(\w+)/gu)].map(([, label]) => label!),
  }));
}

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

/** Each expression of the dashboard, with the variable for all gateways put in, and the labels that its legend names. */
export async function expressionsOfDashboard(): Promise<(Alert & { readonly panel: string })[]> {
  const text = await readFile(new URL("paddock.dashboard.json", FOLDER), "utf8");
  const { panels } = JSON.parse(text) as { panels: readonly Panel[] };
  return panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, legendFormat }) => ({
      panel: title,
      name: title,
      expression: expr.replaceAll("$instance", ".*"),
      told: [...legendFormat.matchAll(/\{\{(\w+)\}\}/gu)].map(([, label]) => label!),
    })),
  );
}

/** What an expression asks of which metric: names, each with the labels that its own braces match. */
export function metricsIn(expression: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [, name, , matchers = ""] of expression.matchAll(/\b(paddock_\w+|up)\b(\{([^}]*)\})?/gu)) {
    const labels = [...matchers.matchAll(/(\w+) *(?:=~|!~|!=|=)/gu)].map(([, label]) => label!);
    found.set(name!, [...(found.get(name!) ?? []), ...labels]);
  }
  return found;
}

/** Labels that an expression groups or joins by. */
export function groupedBy(expression: string): string[] {
  return [...expression.matchAll(/\b(?:by|on|without|ignoring) *\(([^)]*)\)/gu)].flatMap(([, list]) =>
    list!.split(",").map((label) => label.trim()),
  );
}

/** Names of samples in an exposition, each with its labels. */
export function samplesIn(openMetrics: string): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const [, name, , labels = ""] of openMetrics.matchAll(/^([a-z]\w*)(\{(.*)\})? \S+/gmu)) {
    const known = found.get(name!) ?? new Set();
    for (const [, label] of labels.matchAll(/(\w+)="/gu)) known.add(label!);
    found.set(name!, known);
  }
  return found;
}
