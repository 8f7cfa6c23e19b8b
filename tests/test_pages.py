"""What the pages of the documentation show is what the repository holds; that of tools of other libraries apart."""

import importlib.util
import re
import shlex
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer.main
import yaml

import convneur
from convneur_cli.app import app, main

ROOT = Path(__file__).parents[1]
SAMPLES = Path(convneur.__file__).parent / "data" / "samples"


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def blocks(name: str, language: str = "python") -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page(name), re.DOTALL)


def tool(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# -- recipes.md --


@pytest.mark.parametrize(
    ("start", "example"),
    [("import convneur", "finetune"), ("class ConvNeurEncoder", "smp_decoder"),
     ("class Pyramid", "torchvision_detection"), ("class Segmenter", "lightning_module")],
)  # fmt: skip
def test_a_recipe_stands_in_its_example(start: str, example: str) -> None:
    (block,) = [block for block in blocks("recipes.md") if block.startswith(start)]
    assert block in (ROOT / "examples" / f"{example}.py").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_fine_tuning_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(SAMPLES, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    code = (ROOT / "examples" / "finetune.py").read_text(encoding="utf-8")
    small = code.replace("minutes=5", "epochs=2, batch=2, crop=64, workers=0")
    assert small != code
    exec(compile(small, "finetune.py", "exec"), {"__name__": "__main__"})
    assert "mIoU" in capsys.readouterr().out
    assert len(list((tmp_path / "labelled").iterdir())) == 8


# -- cost-in-ci.md --


MODELS = """
import torch
from torch import nn

import convneur


def build():
    return convneur.create("m1")


class Quadratic(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 16, 16)

    def forward(self, x):
        tokens = self.embed(x).flatten(2).mT
        return tokens @ tokens.mT @ tokens
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The reader's package that the page speaks of."""
    (tmp_path / "yourpackage").mkdir()
    (tmp_path / "yourpackage" / "__init__.py").touch()
    (tmp_path / "yourpackage" / "models.py").write_text(MODELS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("yourpackage", "yourpackage.models"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    both = [f"yourpackage.models:{name}" for name in ("build", "Quadratic")]
    convneur.cost.analyze(both, sizes=[224, 512], verdict=False).save("cost.json")
    return tmp_path


def checked(build: str) -> list[str]:
    """The names of the page's tests that fail for a model."""
    (code,) = blocks("cost-in-ci.md")
    names: dict[str, Any] = {}
    exec(code.replace(":build", f":{build}"), names)
    failed = []
    for name in [name for name in names if name.startswith("test_")]:
        try:
            names[name]()
        except AssertionError:
            failed.append(name)
    return failed


def test_the_tests_of_the_page_hold_for_m1_and_fail_for_a_quadratic_model(package: Path) -> None:
    assert checked("build") == []
    assert checked("Quadratic") == ["test_the_cost_does_not_grow_with_the_square_of_the_pixels"]


@pytest.mark.parametrize(("build", "code"), [("build", 0), ("Quadratic", 3)])
def test_the_workflow_of_the_page_fails_for_a_quadratic_model(
    build: str, code: int, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workflow = yaml.safe_load(blocks("cost-in-ci.md", "yaml")[0])
    (typed,) = [step["run"] for step in workflow["jobs"]["cost"]["steps"] if step.get("run", "").startswith("convneur")]
    with pytest.raises(SystemExit) as stopped:
        main(shlex.split(typed.replace(":build", f":{build}"))[1:])
    assert (stopped.value.code or 0) == code
    assert Path("cost.md").exists()
    reason = "Quadratic: quadratic term present: the cost per pixel itself grows with the pixels"
    assert (reason in " ".join(capsys.readouterr().err.split())) == (code == 3)


# -- gallery.md --


def test_every_picture_of_the_gallery_has_its_command_and_is_small() -> None:
    drawn = tool("gallery").drawn(page("gallery.md"))
    shown = re.findall(r"!\[.+\]\(images/gallery/([\w-]+)\.webp\)", page("gallery.md"))
    assert [each.name for each in drawn] == shown
    files = {path.stem: path.stat().st_size for path in (ROOT / "docs" / "images" / "gallery").iterdir()}
    assert files.keys() == set(shown)
    assert max(files.values()) < 150_000


def test_the_gallery_shows_every_command_that_draws() -> None:
    typed = [shlex.split(each.command) for each in tool("gallery").drawn(page("gallery.md"))]
    commands: Any = typer.main.get_command(app)
    assert {" ".join(words[1:3]) for words in typed if words[1] == "figure"} == {
        f"figure {name}" for name in commands.commands["figure"].commands
    }
    plots = {"--plot", "--report", "--overlays", "--save-arrays"}
    drawing = {
        name
        for name, command in commands.commands.items()
        if any(plots & set(parameter.opts) for parameter in command.params)
    }
    assert drawing <= {words[1] for words in typed}
    for words in typed:
        command = commands.commands[words[1]]
        command = command.commands[words[2]] if words[1] == "figure" else command
        options = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
        assert {word for word in words if word.startswith("-")} <= options


# -- the site fetches nothing --


@pytest.mark.parametrize(
    ("text", "fetched"),
    [('<script src="https://a.org/x.js">', ["https://a.org/x.js"]),
     ('<link rel="stylesheet" href=//a.org/x.css>', ["//a.org/x.css"]),
     ("<style>@import url(https://a.org/font)</style>", ["https://a.org/font"]),
     ("a { background: url('http://a.org/y.png') }", ["http://a.org/y.png"]),
     ('<a href="https://a.org">, <img src="x.png">, <link rel="canonical" href="https://a.org">, url(data:x)', [])],
)  # fmt: skip
def test_what_a_page_would_fetch_is_found(text: str, fetched: list[str]) -> None:
    assert tool("offline").fetched(text) == fetched


# -- docstrings as Markdown --


@pytest.fixture
def docstrings(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Without griffe, which only the site's build needs: the translation itself is plain text."""
    stand_in: Any = ModuleType("griffe")
    stand_in.Extension = stand_in.Object = object
    monkeypatch.setitem(sys.modules, "griffe", stand_in)
    return tool("docstrings")


def test_a_docstring_becomes_markdown(docstrings: Any) -> None:
    text = """What it does, in
a line or two.

    y_t = q_t M_t    read, before

Choice: this way,
    as others do.
Args:
    pred, gt: (H, W) booleans,
        of one size.
    **more: the rest.
Returns: 0 to 1.

    made = f(1)

    made + 1  # two

>>> f(1)
2
"""
    assert (
        docstrings.as_markdown(text)
        == """What it does, in
a line or two.

    y_t = q_t M_t    read, before

**Choice:** this way, as others do.

**Args:**

- `pred`, `gt`: (H, W) booleans, of one size.
- `**more`: the rest.

**Returns:** 0 to 1.

```python
made = f(1)

made + 1  # two
```

```pycon
>>> f(1)
2
```"""
    )


def sites_order() -> list[str]:
    return re.findall(r"^ +- .*: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_sites_order_names_every_room_and_no_page_twice() -> None:
    pages = sites_order()
    assert sorted(set(pages)) == sorted(pages)
    rooms = {file.parent.name for file in (ROOT / "convneur").glob("*/__init__.py")} - {"data", "layers", "model"}
    assert {f"api/{room}.md" for room in rooms} <= set(pages)


def test_the_sites_order_names_every_page_and_card() -> None:
    """What the order leaves out ends the strict build, minutes later."""
    pages = set(sites_order())
    assert {path.name for path in ROOT.glob("docs/*.md")} <= pages
    assert {f"weights/{path.name}" for path in ROOT.glob("convneur/weights/*.md")} <= pages


# -- commands --

SHOWN = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def shown_commands(text: str) -> list[str]:
    """The command lines of convneur in a page's blocks; what follows a pipe is another program's."""
    whole = re.sub(r"\\\n\s*", " ", text)
    return [
        line.split(" | ")[0]
        for line in re.findall(r"^    (?:\$ )?(?:\S+/bin/)?(convneur [a-z].*)$", whole, re.MULTILINE)
    ]


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.name)
def test_every_command_of_a_page_can_be_parsed(path: Path) -> None:
    for line in shown_commands(path.read_text(encoding="utf-8")):
        command: Any = typer.main.get_command(app)
        words = shlex.split(line.split(" > ")[0], comments=True)[1:]
        while hasattr(command, "commands"):
            assert words, line
            assert words[0] in command.commands, line
            command, words = command.commands[words[0]], words[1:]
        try:
            command.make_context(line, words)
        except Exception as error:
            pytest.fail(f"{line}: {error}")


def test_the_commands_of_a_page_are_found() -> None:
    assert sum(len(shown_commands(path.read_text(encoding="utf-8"))) for path in SHOWN) > 90
    text = "Run\n\n    $ small/bin/convneur flops \\\n        --model m1 | head\n    $ pip install convneur\n"
    assert shown_commands(text) == ["convneur flops  --model m1"]
