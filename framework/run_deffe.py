"""Starts deffe from a checkout: python3 framework/run_deffe.py -config x.json."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from deffe.cli import main  # the package is found only from here on

if __name__ == "__main__":
    sys.exit(main())
