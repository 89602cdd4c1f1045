import { fileURLToPath } from "node:url";
import { formatCount } from "@paddock/gateway/cli/format.ts";
import { readScenario } from "@paddock/sensor-sim/scenario/load.ts";
import type { Children } from "./children.ts";
import { DemoFailure } from "./demo-failure.ts";
import type { DemoFiles } from "./files.ts";
import { LiveView } from "./live-view.ts";
import type { DemoOptions } from "./options.ts";
import { prove } from "./proof.ts";
import type { Screen } from "./screen.ts";
import { setStage } from "./stage.ts";
import { StatusFeed } from "./status-feed.ts";
import { Story } from "./story.ts";
import { conclude, introduce, invite } from "./words.ts";

const SCENARIO = fileURLToPath(new URL("scenario.json", import.meta.url));
const CUT_AT = 1 / 3;
/** Early enough that the gateway, which waits ten seconds, is back on the healed path before the end of a full run. */
const HEAL_AT = 1 / 2;
/** Limits end what hangs, not what is slow. */
const FIRST_FRAME_MS = 60_000;
const DRAIN_MS = 120_000;
/** Seconds that the sensors wait for their last answers. */
const ANSWERS_S = 60;

/** An hour in all: the files that grow meanwhile stay below a gigabyte. */
const LATER = ["--speed", "0.25", "--duration", "15min"];

export interface Props {
  readonly options: DemoOptions;
  readonly files: DemoFiles;
  readonly children: Children;
  readonly screen: Screen;
  /** The demo is over. */
  readonly signal: AbortSignal;
}

/**
 * The whole play; `onVerdict` hears whether the proof passed. Afterwards the sensors go on when the options say to stay.
 * Throws DemoFailure when something breaks.
 */
export async function perform(props: Props, onVerdict: (passed: boolean) => void): Promise<void> {
  const { options, files, children, screen, signal } = props;
  const { scenario } = await readScenario(SCENARIO);
  const sensors = scenario.fleets.reduce((sum, { count }) => sum + count, 0);
  const cutAtS = options.seconds * CUT_AT;
  introduce(screen, options, files, sensors, cutAtS);

  let startedAtMs: number | undefined;
  const elapsedS = (): number => (startedAtMs === undefined ? 0 : (performance.now() - startedAtMs) / 1000);
  const feed = new StatusFeed(files.statusSocket, signal);
  const story = new Story(screen, feed, files, elapsedS, signal);
  const { gatewayPort } = await setStage(children, files, (event) => story.gatewayEvent(event));
  void feed.run();

  const view = new LiveView(screen, options.seconds);
  const sent = sendFrames(children, files, gatewayPort, options);
  sent.catch(() => {});
  await feed.until(({ status }) => status.ingest.receivedDatagrams > 0, FIRST_FRAME_MS, "The first frame");
  startedAtMs = performance.now();
  feed.onStatus((status) => view.show(status, elapsedS(), story.cut));
  const cut = await story.play(cutAtS, options.seconds * HEAL_AT);
  const frames = await sent;
  const last = await feed.until(
    ({ status: { buffer } }) => buffer.pendingRecords === 0,
    DRAIN_MS,
    "The collector's receipt for every frame",
  );
  feed.stop();
  view.show(last, elapsedS(), story.cut, { now: true });
  screen.keepPanel();
  screen.say(
    `\nThe sensors are done, and the collector signed for everything. Now the proof of ${formatCount(frames)} frames ...`,
  );
  const checks = await prove(children, files, cut.cutWallMs);
  onVerdict(conclude(screen, checks, cut, frames, view.waitedMost));
  if (options.stay) await stay(props, gatewayPort);
}

/** After the proof the sensors go on, until the demo is ended. */
async function stay({ options, files, children, screen }: Props, gatewayPort: number): Promise<void> {
  invite(screen, files);
  await children.run("sensors", "sim", [...simArgs(gatewayPort, options.seed + 1), ...LATER, "--out", files.sentLater]);
}

async function sendFrames(
  children: Children,
  files: DemoFiles,
  gatewayPort: number,
  options: DemoOptions,
): Promise<number> {
  const { stdout, lastLines } = await children.run("sensors", "sim", [
    ...simArgs(gatewayPort, options.seed),
    "--speed",
    String(options.speed),
    // In the sensors' own time.
    "--duration",
    `${Math.round(options.seconds * 1000 * options.speed)}ms`,
    "--drain",
    `${ANSWERS_S}s`,
    "--out",
    files.sent,
    "--json",
  ]);
  if (stdout === "") throw new DemoFailure(`The sensors could not send. ${lastLines.join(" ")}`);
  return (JSON.parse(stdout) as { readonly frames: number }).frames;
}

function simArgs(gatewayPort: number, seed: number): string[] {
  return ["run", SCENARIO, "--seed", String(seed), "--target", `[::1]:${gatewayPort}`, "--clock", "now"];
}
