-- Sixteen requests in one write; wrk counts each response.
function init(args)
  local batch = {}
  for i = 1, 16 do
    batch[i] = wrk.format("GET", wrk.path)
  end
  requests = table.concat(batch)
end

function request()
  return requests
end
