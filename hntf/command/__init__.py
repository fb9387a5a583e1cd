"""The command line: `hntf fit`, `transform`, `show` and `ranks`.

`files` reads data, samples and names from files of many kinds, `results` writes codes, `app` holds the commands.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        from hntf.command.app import run
    except ImportError as error:
        if error.name not in ("click", "rich", "pandas"):
            raise
        print("the command line needs click, rich and pandas: pip install hntf[cli]", file=sys.stderr)
        sys.exit(1)
    sys.exit(run(sys.argv[1:]))
