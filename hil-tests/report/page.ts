import type { Story, StorySource } from "../lab/story.ts";
import { escapeMarkup } from "./markup.ts";
import type { HilReport, Verdict } from "./verdicts.ts";

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #1c2330 }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #dde2ea; vertical-align: top }
td.number { text-align: right; white-space: nowrap } .passed { color: #17693b } .failed { color: #a11b1b; font-weight: 600 }
pre { white-space: pre-wrap; background: #f5f6f9; padding: .6rem } summary { cursor: pointer } h2 { margin-top: 2rem }
summary, small { color: #556; font-size: .85em } svg { display: block } svg text { font: 11px system-ui, sans-serif } ol { margin: .3rem 0 } li span { color: #667; display: inline-block; min-width: 6rem }`;

/** The report as one page that needs nothing else. */
export function htmlPage(report: HilReport): string {
  const { machine, verdicts, passed, failed } = report;
  const rings = [...Map.groupBy(verdicts, ({ ring }) => ring)].map(([ring, rows]) => ringTable(ring, rows));
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Paddock: hardware-in-the-loop report</title><style>${STYLE}</style>
<h1>Paddock: hardware-in-the-loop report</h1>
<p class="${failed === 0 ? "passed" : "failed"}">${passed} passed, ${failed} failed, in ${Math.round(report.durationS)} s.</p>
<p>${escapeMarkup(report.startedAt)}; ${machine.cores} cores, ${escapeMarkup(machine.cpu)}; Linux ${escapeMarkup(machine.kernel)}; Node ${escapeMarkup(machine.node)}</p>
${failures(verdicts)}${rings.join("\n")}
</html>
`;
}

/** What failed, first of all, with links. */
function failures(verdicts: readonly Verdict[]): string {
  const failed = verdicts.filter(({ passed }) => !passed);
  if (failed.length === 0) return "";
  const items = failed.map((verdict) => `<li><a href="#${idOf(verdict)}">${escapeMarkup(verdict.name)}</a></li>`);
  return `<ul class="failed">${items.join("")}</ul>\n`;
}

function idOf({ file, name }: Verdict): string {
  return encodeURIComponent(`${file} ${name}`);
}

function ringTable(ring: string, rows: readonly Verdict[]): string {
  return `<h2>${escapeMarkup(ring)}</h2>
<table><tr><th>verdict</th><th>scenario</th><th>seconds</th></tr>
${rows.map(row).join("\n")}
</table>`;
}

function row(shown: Verdict): string {
  const { file, passed, name, durationMs, failure, story } = shown;
  const verdict = passed ? "passed" : "failed";
  const more = [
    failure === null ? "" : `<pre>${escapeMarkup(failure)}</pre>`,
    story?.source === undefined ? `<small>${escapeMarkup(file)}</small>` : sourceBlock(story.source),
    story === null ? "" : storyBlock(story),
  ];
  return `<tr id="${idOf(shown)}"><td class="${verdict}">${verdict}</td><td>${escapeMarkup(name)}${more.join("")}</td><td class="number">${(durationMs / 1000).toFixed(1)}</td></tr>`;
}

/** The scenario in its own words. */
function sourceBlock({ file, line, text }: StorySource): string {
  return `<details><summary>${escapeMarkup(`${file}:${line}`)}</summary><pre>${escapeMarkup(text)}</pre></details>`;
}

function storyBlock({ figures, timeline }: Story): string {
  const list = Object.entries(figures)
    .map(([name, value]) => `<li>${escapeMarkup(name)}: <b>${escapeMarkup(value)}</b></li>`)
    .join("");
  if (timeline.length === 0) return `<ul>${list}</ul>`;
  const startMs = timeline[0]!.atMs;
  const events = timeline
    .map(({ atMs, what }) => `<li><span>${((atMs - startMs) / 1000).toFixed(3)} s</span> ${escapeMarkup(what)}</li>`)
    .join("");
  return `<ul>${list}</ul>${picture(timeline)}<details><summary>${timeline.length} events</summary><ol>${events}</ol></details>`;
}

const WIDTH = 900;

/** The events on a line of time; hovering tells each. */
function picture(timeline: Story["timeline"]): string {
  const startMs = timeline[0]!.atMs;
  const spanMs = Math.max(1, timeline.at(-1)!.atMs - startMs);
  const marks = timeline.map(({ atMs, what }) => {
    const x = (10 + ((atMs - startMs) / spanMs) * (WIDTH - 20)).toFixed(1);
    const said = escapeMarkup(`${((atMs - startMs) / 1000).toFixed(3)} s: ${what}`);
    if (isStep(what)) return `<path d="M${x} 4v24" stroke="#b8c0cc" stroke-width="3"><title>${said}</title></path>`;
    return `<circle cx="${x}" cy="16" r="5" fill="${colourOf(what)}" fill-opacity=".75"><title>${said}</title></circle>`;
  });
  const axis = `<line x1="10" y1="16" x2="${WIDTH - 10}" y2="16" stroke="#b8c0cc"/>`;
  const ends = `<text x="10" y="38">0 s</text><text x="${WIDTH - 10}" y="38" text-anchor="end">${(spanMs / 1000).toFixed(1)} s</text>`;
  return `<svg viewBox="0 0 ${WIDTH} 42" width="100%" role="img" aria-label="timeline">${axis}${marks.join("")}${ends}</svg>`;
}

function isStep(what: string): boolean {
  return /^(?:Given|When|Then|And|But) /.test(what);
}

function colourOf(what: string): string {
  if (/traffic goes/.test(what)) return "#2456b8";
  if (/^fault: |\bkilled|\bstops|\bdown\b|\bgone/.test(what)) return "#a11b1b";
  return "#17693b";
}
