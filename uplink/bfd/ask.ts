import { connect } from "node:net";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import type { ControlResponse } from "./control-protocol.ts";
import { ANSWER_BYTES_MAX, onJsonLines, writeJsonLine } from "./json-lines.ts";
import type { SpeakerEvent, SpeakerReport } from "./speaker-events.ts";

/**
 * Asks a running speaker for its report. With `onEvent`, then hands on its events until the connection ends. Throws
 * STATUS_UNREACHABLE.
 */
export function askSpeaker(path: string, onEvent?: (event: SpeakerEvent) => void): Promise<SpeakerReport> {
  return new Promise((settle, fail) => {
    const socket = connect(path);
    let report: SpeakerReport | undefined;
    const unreachable = (detail: string, cause?: unknown): void =>
      fail(new PaddockError("STATUS_UNREACHABLE", `${path}: ${detail}.`, { cause }));
    socket.on("error", (error) => unreachable(messageOf(error), error));
    socket.on("close", () =>
      report === undefined ? unreachable("the speaker closed the connection") : settle(report),
    );
    socket.on("connect", () => writeJsonLine(socket, { id: 1, do: onEvent === undefined ? "list" : "subscribe" }));
    onJsonLines(socket, ANSWER_BYTES_MAX, (message) => {
      const line = message as ControlResponse | SpeakerEvent;
      if ("event" in line) {
        onEvent?.(line);
        return;
      }
      if (!line.ok) return unreachable(line.message);
      report = line.result as SpeakerReport;
      if (onEvent === undefined) socket.end();
    });
  });
}
