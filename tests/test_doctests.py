"""Examples in docstrings run, wherever one stands."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ELSEWHERE = {"convneur.timm"}  # needs timm: tests/timm runs its examples
WITH_EXAMPLES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "convneur").rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
}
MODULES = sorted(WITH_EXAMPLES - ELSEWHERE)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    failed, attempted = doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS)
    assert attempted > 0
    assert failed == 0
