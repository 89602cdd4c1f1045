import type { SourceBy, Watch } from "../target.ts";
import type { SettingStep, Which } from "../world.ts";

const KILOBYTE = 1000;

/** What there is before anything happens. The step that lets the sensors send is the last of them: it starts everything. */
export const SETUP_STEPS: readonly SettingStep[] = [
  {
    words: "BFD watches every uplink at {pace}",
    does: "Seamless BFD end to end on each path.",
    run: (world, watch: Exclude<Watch, "none">) => void (world.watch = watch),
  },
  {
    words: "nothing watches the uplinks",
    does: "No BFD: only receipts tell whether a path works.",
    run: (world) => void (world.watch = "none"),
  },
  {
    words: "FRR watches every uplink as well",
    does: "FRR's bfdd beside our speaker: multihop, same interval, multiplier and priority. Its verdicts are only compared.",
    run: (world) => void (world.rivalWanted = true),
  },
  {
    words: "the paths are configured by {naming}",
    does: "How the gateway's configuration names the source of its paths. Without this step by address.",
    run: (world, sourceBy: SourceBy) => void (world.sourceBy = sourceBy),
  },
  {
    words: "{uplinks} is/are paid by volume, {int} kB a month",
    does: "A metered path. With 0 its budget is used up from the start.",
    settings: ["metered"],
    run: async (world, which: Which, kilobytes: number) => {
      for (const uplink of await world.uplinks(which)) world.budgets.set(uplink, kilobytes * KILOBYTE);
    },
  },
  {
    words: "{uplinks} and {uplinks} would fail together",
    does: "Both paths are in one risk group.",
    settings: ["risk-groups"],
    run: async (world, left: Which, right: Which) => {
      const pair = [await world.uplink(left), await world.uplink(right)] as const;
      const group = pair.join(" and ");
      for (const uplink of pair) world.riskGroups.set(uplink, [...(world.riskGroups.get(uplink) ?? []), group]);
    },
  },
  {
    words: "alarms leave over two uplinks at once",
    does: "`forward.alarmTwice`.",
    settings: ["alarm-twice"],
    run: (world) => void (world.alarmTwice = true),
  },
  {
    words: "packets can be held back on every uplink",
    does: "Puts a relay into each provider's router, transparently. Needed before round trips can be made longer.",
    run: (world) => void (world.delayable = true),
  },
  {
    words: "sensors number their frames",
    does: "Keyed sensors (COSE): a gateway that lost its memory still knows a copy.",
    run: (world) => void (world.keyed = true),
  },
  {
    words: "sensors send {int} frames per second",
    does: "Starts collector, gateway and sensors; goes on when every uplink is usable and frames arrive. Confirmable frames, repeated until they are answered. PADDOCK_HIL_FRAMES_PER_S overrides 10000.",
    run: (world, framesPerS: number) => world.start({ framesPerS: loadOf(framesPerS), alarmsPerS: 0 }),
  },
  {
    words: "sensors send {int} frames and {int} alarms per second",
    does: "The same, with frames in the alarm lane besides.",
    run: (world, framesPerS: number, alarmsPerS: number) => world.start({ framesPerS, alarmsPerS }),
  },
];

const FULL_LOAD = 10_000;

/** Only the full load is for machines to be measured with; the others are as large as their scenario needs. */
function loadOf(framesPerS: number): number {
  const asked = process.env["PADDOCK_HIL_FRAMES_PER_S"];
  return asked === undefined || framesPerS !== FULL_LOAD ? framesPerS : Number(asked);
}
