import type { PlannedEviction } from "@paddock/store/eviction-policy.ts";
import type { LaneWriter } from "./lane-writer.ts";
import type { CommitStore } from "./ports.ts";
import type { RoomBargain } from "./room-bargain.ts";
import { victims } from "./victim-lanes.ts";

export interface RoomMakerOptions {
  readonly store: CommitStore;
  /** By lane. */
  readonly writers: readonly LaneWriter[];
  /** Payload bytes that one eviction frees at least. */
  readonly evictionBytesMin: number;
}

/** Makes room in a full store: what is acknowledged goes first, then whose turn it is gives up its oldest payloads. */
export class RoomMaker {
  readonly #options: RoomMakerOptions;

  constructor(options: RoomMakerOptions) {
    this.#options = options;
  }

  /** For `asking`, which needs `bytes`: what to evict in its own write, `freed` (try again) or `none`. */
  async makeRoom(asking: RoomBargain, bytes: number): Promise<readonly PlannedEviction[] | "freed" | "none"> {
    const { store, writers, evictionBytesMin } = this.#options;
    if ((await store.trim()) > 0) return "freed";
    const bytesByLane = writers.map(({ sealer }) =>
      sealer.chains().reduce((sum, chain) => sum + (store.chain(chain)?.bytes ?? 0), 0),
    );
    const settings = writers.map((writer) => writer.settings);
    const wanted = Math.max(bytes, evictionBytesMin);
    const lane = writers.findIndex(({ room }) => room === asking);
    for (const victim of victims(writers[lane]!.sealer.chain.lane, bytesByLane, settings)) {
      const { room, sealer } = writers[victim]!;
      if (room === asking) {
        const plan = await store.evictPlan(sealer.chains(), wanted);
        if (plan.length > 0) return plan;
      } else if (await asking.askOther(room, wanted)) return "freed";
    }
    return "none";
  }
}
