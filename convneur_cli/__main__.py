"""Where the `convneur` command starts, and `python -m convneur_cli`."""

import sys
from typing import NoReturn

from convneur_cli.process import INTERRUPTED, exit_with, interrupted, open_streams, take_signals

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command line. Ctrl-C while its modules still load ends it in a line, not in a traceback."""
    code: object = 0
    try:
        open_streams()
        take_signals()
        from convneur_cli import app

        app.main()
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:
        code = _said()
    except ImportError:
        if not interrupted():
            raise
        code = _said()
    exit_with(code if isinstance(code, int) else 0)


def _said() -> int:
    print("interrupted", file=sys.stderr)
    return INTERRUPTED


if __name__ == "__main__":
    main()
