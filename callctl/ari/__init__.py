"""The client of Asterisk's REST interface (ARI); used by calls, exchange, app and the doctor.

`client.AriClient` is the way in, `models` holds what Asterisk says. Commands go over a pool of
keep-alive connections, events come over one WebSocket.
"""
