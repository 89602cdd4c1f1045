import type { Judged, Report } from "./judge.ts";

/** The report as a page that stands alone. */
export function htmlOf(report: Report): string {
  const { version, commit, imageSha256, rootHash, date, standards } = report;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Paddock ${escaped(version)}: conformance</title>
<style>
  body { font: 15px/1.4 system-ui, sans-serif; max-width: 72em; margin: 2em auto; padding: 0 1em }
  table { border-collapse: collapse; width: 100% } th, td { border: 1px solid #999; padding: .3em .5em; text-align: left; vertical-align: top }
  .green { background: #dff2df } .red { background: #f7d4d4 } code { word-break: break-all }
</style>
<h1>Paddock ${escaped(version)}: conformance</h1>
<p>Of the image with SHA-256 <code>${escaped(imageSha256)}</code>, root hash <code>${escaped(rootHash)}</code>, commit
<code>${escaped(commit)}</code>; judged on ${escaped(date)}. A statement of the maker, and no certificate of anybody else.</p>
${standards.map(({ name, provisions }) => table(name, provisions)).join("\n")}
</html>
`;
}

function table(name: string, provisions: readonly Judged[]): string {
  const count = (verdict: string) => provisions.filter((one) => one.verdict === verdict).length;
  return `<h2>${escaped(name)}</h2>
<p>${count("green")} green, ${count("red")} red, ${count("not applicable")} not applicable. ${escaped(provisions[0]?.text ?? "")}</p>
<table><tr><th>provision<th>about<th>verdict<th>evidence
${provisions.map((one) => row(one)).join("\n")}
</table>`;
}

function row({ id, about, verdict, evidence, problems }: Judged): string {
  const lines = [...problems.map((one) => `<strong>${escaped(one)}</strong>`), ...evidence.map((one) => escaped(one))];
  return `<tr class="${verdict === "not applicable" ? "" : verdict}"><td>${escaped(id)}<td>${escaped(about)}<td>${verdict}<td>${lines.join("<br>")}`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
