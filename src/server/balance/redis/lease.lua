-- Takes up to ARGV[3] tokens of the bucket KEYS[1], which gains one in ARGV[1] microseconds and holds ARGV[2].
-- Returns how many were taken and, if none was, in how many microseconds there is one.
--
-- The bucket is one number, the moment at which it is full again (the "theoretical arrival time" of GCRA, ITU-T I.371): what is
-- missing is the time until then. So it expires by itself when it is full, which is what a bucket that is not there is. The clock is Redis's.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local step, depth, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
-- A clock that was set back does not make anyone wait longer than an empty bucket does.
full = math.min(full, now + depth * step)
local level = depth - (full - now) / step
local taken = math.max(0, math.min(wanted, math.floor(level)))
if taken == 0 then
    return {0, math.ceil((1 - level) * step)}
end
full = full + taken * step
redis.call('SET', KEYS[1], string.format('%.2f', full), 'PX', string.format('%.0f', math.ceil((full - now) / 1000)))
return {taken, 0}
