import { parseArgs } from "node:util";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";

export interface DemoOptions {
  readonly seed: number;
  /** How long the sensors send, in seconds. */
  readonly seconds: number;
  /** How fast they send: times what they would send by themselves. */
  readonly speed: number;
  /** Keep everything running after the proof. */
  readonly stay: boolean;
}

export const HELP = `npm start -- [--seconds N] [--speed N] [--seed N] [--stay]

  --seconds N   how long the sensors send (25); the proof takes a few seconds more
  --speed N     how fast they send, from 0.05 to 1 (1); less for a small machine
  --seed N      decides every byte that the sensors send (1)
  --stay        after the proof, keep sending and keep everything running for exploring, until ctrl-C

Exit code: 0 when the proof passes, 1 when it does not, and after ctrl-C before the proof.
`;

/** The story needs time for the cut and for what follows. */
const SECONDS_MIN = 4;
const SECONDS_MAX = 45;
/** Slower than that, there may be too few frames behind the cut to show anything. */
const SPEED_MIN = 0.05;

/** Undefined when help is wanted. Throws USAGE. */
export function readOptions(argv: readonly string[]): DemoOptions | undefined {
  const { values } = parse(argv);
  if (values.help) return undefined;
  return {
    speed: speedOf(values.speed),
    seed: whole(values.seed, "--seed", 0, 0xffff_fffe),
    seconds: whole(values.seconds, "--seconds", SECONDS_MIN, SECONDS_MAX),
    stay: values.stay,
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        help: { type: "boolean", short: "h", default: false },
        seconds: { type: "string", default: "25" },
        speed: { type: "string", default: "1" },
        seed: { type: "string", default: "1" },
        stay: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    throw new PaddockError("USAGE", `${messageOf(error)}.`);
  }
}

function whole(text: string, option: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new PaddockError("USAGE", `${option} ${text} is not a whole number from ${min} to ${max}.`);
}

function speedOf(text: string): number {
  const speed = Number(text);
  if (speed >= SPEED_MIN && speed <= 1) return speed;
  throw new PaddockError("USAGE", `--speed ${text} is not a number from ${SPEED_MIN} to 1.`);
}
