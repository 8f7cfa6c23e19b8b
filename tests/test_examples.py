"""What the examples and the benchmarks take of convneur is there, whatever else they need."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted([*(ROOT / "examples").glob("*.py"), *(ROOT / "benchmarks").glob("*.py")])


def imported(path: Path) -> list[tuple[str, str]]:
    """Module and name of each import from convneur, wherever it stands."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.ImportFrom)
            and node.module
            and node.module.split(".")[0] in ("convneur", "convneur_cli")
        ):
            found += [(node.module, name.name) for name in node.names]
    return found


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_what_a_script_imports_is_there(path: Path) -> None:
    for module, name in imported(path):
        if module in ("convneur.timm", "convneur.torchmetrics", "convneur.hub"):
            pytest.importorskip(module.removeprefix("convneur.").replace("hub", "huggingface_hub"))
        assert hasattr(import_module(module), name) or import_module(f"{module}.{name}")


def test_imports_are_found() -> None:
    assert ("convneur.study.runs", "StudyRun") in imported(ROOT / "examples" / "transfer.py")
