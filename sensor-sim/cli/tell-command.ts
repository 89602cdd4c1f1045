import { connect } from "node:net";
import { createInterface } from "node:readline";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { readArguments, usage } from "./arguments.ts";

/** `sim tell`: hands one command to a running `sim link` and prints its answer. 0 when it obeyed, 1 when not. */
export async function tellCommand(argv: readonly string[]): Promise<number> {
  const { positionals } = readArguments(argv, {});
  const [path, command, ...rest] = positionals;
  if (path === undefined || command === undefined || rest.length > 0) {
    throw usage(`name the control socket and one command, such as link.sock '{"do":"heal"}'.`);
  }
  const answer = await ask(path, command);
  process.stdout.write(`${answer}\n`);
  return (JSON.parse(answer) as { ok: boolean }).ok ? 0 : 1;
}

function ask(path: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const fail = (reason: string): void =>
      reject(
        new PaddockError("STATUS_UNREACHABLE", `The link at ${path} cannot be reached: ${reason}.`, {
          remedy: "Check that `paddock sim link --control` runs with this socket, as the same user.",
        }),
      );
    socket.once("error", (error) => fail(messageOf(error)));
    socket.once("close", () => fail("it closed the connection"));
    createInterface({ input: socket })
      .on("error", () => {})
      .once("line", (line) => {
        resolve(line);
        socket.destroy();
      });
    socket.write(`${command.replaceAll("\n", " ")}\n`);
  });
}
