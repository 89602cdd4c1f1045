import { parseArgs } from "node:util";
import { readConfigFile } from "@paddock/base/config.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { jsonLinesLog } from "@paddock/base/log.ts";
import { askSpeaker } from "./ask.ts";
import { PROCESS_SCHEMA } from "./process-config.ts";
import { runSpeaker } from "./run-speaker.ts";
import { profileTable, statusTable } from "./status-table.ts";

const USAGE = `paddock bfd --socket PATH                        run a speaker that is told its sessions over a Unix socket
paddock bfd --standalone --config FILE           run the sessions of a file; events go to standard output as JSON lines
paddock bfd status --socket PATH [--json]        show the sessions of a running speaker
paddock bfd watch --socket PATH                  print its events as JSON lines
paddock bfd profiles                             list the profiles and what they cost
`;

/** `paddock bfd`. Returns the exit code. Throws PaddockError. */
export async function bfdCommand(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parse(argv);
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const command = positionals[0];
  if (positionals.length > 1) throw new PaddockError("USAGE", `"${positionals[1]}" is one word too many.`);
  switch (command) {
    case undefined:
      break;
    case "profiles":
      process.stdout.write(`${profileTable()}\n`);
      return 0;
    case "status": {
      const report = await askSpeaker(needSocket(values.socket));
      process.stdout.write(`${values.json ? JSON.stringify(report, null, 2) : statusTable(report, Date.now())}\n`);
      return report.sessions.every(({ liveness }) => liveness === "up") ? 0 : 1;
    }
    case "watch":
      await askSpeaker(needSocket(values.socket), (event) => process.stdout.write(`${JSON.stringify(event)}\n`));
      return 0;
    default:
      throw new PaddockError(
        "USAGE",
        `"${command}" is not a command of paddock bfd; there are status, watch and profiles.`,
      );
  }
  if (values.standalone === (values.config === undefined)) {
    throw new PaddockError("USAGE", "--standalone and --config FILE belong together.");
  }
  const config = values.config === undefined ? undefined : await readConfigFile(PROCESS_SCHEMA, values.config);
  const socket = values.socket ?? config?.socket ?? undefined;
  if (config === undefined && socket === undefined) throw new PaddockError("USAGE", "--socket PATH is missing.");
  await runSpeaker({
    socket,
    config,
    endWithParent: values["with-parent"],
    printEvents: values.standalone,
    log: jsonLinesLog(),
  });
  return 0;
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        socket: { type: "string" },
        config: { type: "string" },
        standalone: { type: "boolean", default: false },
        "with-parent": { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    throw new PaddockError("USAGE", messageOf(error));
  }
}

function needSocket(socket: string | undefined): string {
  if (socket === undefined) throw new PaddockError("USAGE", "--socket PATH is missing.");
  return socket;
}
