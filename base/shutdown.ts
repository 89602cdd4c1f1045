type Step = () => void | Promise<void>;

/**
 * What has to be closed, in the reverse order of opening. Every step is tried, whatever the others do. A step that is
 * added after the closing began, because a start went on in the background, is run at once.
 */
export class Shutdown {
  readonly #steps: Step[] = [];
  readonly #failures: unknown[] = [];
  #running: Promise<void> | undefined;

  add(step: Step): void {
    if (this.#running === undefined) this.#steps.push(step);
    else void this.#try(step);
  }

  /** Runs once, however often it is called; throws the first failure when all steps were tried. */
  async run(): Promise<void> {
    await (this.#running ??= this.#runAll());
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  /** For a start that failed: closes what was opened. Never rejects, so that the cause of it all is what is thrown. */
  async abandon(onFailure: (error: unknown) => void): Promise<void> {
    await (this.#running ??= this.#runAll());
    for (const failure of this.#failures) onFailure(failure);
  }

  async #runAll(): Promise<void> {
    for (const step of this.#steps.toReversed()) await this.#try(step);
  }

  async #try(step: Step): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.#failures.push(error);
    }
  }
}
