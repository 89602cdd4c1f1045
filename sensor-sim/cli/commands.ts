import { PaddockError } from "@paddock/base/errors.ts";
import { nearestName } from "@paddock/base/nearest.ts";

const HELP = `paddock sim: simulated sensors, proof of what arrived, and an emulated link

  paddock sim run SCENARIO --seed N --target [::1]:5683 --out sent.ndjson
      Sends what the scenario says and writes down each frame and its fate. The same seed sends the same bytes.
      --duration 30s   instead of the scenario's        --clock now|TIME  the sensors' time at the start
      --speed N|max    times real time (1)              --sockets N       UDP sockets at most (256)
      --window N       frames in flight at most (16384) --drain 100s      wait for answers at the end
      --json           the summary as JSON
      --allow-unanswered N|any   good frames that may go without an answer (0)
  paddock sim trace SCENARIO --seed N        hash of every datagram of the run, without sending any
  paddock sim keys SCENARIO --seed N --out sensors.json
      Writes the gateway's sensors file for the keyed fleets.
  paddock sim verify --sent sent.ndjson --log log.ndjson|-
      Joins the sent ledger with the collector's log. First line PASS or FAIL; exit code 0 or 1.
      --json           the report as JSON               --junit FILE      a JUnit report beside it
      --require-all    every good frame has to be there, also one that was turned away
      --allow-unconfirmed N|any  good frames without an answer that may be missing (0): where the network loses some
      --allow-lost N   --allow-duplicate N   --allow-altered N   --allow-refused N   --allow-incomplete
      --max-evicted N  --max-turned-away N   --max-late-p99 DURATION
      --allow-nothing  pass though nothing arrived
      --clock-skew 2s  how far the collector's clock may be behind; what was received earlier is of an older run
      --relayed        a relay or NAT stands before the gateway: endpoints of unkeyed sensors are not compared
  paddock sim link --listen [::1]:9001 --target [::1]:8443
      A UDP and TCP relay with delay, loss, rate and cuts, controlled by lines of JSON; see paddock sim link --help.
  paddock sim tell link.sock '{"do":"cut"}'   hands a command to a running link
  paddock sim schema                         the JSON Schema of scenario files

SCENARIO is a file, or the name of one that comes along: steady, motes, join-storm, hostile, keyed-multihomed, churn.
Exit codes: 0 fine, 1 something needs attention, 2 usage or broken.
`;

const COMMANDS = ["run", "trace", "keys", "verify", "link", "tell", "schema"] as const;

/** The part of the help that is about one command: its line and the indented ones below it. */
function helpOf(command: string): string {
  const lines = HELP.split("\n");
  const first = lines.findIndex(
    (line) => line.startsWith(`  paddock sim ${command} `) || line === `  paddock sim ${command}`,
  );
  const behind = lines.findIndex((line, index) => index > first && !line.startsWith("      "));
  return `${lines
    .slice(first, behind)
    .map((line) => line.slice(2))
    .join("\n")}\n`;
}

/** Dispatches to the command; each is loaded only when it runs. Returns the exit code. Throws USAGE. */
export async function main(argv: readonly string[]): Promise<number> {
  const [command, ...rest] = argv;
  const isKnown = COMMANDS.some((known) => known === command);
  // The link has a help of its own.
  if (isKnown && command !== "link" && (rest.includes("--help") || rest.includes("-h"))) {
    process.stdout.write(helpOf(command!));
    return 0;
  }
  switch (command) {
    case "run":
      return (await import("./run-command.ts")).runCommand(rest);
    case "trace":
      return (await import("./run-command.ts")).traceCommand(rest);
    case "keys":
      return (await import("./keys-command.ts")).keysCommand(rest);
    case "verify":
      return (await import("./verify-command.ts")).verifyCommand(rest);
    case "link":
      return (await import("./link-command.ts")).linkCommand(rest);
    case "tell":
      return (await import("./tell-command.ts")).tellCommand(rest);
    case "schema":
      return (await import("./schema-command.ts")).schemaCommand();
    case undefined:
    case "help":
    case "--help":
    case "-h":
      process.stdout.write(HELP);
      return command === undefined ? 2 : 0;
    default: {
      const near = nearestName(command, COMMANDS);
      const hint = near === undefined ? "" : ` Did you mean "${near}"?`;
      throw new PaddockError("USAGE", `paddock sim has no command "${command}".${hint}`);
    }
  }
}
