import { PaddockError } from "@paddock/base/errors.ts";
import { nearestName } from "@paddock/base/nearest.ts";
import { print } from "@paddock/base/printable.ts";
import type { Command } from "./command.ts";

/** Commands are loaded when they are called for, so that asking the time of day does not load the TLS server. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => (await import("./run.ts")).run,
  id: async () => (await import("./id.ts")).id,
  fleet: async () => (await import("./fleet.ts")).fleet,
  gaps: async () => (await import("./gaps.ts")).gaps,
  approve: async () => (await import("./decide.ts")).approve,
  deny: async () => (await import("./decide.ts")).deny,
  remove: async () => (await import("./decide.ts")).remove,
  rollout: async () => (await import("./rollout.ts")).rollout,
  evidence: async () => (await import("./evidence.ts")).evidence,
  log: async () => (await import("./log.ts")).log,
  ledger: async () => (await import("./ledger.ts")).ledger,
  consumers: async () => (await import("./consumers.ts")).consumers,
  lake: async () => (await import("./lake.ts")).lake,
  last: async () => (await import("./last.ts")).last,
  query: async () => (await import("./query.ts")).query,
  sinks: async () => (await import("./sinks.ts")).sinks,
  "export-proof": async () => (await import("./export-proof.ts")).exportProof,
  prove: async () => (await import("./prove.ts")).prove,
  verify: async () => (await import("./verify.ts")).verify,
};

/** `paddock collector`. Returns the exit code. Throws PaddockError. */
export async function collectorCommand(argv: readonly string[]): Promise<number> {
  const [name = "--help", ...rest] = argv;
  if (name === "--help" || name === "-h") {
    print(await usage());
    return 0;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) {
    const nearest = nearestName(name, Object.keys(COMMANDS));
    const hint = nearest === undefined ? "" : ` Did you mean ${nearest}?`;
    throw new PaddockError("USAGE", `${JSON.stringify(name)} is no command of the collector.${hint}`);
  }
  const command = await load();
  if (rest.includes("--help") || rest.includes("-h")) {
    print(`paddock collector ${command.name} ${command.usage}\n  ${command.summary}\n\n${command.help}`);
    return 0;
  }
  return command.run(rest);
}

async function usage(): Promise<string> {
  const commands = await Promise.all(Object.values(COMMANDS).map((load) => load()));
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(13)} ${summary}`);
  return `paddock collector COMMAND [--help]\n\n${lines.join("\n")}\n\nExit codes: 0 fine, 1 something wants attention, 2 broken or not understood.`;
}
