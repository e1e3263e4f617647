-- Ten requests of somebody who is signed in, in turn.
local user = '{"name": "ann", "email": "ann@example.com", "age": 33}'
local order = '{"customer": 5, "lines": [{"item": "fork", "count": 2, "price": 1.5}, {"item": "spoon", "count": 1, "price": 2}]}'
local asks = {
  {"GET", "/me"}, {"GET", "/users?limit=10&offset=5"}, {"GET", "/users/7"}, {"POST", "/users", user},
  {"PUT", "/users/7", user}, {"DELETE", "/users/7"}, {"GET", "/items/5?q=abc"}, {"POST", "/orders", order},
  {"GET", "/search?q=fork&tag=a&tag=b"}, {"GET", "/stats"},
}
local ready, at = {}, 0

init = function()
  for i, ask in ipairs(asks) do
    local headers = {["Authorization"] = "Bearer token-3"}
    if ask[3] then headers["Content-Type"] = "application/json" end
    ready[i] = wrk.format(ask[1], ask[2], headers, ask[3])
  end
end

request = function()
  at = at % #ready + 1
  return ready[at]
end
