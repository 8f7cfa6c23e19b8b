"""The command line starts without its heavy rooms."""

import subprocess
import sys
from typing import Any

import pytest
import typer.core

from convneur_cli.app import main

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


INTERRUPTED = """
import sys
from importlib.abc import MetaPathFinder
class Stop(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "typer":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Stop())
from convneur_cli.__main__ import main
main()
"""


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["flops", "--help"], ["models", "--help"]])
def test_help_and_version_load_nothing_heavy(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", CODE, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_ctrl_c_while_modules_load_is_a_line() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_ctrl_c_while_options_are_read_is_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(typer.core.TyperCommand, "parse_args", interrupted)
    with pytest.raises(SystemExit) as stopped:
        main(["models"])
    assert (stopped.value.code, *capsys.readouterr()) == (130, "", "interrupted\n")


def test_the_package_runs_as_the_command_does() -> None:
    command = [sys.executable, "-m", "convneur", "flops", "--no-such"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: No such option: --no-such; see 'convneur flops --help'\n"


@pytest.mark.parametrize("arguments", [[], ["bench"], ["figure"], ["figure", "accuracy"]])
def test_flags_take_no_value(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "convneur_cli", *arguments, "--help"], capture_output=True, text=True, check=True
    )
    assert "--help" in done.stdout
    assert "bool" not in done.stdout
