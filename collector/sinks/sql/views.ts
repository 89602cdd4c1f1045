/**
 * What people and old software read. A true is 1 and a false is 0 where a shape knows numbers alone; readings that are
 * neither number nor boolean are in the first two only. Times as numbers are made with TIMESTAMPDIFF: UNIX_TIMESTAMP takes
 * a DATETIME for one of the reader's own time zone. They are cut before they are divided: MySQL rounds a quotient to four
 * digits before FLOOR sees it, and the last 50 us of a second were the next one's.
 */
const MICROSECONDS = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', r.ts)";
const MILLISECONDS = `(${MICROSECONDS} - MICROSECOND(r.ts) MOD 1000) DIV 1000`;
const SECONDS = `(${MICROSECONDS} - MICROSECOND(r.ts)) DIV 1000000`;
const NUMBER = "COALESCE(r.value, r.flag)";
const NUMBERS = "paddock_readings r WHERE (r.value IS NOT NULL OR r.flag IS NOT NULL)";
const NAMED = "c.gateway, c.source, c.name, c.unit, c.measurement";

export const VIEWS = {
  paddock_readings_named: `SELECT ${NAMED}, r.* FROM paddock_readings r JOIN paddock_channels c ON c.id = r.channel_id`,
  paddock_latest_named: `SELECT ${NAMED}, l.* FROM paddock_latest l JOIN paddock_channels c ON c.id = l.channel_id`,
  /** volkszaehler's `data` and `entities`. */
  paddock_vz_data: `SELECT r.id, r.channel_id, ${MILLISECONDS} AS \`timestamp\`, ${NUMBER} AS value FROM ${NUMBERS}`,
  paddock_vz_entities: `SELECT c.id, ${uuid("c.channel_key")} AS uuid, 'universalsensor' AS type, 'channel' AS class, c.name AS title, c.unit AS unit FROM paddock_channels c`,
  /** emoncms: its list of feeds, and all of its `feed_N` in one, with `feedid` for N. */
  paddock_emoncms_feeds: `SELECT c.id, c.name, c.source AS tag, c.unit, ${SECONDS} AS \`time\`, ${NUMBER} AS value FROM paddock_channels c JOIN paddock_latest r ON r.channel_id = c.id`,
  paddock_emoncms_data: `SELECT r.channel_id AS feedid, ${SECONDS} AS \`time\`, ${NUMBER} AS data FROM ${NUMBERS}`,
  /** Zabbix's `history`. */
  paddock_zabbix_history: `SELECT r.channel_id AS itemid, ${SECONDS} AS clock, ${NUMBER} AS value, MICROSECOND(r.ts) * 1000 AS ns FROM ${NUMBERS}`,
  /** What people write themselves. */
  paddock_sensor_data: `SELECT r.id, r.channel_id AS sensor_id, r.ts AS created_at, ${NUMBER} AS value FROM ${NUMBERS}`,
} as const;

/** A UUID of version 8 (RFC 9562 §5.8) from the first 128 bits of the key, in the same place in every rebuild. */
function uuid(key: string): string {
  const hex = `LOWER(HEX(${key}))`;
  const parts = [
    `SUBSTR(${hex}, 1, 8)`,
    `SUBSTR(${hex}, 9, 4)`,
    `CONCAT('8', SUBSTR(${hex}, 14, 3))`,
    `CONCAT('8', SUBSTR(${hex}, 18, 3))`,
    `SUBSTR(${hex}, 21, 12)`,
  ];
  return `CONCAT_WS('-', ${parts.join(", ")})`;
}
