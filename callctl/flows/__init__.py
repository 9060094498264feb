"""Call scripts, one module each, that read from top to bottom like the call they describe.

Run by the exchange. A flow never sees an event or a connection; hang-up reaches it as HungUp,
raised by the verbs of calls.Call, and the money closes by itself when its block is left.
"""
