import { PaddockError } from "@paddock/base/errors.ts";
import { print, printJson } from "@paddock/base/printable.ts";
import { askJson, type OperatorRequest } from "../operator/operator-client.ts";
import { CONNECT_HELP, CONNECT_OPTIONS, parseCommandLine, socketOf, type Command } from "./command.ts";

interface Decided {
  readonly id: string;
  readonly label: string;
  readonly state: string;
}

export const approve = decision("approve", "let a gateway hand in");
export const deny = decision("deny", "refuse a gateway; what it handed in stays");
export const remove = decision("remove", "forget a gateway that waits or is denied and handed nothing in");

function decision(name: "approve" | "deny" | "remove", summary: string): Command {
  return {
    name,
    usage: "ID [--config FILE] [--json]",
    summary,
    help: `  ID              the gateway's id, or its first 8 or more hex digits
${CONNECT_HELP}`,
    async run(argv) {
      const parsed = parseCommandLine(argv, CONNECT_OPTIONS, [1, 1]);
      const gateway = parsed.positionals[0]!.toLowerCase();
      if (!/^[0-9a-f]{8,64}$/u.test(gateway)) {
        throw new PaddockError("USAGE", `${JSON.stringify(gateway)} is no gateway id; it has 8 to 64 hex digits.`);
      }
      const path = `/v1/gateways/${gateway}`;
      const request: OperatorRequest =
        name === "remove" ? { method: "DELETE", path } : { method: "POST", path: `${path}/${name}` };
      const decided = await askJson<Decided>(await socketOf(parsed), request);
      if (parsed.values["json"] === true) printJson(decided);
      else print(`${decided.id} ${decided.label === "" ? "" : `(${decided.label}) `}is ${decided.state}.`);
      return 0;
    },
  };
}
