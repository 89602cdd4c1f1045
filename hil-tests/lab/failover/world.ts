import assert from "node:assert/strict";
import type { PathStatus } from "@paddock/gateway/status/status.ts";
import { eventually } from "../namespaces.ts";
import type { StepDefinition } from "./gherkin/vocabulary.ts";
import { happened, NEVER_HAPPENED } from "./happened.ts";
import type { StoryTeller } from "../story.ts";
import { Load, type LoadOptions, type SimulatorSummary } from "./load.ts";
import { UPLINKS, type Fault, type FaultName, type GatewayOptions, type IngressOptions } from "./target.ts";
import type { LoggedEvent, Rival, Segments, SettingName, SourceBy, Target, Uplink, Watch } from "./target.ts";

/** Generous: a busy machine is slow, and only a broken program never gets there. */
export const LIMIT_MS = 60_000;

/** As the steps name uplinks; resolved when the step is run. */
export type Which =
  | "the active uplink"
  | "the standby"
  | "that uplink"
  | "every uplink"
  | "every uplink but the active one"
  | Uplink;

/** A step that may break something. */
export type SettingStep = StepDefinition<World> & { readonly settings?: readonly SettingName[] };
export type FaultStep = StepDefinition<World> & { readonly faults?: readonly FaultName[] };

/** A path of the gateway; the target has no other ones. */
export type Path = PathStatus & { readonly name: Uplink };

/** One cut that BFD had to find. */
export interface Cut {
  readonly uplink: Uplink;
  /** When it held, Unix ms. */
  readonly atMs: number;
}

/** What the ledger said at the end. */
export interface Proof {
  readonly sentFile: string;
  readonly logFile: string;
  readonly summary: SimulatorSummary;
}

/** What the steps of one scenario share: the field, what was asked for, and what has happened. */
export class World {
  readonly target: Target;
  readonly story: StoryTeller;

  // What is asked for before anything runs.
  watch: Watch = "none";
  sourceBy: SourceBy = "address";
  delayable = false;
  rivalWanted = false;
  keyed = false;
  ingress: IngressOptions | undefined;
  alarmTwice = false;
  readonly budgets = new Map<Uplink, number>();
  readonly riskGroups = new Map<Uplink, string[]>();

  load: Load | undefined;
  framesPerS = 0;
  alarmsPerS = 0;
  rival: Rival | undefined;
  /** When the load was under way, Unix ms. */
  loadSinceMs = Number.POSITIVE_INFINITY;
  /** The newest thing that was done to an uplink, Unix ms. */
  changedAtMs = 0;
  /** What the gateway's kernel counted when the last fault held, and when the sensors ended. */
  segmentsAtFault: Segments | undefined;
  segmentsAtEnd: Segments | undefined;
  readonly cuts: Cut[] = [];
  proof: Proof | undefined;
  /** Records that went over each uplink when the fault had its effect, before all was made whole for the proof. */
  readonly sentRecords = new Map<Uplink, number>();
  #that: Uplink | undefined;
  readonly #broken = new Map<Uplink, Fault>();
  /** Packets that each fault has touched, on all uplinks that it was done to. */
  readonly #touched = new Map<Fault, number>();
  #sensorsFile: string | undefined;

  constructor(target: Target, story: StoryTeller) {
    this.target = target;
    this.story = story;
  }

  /** Starts everything as asked for, waits until every uplink is usable, and lets the sensors send. */
  async start(options: Omit<LoadOptions, "keyed">): Promise<void> {
    const { target } = this;
    this.load = new Load(target, { ...options, keyed: this.keyed });
    this.framesPerS = options.framesPerS;
    this.alarmsPerS = options.alarmsPerS;
    this.#sensorsFile = await this.load.prepare();
    if (this.delayable) await target.makeDelayable();
    await target.startCollector();
    if (this.ingress !== undefined) await target.startIngress(this.ingress);
    await this.startGateway();
    if (this.rivalWanted) {
      assert.ok(this.watch !== "none", "nothing is watched that FRR could watch as well");
      this.rival = await target.startRival(this.watch);
    }
    await this.everyUplinkUsable();
    this.load.start();
    await this.framesArrive();
    this.loadSinceMs = Date.now();
    this.story.at("sensors send");
  }

  async startGateway(): Promise<void> {
    const options: GatewayOptions = {
      watch: this.watch,
      sourceBy: this.sourceBy,
      budgets: this.budgets,
      riskGroups: this.riskGroups,
      alarmTwice: this.alarmTwice,
      ...(this.#sensorsFile === undefined ? {} : { sensorsFile: this.#sensorsFile }),
    };
    await this.target.startGateway(options);
  }

  /** Half a second's worth of frames went over the active uplink. */
  async framesArrive(): Promise<void> {
    await eventually("frames arrive", async () => (await this.carrier()).sentRecords > this.framesPerS / 2, LIMIT_MS);
  }

  /** Every session is open, every watcher content, and one uplink carries traffic. */
  async everyUplinkUsable(): Promise<void> {
    await eventually(
      "every uplink is usable",
      async () => {
        const { uplinks } = await this.target.gatewayReport();
        return uplinks.active !== null && uplinks.paths.every(isUsable);
      },
      LIMIT_MS,
    );
  }

  /** Waits until they have a session and BFD says Up. */
  async becomeUsable(which: Which): Promise<void> {
    for (const uplink of await this.uplinks(which)) {
      await eventually(`${uplink} is usable`, async () => isUsable(await this.path(uplink)), LIMIT_MS);
    }
  }

  /** The uplink that carries traffic now. Throws when none does. */
  async carrier(): Promise<Path> {
    const { uplinks } = await this.target.gatewayReport();
    const active = uplinks.paths.find(({ name }) => name === uplinks.active);
    assert.ok(active !== undefined, "no uplink carries traffic");
    return active as Path;
  }

  async path(uplink: Uplink): Promise<Path> {
    const { uplinks } = await this.target.gatewayReport();
    return uplinks.paths.find(({ name }) => name === uplink) as Path;
  }

  /** Which ones are meant; a single one is `that uplink` from then on. */
  async uplinks(which: Which): Promise<readonly Uplink[]> {
    if (which === "every uplink") return UPLINKS;
    if (isUplink(which)) {
      this.#that = which;
      return [which];
    }
    const { uplinks } = await this.target.gatewayReport();
    if (which === "every uplink but the active one") return UPLINKS.filter((uplink) => uplink !== uplinks.active);
    const { active, standby } = uplinks;
    const one = { "the active uplink": active, "the standby": standby, "that uplink": this.#that }[which];
    assert.ok(one !== null && one !== undefined, `there is none that is ${which}`);
    this.#that = one as Uplink;
    return [this.#that];
  }

  async uplink(which: Which): Promise<Uplink> {
    const [one, ...others] = await this.uplinks(which);
    assert.equal(others.length, 0, `one uplink is needed, and ${which} is several`);
    return one!;
  }

  /** The uplink that a step before was about. */
  get that(): Uplink {
    assert.ok(this.#that !== undefined, "no step before names an uplink");
    return this.#that;
  }

  async breakUplinks(which: Which, fault: Fault, words: string): Promise<void> {
    assert.ok(this.load?.running, "no sensor sends: a fault without load proves little");
    const broken = await this.uplinks(which);
    for (const uplink of broken) {
      await this.#heal(uplink);
      this.#broken.set(uplink, fault);
      this.changedAtMs = await this.target.breakUplink(uplink, fault);
      this.story.at(`fault: ${uplink} ${words}`, this.changedAtMs);
    }
    // All of them are broken before the first one is asked, as a scenario may need them to fail at once.
    this.segmentsAtFault = await this.target.segments();
    const touched = async (uplink: Uplink) => (await this.target.touchedBy(uplink)) > 0;
    if (fault.kind === "mtu") {
      // An uplink that carries no traffic has no large packets.
      await happened(`${which} ${words}`, async () => (await Promise.all(broken.map(touched))).includes(true));
    } else {
      for (const uplink of broken) await happened(`${uplink} ${words}`, () => touched(uplink));
    }
  }

  /** Makes everything whole; throws when a fault of the scenario never touched a packet, as then nothing was tested. */
  async everyFaultWasReal(): Promise<void> {
    for (const uplink of UPLINKS) await this.#heal(uplink);
    for (const [fault, packets] of this.#touched) {
      assert.ok(packets > 0, `${NEVER_HAPPENED}: ${JSON.stringify(fault)} touched no packet`);
      this.story.figure(`packets that a fault touched (${fault.kind})`, String(packets));
    }
  }

  async #heal(uplink: Uplink): Promise<void> {
    const packets = await this.target.healUplink(uplink);
    const fault = this.#broken.get(uplink);
    if (packets === undefined || fault === undefined) return;
    this.#touched.set(fault, (this.#touched.get(fault) ?? 0) + packets);
  }

  async healUplinks(which: Which): Promise<void> {
    for (const uplink of await this.uplinks(which)) {
      await this.#heal(uplink);
      this.story.at(`${uplink} is whole again`);
    }
  }

  /** How the uplink was broken last. */
  faultOf(uplink: Uplink): Fault {
    const fault = this.#broken.get(uplink);
    assert.ok(fault !== undefined, `${uplink} was never broken`);
    return fault;
  }

  /** Log events of the gateway since the sensors send. */
  eventsUnderLoad(name: string): readonly LoggedEvent[] {
    return this.target.gatewayEvents(name).filter(({ atMs }) => atMs >= this.loadSinceMs);
  }

  /** Waits until the collector has confirmed everything that the gateway took. */
  async drained(): Promise<void> {
    await eventually(
      "the gateway's buffer is confirmed to the last frame",
      async () => (await this.target.gatewayReport()).pendingRecords === 0,
      LIMIT_MS,
    );
  }

  /** Adds what the gateway logged about its paths to the story. */
  tellEvents(): void {
    for (const { atMs, event, fields } of this.target.gatewayEvents()) {
      const words = wordsOf(event, fields);
      if (words !== undefined) this.story.at(words, atMs);
    }
  }
}

function isUplink(which: Which): which is Uplink {
  return (UPLINKS as readonly string[]).includes(which);
}

export function isUsable({ session, liveness, watch }: PathStatus): boolean {
  return session === "open" && (watch === null || liveness === "up");
}

function wordsOf(event: string, fields: Readonly<Record<string, unknown>>): string | undefined {
  const text = (key: string) => (typeof fields[key] === "string" ? fields[key] : "nothing");
  switch (event) {
    case "path-switch":
      return `traffic goes from ${text("from")} to ${text("to")}: ${text("why")}`;
    case "path-liveness":
      return `${text("path")} is ${text("liveness")}: ${text("why")}`;
    case "path-source":
      return `${text("path")} sends from ${text("source")}: ${text("why")}`;
    case "path-watch-pace":
      return `the watcher of ${text("path")} is ${text("pace") === "slow" ? "slow" : "as fast as configured"}`;
    case "bfd-speaker-gone":
      return "the BFD speaker is gone";
    case "bfd-speaker-connected":
      return "the BFD speaker is connected";
    default:
      return undefined;
  }
}
