import { PaddockError } from "@paddock/base/errors.ts";
import { print, printJson } from "@paddock/base/printable.ts";
import type { Consumer } from "../log/consumers.ts";
import { askJson } from "../operator/operator-client.ts";
import { CONNECT_HELP, CONNECT_OPTIONS, parseCommandLine, socketOf, wholeOption, type Command } from "./command.ts";

export const consumers: Command = {
  name: "consumers",
  usage: "[NAME [--offset N [--rewind] | --remove]] [--config FILE] [--json]",
  summary: "named places in the log: list, show, move, remove",
  help: `  NAME            show this one
  --offset N      move it to log offset N, or make it
  --rewind        allow moving it back
  --remove        forget it
${CONNECT_HELP}

Ends with 1 when a place is none of this log any more: the ledger was made anew or put back in time.`,
  async run(argv) {
    const options = {
      ...CONNECT_OPTIONS,
      offset: { type: "string" },
      rewind: { type: "boolean" },
      remove: { type: "boolean" },
    } as const;
    const parsed = parseCommandLine(argv, options, [0, 1]);
    const name = parsed.positionals[0];
    const offset = wholeOption(parsed, "offset");
    if (offset !== undefined && name === undefined)
      throw new PaddockError("USAGE", "--offset needs a consumer's NAME.");
    if (parsed.values["remove"] === true) return remove(await socketOf(parsed), name, offset);
    const answer = await ask(await socketOf(parsed), name, offset, parsed.values["rewind"] === true);
    const shown = Array.isArray(answer) ? answer : [answer];
    if (parsed.values["json"] === true) printJson(answer);
    else print(renderConsumers(shown));
    return shown.some(({ problem }) => problem !== undefined) ? 1 : 0;
  },
};

async function remove(socket: string, name: string | undefined, offset: number | undefined): Promise<number> {
  if (name === undefined || offset !== undefined) throw new PaddockError("USAGE", "--remove goes with a NAME alone.");
  await askJson(socket, { method: "DELETE", path: `/v1/consumers/${encodeURIComponent(name)}` });
  print(`${name} is forgotten.`);
  return 0;
}

function ask(socket: string, name: string | undefined, offset: number | undefined, rewind: boolean) {
  if (name === undefined) return askJson<ShownConsumer[]>(socket, { path: "/v1/consumers" });
  const path = `/v1/consumers/${encodeURIComponent(name)}`;
  if (offset === undefined) return askJson<ShownConsumer>(socket, { path });
  return askJson<ShownConsumer>(socket, { method: "PUT", path, body: { offset, rewind } });
}

/** `lag` in records; `problem` instead where its place is none of this log any more. */
type ShownConsumer = Consumer & { readonly problem?: string; readonly lag?: number };

function renderConsumers(found: readonly ShownConsumer[]): string {
  if (found.length === 0) return "No consumer has a place yet.";
  return found
    .map(({ name, offset, updated, problem, lag }) => {
      const where = lag === 0 ? ", at the end of the log" : ` with ${lag} record(s) behind it`;
      const since = `since ${new Date(updated).toISOString()}`;
      const line = `${name}: offset ${offset}${lag === undefined ? "" : where}, ${since}`;
      return problem === undefined ? line : `${line}\n  ${problem}`;
    })
    .join("\n");
}
