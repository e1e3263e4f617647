-- Uploads 1 MB in each request.
wrk.method = "POST"
wrk.body = string.rep("x", 1000000)
