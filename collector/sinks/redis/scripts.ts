/**
 * What runs inside Redis, each as one act. A client sends a command again whose connection died, also when it had run:
 * so each is told the place that it begins at, and does nothing twice.
 */

/**
 * KEYS: the place, then hashes. ARGV: the place to find there, the place to leave there (empty: as it is), then for each
 * hash its order and its number of fields, names and values. Answers what the place was.
 */
export const WRITE_SCRIPT = `
local place = redis.call('GET', KEYS[1]) or ''
if place ~= ARGV[1] then return place end
local at = 3
for i = 2, #KEYS do
  local order = redis.call('HGET', KEYS[i], 'order')
  local count = tonumber(ARGV[at + 1])
  if not order or order < ARGV[at] then
    redis.call('HSET', KEYS[i], 'order', ARGV[at], unpack(ARGV, at + 2, at + 1 + count))
  end
  at = at + 2 + count
end
if ARGV[2] ~= '' then redis.call('SET', KEYS[1], ARGV[2]) end
return place
`;

/** KEYS: hashes. ARGV: a log offset in 16 digits. Deletes those that a record from there on has written. */
export const FORGET_SCRIPT = `
local gone = 0
for i = 1, #KEYS do
  local order = redis.call('HGET', KEYS[i], 'order')
  if order and string.sub(order, -23, -8) >= ARGV[1] then gone = gone + redis.call('DEL', KEYS[i]) end
end
return gone
`;
