"""The HTTP API under /v1: what the views know, as JSON."""
