import { connect } from "node:net";
import { createInterface } from "node:readline";
import { messageOf } from "@paddock/base/errors.ts";
import { DemoFailure } from "./demo-failure.ts";

/** The answer to `status`; to other commands, `links` is absent. */
export interface LinkAnswer {
  readonly ok: boolean;
  readonly error?: string;
  readonly links?: Readonly<Record<string, { readonly cut: readonly string[]; readonly heldBack: number }>>;
}

/** Tells a running `sim link`, as `sim tell` does; resolves when it has obeyed. Throws DemoFailure. */
export function tellLink(socketPath: string, command: Readonly<Record<string, unknown>>): Promise<LinkAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    const fail = (why: string): void => reject(new DemoFailure(`The link at ${socketPath} does not obey: ${why}.`));
    socket.once("error", (error) => fail(messageOf(error)));
    socket.once("close", () => fail("it closed the connection"));
    createInterface({ input: socket })
      .on("error", () => {})
      .once("line", (line) => {
        const answer = JSON.parse(line) as LinkAnswer;
        if (answer.ok) resolve(answer);
        else fail(answer.error ?? "it does not say why");
        socket.destroy();
      });
    socket.write(`${JSON.stringify(command)}\n`);
  });
}
