-- A record is one text; record.go says what is where. These are the positions
-- that scripts need: 1 format, 2 kind, 3-10 version, 11-16 last seen, 17-22
-- idle deadline, 23-28 absolute deadline, 29-34 created, 35-40 hold, 41 length
-- of the owner, 42-44 of the facts, 45-47 of the verifiers, 48 the owner.
-- What is left of an ended record: 1 'x', 2-9 the mark, 10-15 the hold.
-- A time is 6 bytes, most significant first: 48 bits, which a number holds.
-- Times are compared as numbers and versions as texts, never with <, which
-- goes by the server's language.
local call, byte, sub = redis.call, string.byte, string.sub
local grace = 60000   -- ms for which a record outlives its deadline
local keep = 360000   -- ms for which changes are kept

local function time(s, i)
  local a, b, c, d, e, f = byte(s, i, i + 5)
  return ((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f
end
local function clock()
  local t = call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
-- expiry is when a key that is needed until a time may go, in ms since 1970.
local function expiry(t) return math.max(t - 62135596800000, 0) + grace end
local function whole(n) return string.format('%.0f', n) end
local function later(a, b) if time(a, 1) >= time(b, 1) then return a end return b end
local function deadline(h) return math.min(time(h, 17), time(h, 23)) end
local function head(key)
  local h = call('GETRANGE', key, 0, 301)
  local form = byte(h, 1)
  if form and form ~= 83 and form ~= 120 then error('a value is not of a form that this version knows', 0) end
  return h
end
local function shown(key, h) -- but for what only Load shows
  local b, c, d = byte(h, 42, 44)
  local n = 47 + byte(h, 41) + (b * 256 + c) * 256 + d
  if n > #h then return call('GETRANGE', key, 0, n - 1) end
  return sub(h, 1, n)
end

-- settled fails while the slot is on its way to another server: a key that is
-- not here may be there. The server does not say so of one key, and after the
-- first write it would be too late. So it is asked for two that never are.
local function settled(base)
  local r = redis.pcall('EXISTS', base, base .. '+')
  if type(r) == 'table' and r.err then error('TRYAGAIN the slot moves to another server', 0) end
end

local function there(h) return byte(h, 1) == 83 end
local function held(h, now) return byte(h, 1) == 120 and time(h, 10) > now end
local function owner(h) return sub(h, 48, 47 + byte(h, 41)) end

-- place is where an owner's records are listed: an index, which others share,
-- and what his members there begin with. Others' may begin so too.
local function place(base, name)
  local sum = redis.sha1hex(name)
  return base .. 'o:' .. sub(sum, 1, 2), sub(sum, 3, 6)
end
local function members(index, tag) return call('ZRANGEBYLEX', index, '[' .. tag, '(' .. tag .. 'g') end

-- enter enters a record in the index, also if the index was lost meanwhile, and
-- has that last as long as the record.
local function enter(base, name, handle, at)
  local index, tag = place(base, name)
  call('ZADD', index, 0, tag .. handle)
  local left = call('PTTL', index)
  if left < 0 or left < at - clock() then call('PEXPIREAT', index, whole(at)) end
end

-- log notes a change, at the server's time. The first of a script tells who
-- listens that there is something, and no more: channels may be read by others.
-- Nobody can ask before the script is over. That the server does not let this
-- application publish must not be in the way of a write.
local told = false
local function log(base, what, h, handle)
  local key = base .. 'c'
  call('XADD', key, 'MINID', '~', whole(clock() - keep), '*', 'c', what .. sub(h, 2, 2) .. handle .. owner(h))
  call('PEXPIRE', key, keep)
  if not told then
    told = true
    redis.pcall('PUBLISH', sub(base, 1, -5) .. 'changes', '')
  end
end

-- finish ends the record h. It deletes first: that is allowed when the memory
-- is full, and after it so is all the rest.
local function finish(base, handle, h, mark, hold)
  local key = base .. 'r:' .. handle
  hold = later(hold, sub(h, 35, 40))
  call('DEL', key)
  call('SET', key, 'x' .. mark .. hold, 'PXAT', whole(expiry(time(hold, 1))))
  if byte(h, 41) > 0 then
    local index, tag = place(base, owner(h))
    call('ZREM', index, tag .. handle)
  end
  log(base, 'e', h, handle)
end

--- create
-- KEYS record; ARGV value, now, limit, end oldest, replaced handle, and of the
-- end: version or '', mark, hold
local key, value = KEYS[1], ARGV[1]
local handle, base = sub(key, -24), sub(key, 1, -27)
local now = time(ARGV[2], 1)
if byte(value, 41) > 0 or byte(value, 2) == 3 then settled(base) end
local h = head(key)
if there(h) then return 3 end
if held(h, now) then return 1 end
local name, replaced, old = owner(value), ARGV[5], nil
local index, tag = place(base, name)
if replaced ~= '' then
  old = head(base .. 'r:' .. replaced)
  if not there(old) or owner(old) ~= name then
    old = nil
  elseif ARGV[6] ~= '' and sub(old, 3, 10) ~= ARGV[6] then
    return 2
  end
end
local limit, ended = tonumber(ARGV[3]), {}
if limit > 0 then
  local alive = {}
  for _, member in ipairs(members(index, tag)) do
    local other = sub(member, 5)
    local m = head(base .. 'r:' .. other)
    if not there(m) then
      call('ZREM', index, member)
    elseif not (old and other == replaced) and byte(m, 2) == byte(value, 2) and deadline(m) > now and owner(m) == name then
      alive[#alive + 1] = {other, m, time(m, 29)}
    end
  end
  local excess = #alive - limit + 1
  if excess > 0 then
    if ARGV[4] ~= '1' then return 4 end
    table.sort(alive, function(a, b) return a[3] < b[3] end)
    for i = 1, math.min(excess, #alive) do ended[i] = alive[i] end
  end
end
if old then finish(base, replaced, old, ARGV[7], ARGV[8]) end
for _, e in ipairs(ended) do finish(base, e[1], e[2], ARGV[7], ARGV[8]) end
local at = expiry(deadline(value))
call('SET', key, value, 'PXAT', whole(at))
if name ~= '' then
  enter(base, name, handle, at)
  for _, member in ipairs(call('ZRANDMEMBER', index, 3)) do -- what has expired among them goes
    if call('EXISTS', base .. 'r:' .. sub(member, 5)) == 0 then call('ZREM', index, member) end
  end
end
if byte(value, 2) == 3 then log(base, 'm', value, handle) end
if not old and #ended == 0 then return 0 end
local result = {old and 1 or 0}
for _, e in ipairs(ended) do result[#result + 1] = e[1] end
return result

--- apply
-- KEYS record; ARGV from, now, version + last seen + idle deadline + lengths of
-- facts and verifiers, facts + verifiers + state
local key = KEYS[1]
local h, now, new = head(key), time(ARGV[2], 1), ARGV[3]
if not there(h) or deadline(h) <= now then return 1 end
if sub(h, 3, 10) ~= ARGV[1] then return 2 end
local seen, idle = later(sub(new, 9, 14), sub(h, 11, 16)), later(sub(new, 15, 20), sub(h, 17, 22))
local value = sub(h, 1, 2) .. sub(new, 1, 8) .. seen .. idle .. sub(h, 23, 41) .. sub(new, 21, 26) .. owner(h) .. ARGV[4]
local after = deadline(value)
if after > deadline(h) then
  if byte(h, 41) > 0 then settled(sub(key, 1, -27)) end
  local at = expiry(after)
  call('SET', key, value, 'PXAT', whole(at))
  if byte(h, 41) > 0 then enter(sub(key, 1, -27), owner(h), sub(key, -24), at) end
else
  call('SET', key, value, 'KEEPTTL')
end
return 0

--- touch
-- KEYS record; ARGV last seen, idle deadline. The expiry is set first: that is
-- allowed when the memory is full, and after it so is the rest.
local key = KEYS[1]
local h, now = head(key), time(ARGV[1], 1)
if not there(h) or deadline(h) <= now then return 1 end
local seen, idle = later(ARGV[1], sub(h, 11, 16)), later(ARGV[2], sub(h, 17, 22))
local after = math.min(time(idle, 1), time(h, 23))
if after > deadline(h) then
  if byte(h, 41) > 0 then settled(sub(key, 1, -27)) end
  local at = expiry(after)
  call('PEXPIREAT', key, whole(at))
  if byte(h, 41) > 0 then enter(sub(key, 1, -27), owner(h), sub(key, -24), at) end
end
if seen .. idle ~= sub(h, 11, 22) then call('SETRANGE', key, 10, seen .. idle) end
return 0

--- delete
-- KEYS record; ARGV version or '', mark, now, hold
local key = KEYS[1]
local h, now = head(key), time(ARGV[3], 1)
if not there(h) then
  if held(h, now) and sub(h, 2, 9) == ARGV[2] then return 0 end
  return 1
end
if ARGV[1] ~= '' and sub(h, 3, 10) ~= ARGV[1] then return 2 end
settled(sub(key, 1, -27))
finish(sub(key, 1, -27), sub(key, -24), h, ARGV[2], ARGV[4])
return 0

--- delete owner
-- KEYS index; ARGV owner, handle to leave or '', mark, hold
local base = sub(KEYS[1], 1, -5)
settled(base)
local index, tag = place(base, ARGV[1])
local all, found, n = members(index, tag), {}, 0
for i, member in ipairs(all) do found[i] = head(base .. 'r:' .. sub(member, 5)) end
for i, member in ipairs(all) do
  local h, handle = found[i], sub(member, 5)
  if not there(h) then
    call('ZREM', index, member)
  elseif owner(h) == ARGV[1] and handle ~= ARGV[2] and byte(h, 2) ~= 3 then
    finish(base, handle, h, ARGV[3], ARGV[4])
    n = n + 1
  end
end
return n

--- list
-- KEYS index; ARGV owner, handle behind which to begin or '', how many. It
-- returns where the next page begins or '', and handles and records without
-- what only Load shows.
local base = sub(KEYS[1], 1, -5)
settled(base)
local index, tag = place(base, ARGV[1])
local from = ARGV[2] == '' and '[' or '('
local page = call('ZRANGEBYLEX', index, from .. tag .. ARGV[2], '(' .. tag .. 'g', 'LIMIT', 0, ARGV[3])
local result = {#page == tonumber(ARGV[3]) and sub(page[#page], 5) or ''}
for _, member in ipairs(page) do
  local handle = sub(member, 5)
  local h = head(base .. 'r:' .. handle)
  if not there(h) then
    call('ZREM', index, member)
  elseif owner(h) == ARGV[1] then
    result[#result + 1] = handle
    result[#result + 1] = shown(base .. 'r:' .. handle, h)
  end
end
return result

--- show
-- KEYS record. It returns the record without what only Load shows, or nothing.
local h = head(KEYS[1])
if not there(h) then return false end
return shown(KEYS[1], h)

--- changes
-- KEYS log; ARGV ms since 1970. It returns the server's time, and what was
-- logged since then.
return {call('TIME'), call('XRANGE', KEYS[1], ARGV[1], '+')}
