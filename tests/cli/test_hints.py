"""What the library advises in backticks can be typed for the command that says it."""

import ast
import re
from pathlib import Path

import pytest
import typer.main

import convneur
from convneur_cli.app import app
from convneur_cli.errors import as_typed

ROOMS = Path(convneur.__file__).parent


def advice(room: str) -> set[str]:
    """The names in backticks in the strings of a room's code, docstrings left out."""
    found: set[str] = set()
    for file in (ROOMS / room).glob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
                found |= set(re.findall(r"`(\w+)[^`]*`", node.value))
    return found


@pytest.mark.parametrize(("room", "command"), [("training", "train"), ("training", "study"), ("study", "study")])
def test_advice_names_options_of_the_command(room: str, command: str) -> None:
    options = {parameter.name for parameter in typer.main.get_command(app).commands[command].params}  # type: ignore[attr-defined]
    named = advice(room)
    assert {"force", "resume"} & named
    of_detection = {"annotations", "detector"} if command == "study" else set()  # which study does not train
    assert named <= options | of_detection


@pytest.mark.parametrize("command", ["train", "study", "eval-boundary"])
def test_the_advice_of_label_maps_can_be_followed_wherever_they_are_read(command: str) -> None:
    options = {parameter.name for parameter in typer.main.get_command(app).commands[command].params}  # type: ignore[attr-defined]
    assert "colours" in options


def test_the_figure_of_pairs_takes_what_scoring_them_advises() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    named = {"missing", "num_classes", "resize", "pred_labels", "gt_labels", "pred_name", "gt_name", "listed"}
    for command in (commands["eval-boundary"], commands["figure"].commands["boundaries"]):
        assert named <= {parameter.name for parameter in command.params}


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("a.png: larger; raise `max_pixels`, or cut it", "a.png: larger; raise --max-pixels, or cut it"),
        ("leave out the row (`gate=False`)", "leave out the row (--no-gate)"),
        ("in `out` with `init best.safetensors`.", "in --out with --init best.safetensors."),
        ("x/a`b`.png: damaged (`force`)", "x/a`b`.png: damaged (--force)"),
        ("`b`.png and `b`/c.png: one name", "`b`.png and `b`/c.png: one name"),
    ],
)
def test_backticks_in_a_name_are_no_setting(words: str, shown: str) -> None:
    assert as_typed(words, lambda name: f"--{name.replace('_', '-')}") == shown
