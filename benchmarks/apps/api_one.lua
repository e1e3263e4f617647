-- A body that is checked, one dependency, and a response model.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"customer": 5, "lines": [{"item": "fork", "count": 2, "price": 1.5}, {"item": "spoon", "count": 1, "price": 2}]}'
