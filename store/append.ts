import { planAppend, refused } from "./append-plan.ts";
import { trimLargest } from "./release.ts";
import type { StoreCore } from "./store-core.ts";
import type { StoreWrite, WriteOutcome } from "./types.ts";
import type { WriteGroup } from "./write-group.ts";

/** One append: planned, given room by trimming when it needs some, and made part of the group; or refused. */
export async function prepareAppend(core: StoreCore, group: WriteGroup, write: StoreWrite): Promise<WriteOutcome> {
  const ports = core.planningPorts(group);
  const makesRoom = (write.evict?.length ?? 0) > 0;
  const side = await core.side.plan(group, write.side ?? []);
  let plan = await planAppend(write, ports);
  if (!plan.ok) return plan;
  const growth = plan.growth + side.growth;
  const excess = core.space.quotaExcess(growth, makesRoom);
  if (growth > 0 && (await trimAtLeast(core, group, excess))) {
    plan = await planAppend(write, ports);
    if (!plan.ok) return plan;
  }
  const full = core.space.refusal(plan.growth + side.growth, plan.written + side.written, makesRoom);
  if (full !== undefined) {
    core.counters.refusedFull++;
    return { ...refused("full", full.detail), shortage: full.shortage };
  }
  return { ok: true, value: core.applyAppend(group, plan, side, write) };
}

/** Trims from the chain with the most to trim until so much is free; false when nothing was, or `bytes` is 0 or less. */
async function trimAtLeast(core: StoreCore, group: WriteGroup, bytes: number): Promise<boolean> {
  let freed = 0;
  while (freed < bytes) {
    const chunk = await trimLargest(core, group, bytes - freed);
    if (chunk.batches === 0) break;
    freed += chunk.bytes;
  }
  return freed > 0;
}
