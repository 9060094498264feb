"""How long the ledger's proofs are: short in CI, long with `make ledger-proofs`."""

import os

IS_LONG = os.environ.get("CALLCTL_LEDGER_PROOFS") == "long"

MACHINE_RUNS = 500 if IS_LONG else 100
MACHINE_STEPS = 50 if IS_LONG else 30
CROWDS = 100 if IS_LONG else 10  # of 1,000 legs on one account
STOPS = 25 if IS_LONG else 5  # of PostgreSQL, at once, under load
SECONDS_MAX = 1800 if IS_LONG else 120
