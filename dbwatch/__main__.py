"""`dbwatch` and `python -m dbwatch`."""

from __future__ import annotations

import sys


def main() -> None:
    try:
        # Imported here: Ctrl-C while this is loaded is no error either.
        from dbwatch.cli import INTERRUPTED, run
    except KeyboardInterrupt:
        sys.exit(130)
    try:
        status = run(sys.argv[1:])
    except KeyboardInterrupt:  # while an error was told
        status = INTERRUPTED
    sys.exit(status)


if __name__ == "__main__":
    main()
