import type { Row } from "../row.ts";
import type { SqlConnection } from "./connection.ts";
import { textLiteral } from "./literals.ts";
import { columnsOf } from "./schema.ts";
import { statementsOf } from "./statements.ts";
import { insertHead, latestTuple } from "./tuples.ts";

/** Statements that put each where it is newer than what stands there; harmless to repeat. */
export function latestStatements(newest: ReadonlyMap<number, Row>, bytesMax: number): Iterable<string> {
  // By number, so that two who write never wait for each other in a ring.
  const tuples = [...newest].toSorted(([one], [other]) => one - other).map(([id, row]) => latestTuple(row, id));
  return statementsOf(insertHead("paddock_latest"), tuples, bytesMax, WHERE_NEWER);
}

const IS_NEWER = ["newest_by", "log_offset", "part"].reduceRight(
  (rest, column) => `VALUES(${column})>${column}${rest === "" ? "" : ` OR VALUES(${column})=${column} AND (${rest})`}`,
  "",
);

/**
 * Assignments are done from left to right and see what was assigned before. The three that decide come last, the
 * weightiest at the end: once a lighter one is the new row's, the heavier ones decide the same as before.
 */
const WHERE_NEWER = ` ON DUPLICATE KEY UPDATE ${columnsOf("paddock_latest")
  .slice(1)
  .map((column) => `\`${column}\`=IF(${IS_NEWER},VALUES(\`${column}\`),\`${column}\`)`)
  .join(",")}`;

/**
 * Finds the newest row of a channel again, after rows of it were forgotten or dated. Reads from the end of the channel's
 * index: down to the first row that does not claim to come from after its arrival. A row before that one cannot be
 * newer, and the few behind it are compared.
 */
export async function rebuildLatest(connection: SqlConnection, channelId: number): Promise<void> {
  await connection.run(`DELETE FROM paddock_latest WHERE channel_id=${channelId}`);
  const ofChannel = `FROM paddock_readings WHERE channel_id=${channelId}`;
  const [honest] = await connection.run(`SELECT ts ${ofChannel} AND ts<=arrived ORDER BY ts DESC LIMIT 1`);
  // As a subquery it would make the server read all rows of the channel.
  const since = honest === undefined ? "" : ` AND ts>=${textLiteral(String(honest["ts"]))}`;
  const columns = columnsOf("paddock_latest").map((name) => `\`${name}\``);
  const selected = columns.map((name) => (name === "`newest_by`" ? "LEAST(ts,arrived)" : name));
  await connection.run(
    `INSERT INTO paddock_latest (${columns.join(",")}) SELECT ${selected.join(",")} ${ofChannel}${since} ORDER BY LEAST(ts,arrived) DESC,log_offset DESC,part DESC LIMIT 1`,
  );
}
