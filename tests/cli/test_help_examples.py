"""Every example in every command's help runs as pasted, inside the folder that `convneur demo` wrote."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer.main

import convneur_cli.commands.demo
from convneur.variants import ConvNeurConfig
from convneur_cli.app import app, main

# What is appended to an example that would run for minutes; tiny.json is written beside the samples.
_SMALL_RUN = ("--minutes", "0.01", "--crop", "32", "--batch", "4")
BUDGETS: dict[str, tuple[str, ...]] = {
    "audit": ("--sizes", "64", "--repeats", "1"),
    "bench": ("--sizes", "32,64", "--batch", "1", "--warmup", "1", "--repeats", "1"),
    "export": ("--batch", "1", "--no-check"),
    "train": _SMALL_RUN,
    "study": (*_SMALL_RUN, "--model", "tiny.json", "--seeds", "1"),
}
TINY = ConvNeurConfig(dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8, chunk_length=8)


class Example(NamedTuple):
    """A command line of a help, and the paragraph it stands in."""

    command: str
    typed: str
    paragraph: str


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Every command's name and help, those of its groups too."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command.help or ""


def examples(command: str, text: str) -> Iterator[Example]:
    """The command lines in a help's paragraphs that begin with Example."""
    for paragraph in text.split("\n\n"):
        if paragraph.lstrip().startswith("Example"):
            for typed in re.findall(r"`(convneur [^`]+)`", paragraph):
                yield Example(command, " ".join(typed.split()), paragraph)


COMMANDS = dict(commands(typer.main.get_command(app)))
EXAMPLES = [example for name, text in COMMANDS.items() for example in examples(name, text)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `convneur demo` writes, but for the results of its own commands."""
    folder = tmp_path_factory.mktemp("demo") / "convneur-demo"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(convneur_cli.commands.demo, "_STEPS", ())
        with pytest.raises(SystemExit) as stopped:
            main(["demo", "-q", "-o", str(folder)])
    assert not stopped.value.code
    (folder / "tiny.json").write_text(json.dumps(TINY.to_dict()))
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_an_example_of_its_command(name: str) -> None:
    its = [example for example in EXAMPLES if example.command == name]
    assert its
    assert all(example.typed.startswith(f"convneur {name} ") for example in its)


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.typed)
def test_it_runs_as_pasted(
    example: Example, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(convneur_cli.commands.demo, "_STEPS", ())  # they run in full in the demo's own tests
    with pytest.raises(SystemExit) as stopped:
        main([*shlex.split(example.typed)[1:], *BUDGETS.get(example.command, ())])
    err = capsys.readouterr().err
    missing = re.search(r"pip install (\w+)", err)
    if stopped.value.code == 2 and missing:
        assert f"`pip install {missing[1]}`" in example.paragraph, "the example does not say what it needs"
        pytest.skip(f"this example needs the optional package {missing[1]}, which is not installed")
    assert not stopped.value.code, err


@pytest.mark.parametrize("typed", convneur_cli.commands.demo._NEXT)
def test_what_the_demo_says_to_try_next_runs(typed: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as stopped:
        main([*shlex.split(typed)[1:], "--force"])  # the examples may have written files of these names
    assert not stopped.value.code


def test_an_example_is_found_in_its_paragraph() -> None:
    text = "What it does: `convneur flops`.\n\nExample, after `pip install timm`: `convneur flops\n--model timm/x`"
    (found,) = examples("flops", text)
    assert found.typed == "convneur flops --model timm/x"
    assert "`pip install timm`" in found.paragraph
    assert list(examples("flops", "No example here: `convneur flops`")) == []
