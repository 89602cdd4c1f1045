import { clearScreenDown, cursorTo, moveCursor } from "node:readline";
import { styleText } from "node:util";
import type { WriteStream } from "node:tty";

export type Tone = "strong" | "good" | "bad" | "quiet";

/** A line to show; plain text, so that it can be cut to the width of the terminal. */
export interface Line {
  readonly text: string;
  readonly tone?: Tone | undefined;
}

const FORMATS = { strong: "bold", good: "green", bad: "red", quiet: "gray" } as const;
/** Without a terminal, the state is told this often. */
const PLAIN_MS = 1000;

/**
 * Where the demo speaks. On a terminal what is said scrolls, and below it stands a panel that is redrawn in place;
 * elsewhere the panel is one line a second.
 */
export class Screen {
  readonly #out: NodeJS.WriteStream;
  #panelLines = 0;
  #plainAtMs = 0;
  #closed = false;

  constructor(out: NodeJS.WriteStream = process.stdout) {
    this.#out = out;
    // A reader that goes away, such as head, must not end the demo before it has cleaned up.
    out.on("error", () => (this.#closed = true));
  }

  /** Says something that stays. */
  say(text: string, tone?: Tone): void {
    this.#erase();
    this.#write(`${paint({ text, tone })}\n`);
  }

  /** Shows the state of things: `panel` on a terminal, `plain` elsewhere. */
  show(panel: readonly Line[], plain: string, nowMs: number): void {
    if (isTerminal(this.#out)) {
      this.#erase();
      const width = Math.max(20, this.#out.columns - 1);
      const most = Math.max(1, this.#out.rows - 1);
      const shown = panel.slice(0, most);
      this.#write(shown.map(({ text, ...rest }) => `${paint({ text: text.slice(0, width), ...rest })}\n`).join(""));
      this.#panelLines = shown.length;
    } else if (nowMs - this.#plainAtMs >= PLAIN_MS) {
      this.#plainAtMs = nowMs;
      this.#write(`${plain}\n`);
    }
  }

  /** Leaves the panel as it is; what is said next stands below it. */
  keepPanel(): void {
    this.#panelLines = 0;
  }

  #erase(): void {
    if (this.#panelLines === 0 || !isTerminal(this.#out)) return;
    moveCursor(this.#out, 0, -this.#panelLines);
    cursorTo(this.#out, 0);
    clearScreenDown(this.#out);
    this.#panelLines = 0;
  }

  #write(text: string): void {
    if (!this.#closed) this.#out.write(text);
  }
}

function isTerminal(out: NodeJS.WriteStream): out is WriteStream {
  return out.isTTY;
}

/** Colours only where the terminal takes them (NO_COLOR, FORCE_COLOR, redirection). */
function paint({ text, tone }: Line): string {
  return tone === undefined ? text : styleText(FORMATS[tone], text, { stream: process.stdout });
}
