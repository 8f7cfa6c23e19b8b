"""Docstrings as Markdown: their parts in bold, what they list as lists, their examples as code.

The parts are "Args:", "Returns:", "Raises:", "Choice:" and their like, inline or with lines below. No docstring parser
knows them all, and types stand in the signature.
"""

import ast
import re
import textwrap
from contextlib import suppress
from typing import Any

import griffe

__all__ = ["AsMarkdown", "as_markdown"]

_HEAD = re.compile(r"([A-Z]\w*):(?:\s+(.*))?$")
_ITEM = re.compile(r"(\*{0,2}\w+(?:, \*{0,2}\w+)*): (.*)$")
_DEEP = 4  # spaces


def as_markdown(docstring: str) -> str:
    lines = docstring.splitlines()
    made: list[str] = []
    while lines:
        line = lines.pop(0)
        if line.startswith(">>> "):
            made += ["", "```pycon", line, *_block(lines, lambda each: bool(each.strip())), "```", ""]
        elif head := _HEAD.match(line):
            below = _block(lines, lambda each: each.startswith(" " * _DEEP))
            made += ["", *_part(head[1], head[2] or "", below), ""]
        elif line.startswith(" " * _DEEP) and not (made and made[-1]):
            block = [line, *_block(lines, lambda each: not each or each.startswith(" " * _DEEP))]
            made += _coloured("\n".join(block).rstrip())
        else:
            made.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(made)).strip()


def _coloured(block: str) -> list[str]:
    """An indented block: of Python, if it is some; formulas and shell lines stay as they are."""
    code = textwrap.dedent(block)
    with suppress(SyntaxError):
        ast.parse(code)
        return ["```python", code, "```", ""]
    return [block, ""]


def _block(lines: list[str], belongs: Any) -> list[str]:
    """The lines at the start that belong, taken away."""
    taken = []
    while lines and belongs(lines[0]):
        taken.append(lines.pop(0))
    return taken


def _part(name: str, inline: str, below: list[str]) -> list[str]:
    if inline:
        return [f"**{name}:** {_item(' '.join([inline, *(line.strip() for line in below)]))}"]
    items: list[str] = []
    for line in below:
        if line.startswith(" " * (_DEEP + 1)) and items:
            items[-1] += f" {line.strip()}"
        else:
            items.append(line.strip())
    return [f"**{name}:**", "", *(f"- {_item(item)}" for item in items)]


def _item(text: str) -> str:
    found = _ITEM.match(text)
    if not found:
        return text
    names = ", ".join(f"`{name}`" for name in found[1].split(", "))
    return f"{names}: {found[2]}"


class AsMarkdown(griffe.Extension):
    """Rewrites every docstring that mkdocstrings shows."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)
