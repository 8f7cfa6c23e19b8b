"""Where the `convneur` command starts, and `python -m convneur_cli`."""

import sys
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command line. Ctrl-C while its modules still load ends it in a line, not in a traceback."""
    try:
        from convneur_cli import app
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    app.main()


if __name__ == "__main__":
    main()
