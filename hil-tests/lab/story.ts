import { appendFileSync } from "node:fs";

/** The file to which scenarios add what happened in them, for the report; unset outside of `npm run hil`. */
export const STORY_FILE_VARIABLE = "PADDOCK_HIL_STORIES";

export interface StoryEvent {
  readonly atMs: number;
  readonly what: string;
}

/** Where a scenario is written, and its words. */
export interface StorySource {
  /** From the room of the lab. */
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

/** What one scenario did and measured. */
export interface Story {
  /** The name of its test. */
  readonly scenario: string;
  /** Of a scenario in plain words. */
  readonly source?: StorySource;
  /** Measured values with their unit, as people read them. */
  readonly figures: Readonly<Record<string, string>>;
  /** In order of time, Unix ms. */
  readonly timeline: readonly StoryEvent[];
}

/** Keeps what happens in one scenario; `tell` hands it to the report. */
export class StoryTeller {
  readonly #scenario: string;
  readonly #source: StorySource | undefined;
  readonly #figures: Record<string, string> = {};
  readonly #timeline: StoryEvent[] = [];

  constructor(scenario: string, source?: StorySource) {
    this.#scenario = scenario;
    this.#source = source;
  }

  at(what: string, atMs = Date.now()): void {
    this.#timeline.push({ atMs, what });
  }

  figure(name: string, value: string): void {
    this.#figures[name] = value;
  }

  /** To the report, and to `show` for whoever watches the run. */
  tell(show: (line: string) => void): void {
    const timeline = this.#timeline.toSorted((a, b) => a.atMs - b.atMs);
    const story: Story = {
      scenario: this.#scenario,
      ...(this.#source === undefined ? {} : { source: this.#source }),
      figures: this.#figures,
      timeline,
    };
    for (const [name, value] of Object.entries(this.#figures)) show(`${name}: ${value}`);
    const file = process.env[STORY_FILE_VARIABLE];
    if (file !== undefined) appendFileSync(file, `${JSON.stringify(story)}\n`);
  }
}
