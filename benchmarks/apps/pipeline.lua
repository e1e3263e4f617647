-- Sends requests in groups of 16: HTTP pipelining.
local group

init = function(args)
  local one = wrk.format(nil, nil)
  group = string.rep(one, 16)
end

request = function()
  return group
end
