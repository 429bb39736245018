"""Run mjwatch with short waits for limits; at SIGUSR1 it writes how much memory is in use.

``python -m tests.scenarios.measured --config FILE ARGUMENT...``: mjwatch gets the arguments, and the figures
go to ``memory.json`` beside the configuration file.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from mjwatch.__main__ import main
from mjwatch.inbox import pickup
from tests.helpers.memory import FIGURES, write_figures
from tests.scenarios.short_limits import shorten_limits

if __name__ == "__main__":
    figures = Path(sys.argv[sys.argv.index("--config") + 1]).with_name(FIGURES)
    signal.signal(signal.SIGUSR1, lambda number, frame: write_figures(figures))
    shorten_limits()
    pickup.NAME_LIFETIME = 60.0  # or the names of files make up most of what grows in the first ten minutes
    main()
