"""`python -m callctl` is the command `callctl`."""

from callctl.cli.main import main

main()
