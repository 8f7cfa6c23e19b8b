"""`python -m convneur` is the `convneur` command, for environments whose scripts are not on the path."""

from convneur_cli.__main__ import main

if __name__ == "__main__":
    main()
