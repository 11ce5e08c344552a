-- One request a connection: the server closes after its response, and wrk connects again.
wrk.headers["Connection"] = "close"
