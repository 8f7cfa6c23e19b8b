"""The files that other programs and people read of the project agree with each other and with the package."""

import ast
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import convneur

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {
    extra: {Requirement(line).name for line in lines}
    for extra, lines in PROJECT["optional-dependencies"].items()
    if extra not in ("dev", "test")  # for those who change the package
}
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def pinned() -> set[str]:
    lines = text("constraints.txt").splitlines()
    return {canonicalize_name(Requirement(line).name) for line in lines if not line.startswith("#")}


def needed(requirement: Requirement, seen: set[tuple[str, str]]) -> Iterator[str]:
    """What an installed distribution needs on this machine, and what those need, and so on."""
    for extra in ("", *sorted(requirement.extras)):
        if (requirement.name, extra) in seen:
            continue
        seen.add((requirement.name, extra))
        for line in requires(requirement.name) or ():
            other = Requirement(line)
            if other.marker is None or other.marker.evaluate({"extra": extra}):
                yield canonicalize_name(other.name)
                yield from needed(other, seen)


def test_every_file_of_the_package_is_installed() -> None:
    kinds = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    for package, patterns in kinds.items():
        place = ROOT / package
        taken = {path for pattern in patterns for path in place.glob(pattern)}
        left_out = [
            str(path.relative_to(ROOT))
            for path in place.rglob("*")
            if path.is_file() and path.suffix != ".py" and path.parent.name != "__pycache__" and path not in taken
        ]
        assert not left_out


def test_the_constraints_pin_all_that_is_installed_with_the_package() -> None:
    of_the_environment = {"setuptools"}  # comes with it
    asked = set(needed(Requirement("convneur[test]"), set()))
    assert asked - {"convneur"} - pinned() == of_the_environment


def test_the_constraints_pin_what_each_extra_asks_for() -> None:
    assert {canonicalize_name(name) for names in EXTRAS.values() for name in names} <= pinned()


def test_the_page_lists_the_extras_as_they_are() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| ([\w .-]+) \|", text("docs/install.md"), re.MULTILINE)
    assert {extra: set(packages.split()) for extra, packages in rows} == EXTRAS


def advised() -> Iterator[tuple[str, str]]:
    """Where something is advised to be installed, and what."""
    for page in PAGES:
        for words in re.findall(r"pip\s+install\s+([^`#\n&]+)", page.read_text(encoding="utf-8")):
            yield page.name, words
    for file in sorted((ROOT / "convneur").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for words in re.findall(r"pip install ([\w -]+)", node.value):
                    yield file.name, words


def test_what_is_advised_to_be_installed_is_what_the_package_asks_for() -> None:
    """By the packages' own names, or from the clone: the package's name finds nothing where it is not published."""
    asked = {Requirement(line).name for line in PROJECT["dependencies"]}.union(*EXTRAS.values())
    found = list(advised())
    assert {"training.md", "asked.py", "external.py"} <= {place for place, _ in found}
    options = ("-q", "-e", "-c", "constraints.txt", "--no-deps", "./convneur")
    for place, words in found:
        for word in (word for word in words.split() if word not in options):
            local = re.fullmatch(r"'?\.(\[([\w,]+)\])?'?", word)
            extras = set((local[2] or "").split(",")) - {""} if local else set()
            assert word in asked or (local and extras <= {*EXTRAS, "test", "dev"}), (place, words)


def test_the_citation_is_whole_and_says_this_version() -> None:
    cited = yaml.safe_load(text("CITATION.cff"))
    assert {"cff-version", "message", "title", "authors", "license"} <= cited.keys()
    assert (cited["version"], cited["license"]) == (PROJECT["version"], PROJECT["license"])
    assert cited["version"] == convneur.__version__


def test_the_bibtex_of_the_readme_is_the_citations() -> None:
    paper = yaml.safe_load(text("CITATION.cff"))["preferred-citation"]
    (entry,) = re.findall(r"```bibtex\n@inproceedings\{(.*?)\n\}\n```", text("README.md"), re.DOTALL)
    fields = dict(re.findall(r"^\s*(\w+)\s*= \{(.*)\},?$", entry, re.MULTILINE))
    authors = " and ".join(f"{each['family-names']}, {each['given-names']}" for each in paper["authors"])
    assert fields["author"] == authors
    assert (fields["title"], fields["year"]) == (paper["title"], str(paper["year"]))
    assert paper["url"] == PROJECT["urls"]["Paper"] == f"https://arxiv.org/abs/{fields['eprint']}"


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml")), ids=lambda p: p.stem)
def test_an_issue_form_is_one(path: Path) -> None:
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= form.keys()
    asked = [part for part in form["body"] if part["type"] != "markdown"]
    assert len({part["id"] for part in asked}) == len(asked)
    assert all(part["attributes"]["label"] for part in asked)


def test_what_runs_before_a_commit_runs_in_ci() -> None:
    (local,) = yaml.safe_load(text(".pre-commit-config.yaml"))["repos"]
    for hook in local["hooks"]:
        assert hook["language"] == "system"  # the tested versions, not others
        assert f".venv/bin/{hook['name']}" in text(".ci/run")
