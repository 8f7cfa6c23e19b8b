"""Pages of the site that are made of files outside docs/, and the links between those.

mkdocs calls `on_files` and `on_page_markdown`. The README becomes the first page, the rooms' doors the API reference.
"""

import ast
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]

# A file of the repository -> its page.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    **{f"convneur/weights/{path.name}": f"weights/{path.name}" for path in sorted(ROOT.glob("convneur/weights/*.md"))},
    **{f"examples/{path.name}": f"examples/{path.stem}.md" for path in sorted(ROOT.glob("examples/*.py"))},
}
# Each has a page in the nav of mkdocs.yml.
DOORS = {
    "convneur": "convneur/__init__.py",
    **{
        path.parent.name: f"convneur/{path.parent.name}/__init__.py"
        for path in sorted(ROOT.glob("convneur/*/__init__.py"))
    },
    **{name: f"convneur/{name}.py" for name in ("torchmetrics", "timm")},
}
del DOORS["data"], DOORS["layers"], DOORS["model"]  # shelves: nothing is listed at their doors
# Users' pages come first in what the search finds.
_ABOUT = """---
search: {{boost: 0.3}}
---

# {0}

::: {0}
    options: {{show_root_heading: false, show_root_toc_entry: false, members: false}}"""
_LINK = re.compile(r"(\]\()([^)#:\s]+)(#[^)\s]*)?(\))")


def on_files(files: Files, config: Any) -> Files:
    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        _add(files, config, page, f"# {source}\n\n```python\n{text}```\n" if source.endswith(".py") else text)
    for name, source in DOORS.items():
        _add(files, config, f"api/{name}.md", _door(name, ROOT / source))
    _add(files, config, "api/index.md", _doors())
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links to files of the repository lead to their pages."""
    source = {made: given for given, made in PAGES.items()}.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    depth = page.file.src_uri.count("/")

    def to_page(found: re.Match[str]) -> str:
        before, target, anchor, after = found.groups(default="")
        path = (ROOT / source).parent.joinpath(target).resolve()
        if not path.is_relative_to(ROOT):
            return found[0]
        given = path.relative_to(ROOT).as_posix()
        inside = PAGES.get(given, given.removeprefix("docs/") if given.startswith("docs/") else None)
        return found[0] if inside is None else f"{before}{'../' * depth}{inside}{anchor}{after}"

    return _LINK.sub(to_page, markdown)


def _add(files: Files, config: Any, page: str, text: str) -> None:
    files.append(File.generated(config, page, content=text))


def _module(name: str) -> str:
    return name if name == "convneur" else f"convneur.{name}"


def _door(name: str, path: Path) -> str:
    """A page of all that a door lists: functions first, then classes, then constants."""
    said = _said(path)
    homes = said.get("_HOME", {})
    listed = said["__all__"] if isinstance(said.get("__all__"), list) else list(homes)
    home = {each: at if at.startswith("convneur.") else f"{_module(name)}.{at}" for each, at in homes.items()}
    public = [each for each in listed if not each.startswith("_")]
    names = sorted(public, key=lambda each: (each.isupper(), not each.islower(), each))
    parts = [_ABOUT.format(_module(name)), *(f"::: {home.get(each, _module(name))}.{each}" for each in names)]
    return "\n\n".join(parts) + "\n"


def _said(path: Path) -> dict[str, Any]:
    """The names that a module gives plain values at its top level."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            with suppress(ValueError):  # made by a call
                found[node.targets[0].id] = ast.literal_eval(node.value)
    return found


def _doors() -> str:
    lines = [
        "# Python API",
        "",
        "`import convneur` is enough: rooms and names load when they are first used.",
        "",
        "| | |",
        "|---|---|",
    ]
    for name, source in DOORS.items():
        docstring = ast.get_docstring(ast.parse((ROOT / source).read_text(encoding="utf-8"))) or ""
        lines.append(f"| [`{_module(name)}`]({name}.md) | {docstring.partition(chr(10))[0]} |")
    return "\n".join(lines) + "\n"
