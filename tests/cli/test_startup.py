"""The command line starts without its heavy rooms."""

import subprocess
import sys

import pytest

CODE = """
import sys
from convneur_cli.app import main
try:
    main(sys.argv[1:])
except SystemExit as stopped:
    code = stopped.code
loaded = {"torch", "numpy", "scipy", "matplotlib", "fvcore"} & sys.modules.keys()
sys.exit(f"loads {loaded}" if loaded else code)
"""


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["flops", "--help"], ["models", "--help"]])
def test_help_and_version_load_nothing_heavy(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", CODE, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
