"""Write the few prompts that a checkout has without building; run by hand when one changes.

    .venv/bin/python deploy/asterisk/make_prompts.py asterisk-conf/sounds

All others are made by `callctl prompts build`, from the same catalogue in callctl.audio.
"""

import sys
from pathlib import Path

from callctl.audio.building import build_committed

if __name__ == "__main__":
    build_committed(Path(sys.argv[1]))
