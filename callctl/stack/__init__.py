"""Starts and stops the parts that callctl runs on: Asterisk in a container, PostgreSQL, callctl.

Called by the cli (`make run`), the demo, the tests and the bench.
"""
