import { PaddockError } from "@paddock/base/errors.ts";
import { nearestName } from "@paddock/base/nearest.ts";
import { print } from "@paddock/base/printable.ts";
import { bufferCommand } from "./buffer-command.ts";
import { chainCommand } from "./chain-command.ts";
import { DEFAULT_CONFIG_FILE, type Command } from "./options.ts";
import { dataCommand } from "./data-command.ts";
import { directivesCommand } from "./directives-command.ts";
import { identityCommand, metricsCommand } from "./plain-commands.ts";
import { provisionCommand } from "./provision-command.ts";
import { resetCommand } from "./reset-command.ts";
import { runCommand } from "./run-command.ts";
import { sensorsCommand } from "./sensors-command.ts";
import { statusCommand } from "./status-command.ts";
import { updateCommand } from "./update-command.ts";
import { uplinksCommand } from "./uplinks-command.ts";

const COMMANDS: Readonly<Record<string, Command>> = {
  run: runCommand,
  status: statusCommand,
  buffer: bufferCommand,
  chain: chainCommand,
  sensors: sensorsCommand,
  uplinks: uplinksCommand,
  metrics: metricsCommand,
  identity: identityCommand,
  directives: directivesCommand,
  provision: provisionCommand,
  data: dataCommand,
  update: updateCommand,
  "factory-reset": resetCommand,
};

function help(): string {
  const lines = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(15)}${summary}`);
  return `paddock gateway COMMAND\n\n${lines.join("\n")}\n\nEvery command has --help, and --config FILE (default ${DEFAULT_CONFIG_FILE}).\n`;
}

/** `paddock gateway`. Returns the exit code. Throws PaddockError. */
export async function gatewayCommand(argv: readonly string[]): Promise<number> {
  const [name, ...args] = argv;
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    print(help());
    return name === undefined ? 2 : 0;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    const nearest = nearestName(name, Object.keys(COMMANDS));
    throw new PaddockError(
      "USAGE",
      `There is no command "${name}"${nearest === undefined ? "" : `; did you mean "${nearest}"?`}.`,
    );
  }
  if (args.includes("--help") || args.includes("-h")) {
    print(`${command.summary}.\n\n${command.help}`);
    return 0;
  }
  return command.run(args);
}
