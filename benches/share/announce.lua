-- Announces of leechers: a thousand torrents, each with two hundred ports of one address, chosen by chance. Info hashes are bytes of
-- a linear congruential generator, as `info_hash` in `tracker.rs` has them.
local hashes = {}
for number = 0, 999 do
  local state, text = (number * 69069 + 1) % 4294967296, ""
  for _ = 1, 20 do
    state = (state * 69069 + 12345) % 4294967296
    text = text .. string.format("%%%02x", math.floor(state / 16777216))
  end
  hashes[number] = text
end

-- The path of the command line says whether a connection is for one announce.
function init()
  if wrk.path == "/close" then
    wrk.headers["Connection"] = "close"
  end
end

function request()
  local hash = hashes[math.random(0, 999)]
  local peer = string.format("-BN0001-%012d", math.random(0, 2147483647))
  return wrk.format("GET", "/announce?info_hash=" .. hash .. "&peer_id=" .. peer .. "&port=" .. 1023 + math.random(200)
    .. "&uploaded=0&downloaded=0&left=16384&compact=1")
end
