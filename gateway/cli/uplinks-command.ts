import { setTimeout as sleep } from "node:timers/promises";
import { print, printJson } from "@paddock/base/printable.ts";
import { askGateway } from "../status/status-client.ts";
import { exitCodeOf, judge } from "../status/verdict.ts";
import { ASKING, parseOptions, socketOf, type Command } from "./options.ts";
import { formatUplinks } from "./uplinks-format.ts";

const WATCH_MS = 1000;

export const uplinksCommand: Command = {
  summary: "Show the paths to the collector",
  help: `paddock gateway uplinks [--watch] [--config FILE | --socket PATH] [--json]
  --watch   again every second; with --json one line each
`,
  async run(args) {
    const { values } = parseOptions(args, { ...ASKING, watch: { type: "boolean" } });
    const socket = await socketOf(values);
    for (;;) {
      const status = await askGateway<"status">(socket, { get: "status" });
      if (values.watch !== true) {
        if (values.json === true) printJson(status.uplinks);
        else print(formatUplinks(status));
        return exitCodeOf(judge(status).level);
      }
      if (values.json === true) print(JSON.stringify({ time: new Date().toISOString(), ...status.uplinks }));
      else print(`${process.stdout.isTTY ? "\u001b[2J\u001b[H" : ""}${formatUplinks(status)}`);
      await sleep(WATCH_MS);
    }
  },
};
