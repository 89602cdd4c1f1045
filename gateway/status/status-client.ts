import { connect } from "node:net";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { onLines } from "./lines.ts";
import type { Answers, RequestName, Requests, Response } from "./status-protocol.ts";

/** Verifying a long chain takes its time; everything else answers at once. */
const ANSWER_MS = 600_000;

/** Asks a running gateway, and waits `answerMs` for what it says. Throws STATUS_UNREACHABLE when nobody serves the socket, USAGE when it refuses the request. */
export async function askGateway<Name extends RequestName>(
  path: string,
  request: Requests[Name],
  answerMs = ANSWER_MS,
): Promise<Answers[Name]> {
  const line = await exchange(path, JSON.stringify(request), answerMs);
  const response = JSON.parse(line) as Response<Answers[Name]>;
  if (!response.ok) throw new PaddockError("USAGE", response.message);
  return response.value;
}

function exchange(path: string, line: string, answerMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const fail = (why: string, cause?: unknown) => {
      socket.destroy();
      reject(new PaddockError("STATUS_UNREACHABLE", `${path}: ${why}.`, { cause }));
    };
    socket.setTimeout(answerMs, () => fail(`no answer in ${answerMs / 1000} s`));
    socket.on("error", (error) => fail(messageOf(error), error));
    socket.on("connect", () => socket.write(`${line}\n`));
    onLines(socket, Infinity, (answer) => {
      resolve(answer);
      socket.destroy();
    });
    socket.on("close", () => fail("closed without an answer"));
  });
}
