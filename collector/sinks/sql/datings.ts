import type { Dating } from "../row.ts";
import type { SqlConnection } from "./connection.ts";
import { rebuildLatest } from "./latest.ts";
import { textLiteral } from "./literals.ts";

/** A boot without a clock may have been long, and all its rows are dated in one act. */
const DATING_MS = 3_600_000;

/** The datings of all chunks that were kept, in the order in which they were learned. */
export async function knownDatings(connection: SqlConnection): Promise<readonly Dating[]> {
  const rows = await connection.run("SELECT gateway, boot, zero_us FROM paddock_datings ORDER BY log_offset, boot");
  return rows.map(({ gateway, boot, zero_us }) => ({
    gateway: String(gateway),
    boot: Number(boot),
    zeroUs: Number(zero_us),
  }));
}

/** Keeps a dating that the chunk at log offset `from` learned, and dates the rows of its boot that were kept before. */
export async function dateRows(connection: SqlConnection, dating: Dating, from: number): Promise<void> {
  const { gateway, boot, zeroUs } = dating;
  const name = textLiteral(gateway);
  await connection.run(
    `INSERT INTO paddock_datings (gateway,boot,zero_us,log_offset) VALUES (${name},${boot},${zeroUs},${from}) ON DUPLICATE KEY UPDATE gateway=gateway`,
  );
  const ofBoot = `u.gateway=${name} AND u.boot=${boot}`;
  const joined = "paddock_readings r JOIN paddock_undated u ON r.log_offset=u.log_offset AND r.part=u.part";
  const channels = await connection.run(`SELECT DISTINCT r.channel_id AS id FROM ${joined} WHERE ${ofBoot}`, {
    timeoutMs: DATING_MS,
  });
  if (channels.length === 0) return;
  // Such a row stands at its arrival, or as far before as the sensor said: that distance stays.
  const arrivedUs = "TIMESTAMPDIFF(MICROSECOND,'1970-01-01 00:00:00',r.arrived)";
  await connection.run(
    `UPDATE ${joined} SET r.ts=r.ts+INTERVAL (${zeroUs}+CAST(r.monotonic_us AS SIGNED)-${arrivedUs}) MICROSECOND, r.time_by='gateway', r.clock='dated' WHERE ${ofBoot} AND r.time_by='collector'`,
    { timeoutMs: DATING_MS },
  );
  await connection.run(`DELETE u FROM paddock_undated u WHERE ${ofBoot}`, { timeoutMs: DATING_MS });
  for (const { id } of channels) await rebuildLatest(connection, Number(id));
}
