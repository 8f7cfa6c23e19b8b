"""Who may import whom. The rooms' doors are few; this walks every import and fails on a breach."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# What each room may import besides the standard library and itself.
ALLOWED = {
    "convneur.errors": set(),
    "convneur.files": {"convneur.errors"},
    "convneur.formats": set(),
    "convneur.progress": set(),
    "convneur.results": {"convneur.errors", "convneur.files", "convneur.formats"},
    "convneur.variants": {"convneur.errors"},
    "convneur.published": set(),
    "convneur.packaged": {"convneur.files"},
    "convneur.resampling": {"numpy"},
    "convneur.model": {"torch", "convneur.errors", "convneur.variants"},
    "convneur.checkpoints": {
        "torch", "safetensors", "convneur.errors", "convneur.files", "convneur.model", "convneur.variants"},
    "convneur.cost": {
        "torch", "fvcore", "convneur.errors", "convneur.model", "convneur.published", "convneur.variants"},
    "convneur.gates": {
        "torch", "numpy", "convneur.checkpoints", "convneur.errors", "convneur.model", "convneur.resampling",
        "convneur.variants"},
    "convneur.metrics": {"numba", "numpy", "scipy", "convneur.errors", "convneur.resampling"},
    "convneur.data": {"numpy", "PIL", "convneur.errors"},
    "convneur.inference": {"torch", "numpy", "PIL", "convneur.data", "convneur.model"},
    "convneur.training": {
        "PIL", "accelerate", "convneur.checkpoints", "convneur.data", "convneur.errors", "convneur.figures", "convneur.files", "convneur.formats", "convneur.inference", "convneur.metrics", "convneur.model", "convneur.packaged", "convneur.progress", "convneur.results", "convneur.variants", "filelock", "numpy", "safetensors", "torch"},
    "convneur.evaluation": {
        "PIL", "distributed", "numpy", "convneur.data", "convneur.errors", "convneur.figures", "convneur.files",
        "convneur.formats", "convneur.metrics", "convneur.progress", "convneur.results"},
    "convneur.figures": {
        "matplotlib", "numpy", "PIL", "convneur.errors", "convneur.cost", "convneur.gates", "convneur.metrics",
        "convneur.published", "convneur.variants"},
}  # fmt: skip


def room_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return "convneur" if parts == ("convneur", "__init__") else ".".join(parts[:2])


def imports(path: Path) -> set[str]:
    """Absolute names of what a file imports, inside functions too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return found


def breaches(path: Path) -> list[str]:
    room = room_of(path)
    allowed = ALLOWED[room] | {room}
    found = []
    for name in imports(path):
        top = name.split(".")[0]
        if top in sys.stdlib_module_names:
            continue
        if name == "convneur" or not any(
            name == ok or name.startswith(ok + ".") or ok.startswith(name + ".") for ok in allowed
        ):
            found.append(f"{path.relative_to(ROOT)} imports {name}")
    return found


ROOM_FILES = sorted(path for path in (ROOT / "convneur").rglob("*.py") if room_of(path) != "convneur")


@pytest.mark.parametrize("path", ROOM_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_keep_to_their_doors(path: Path) -> None:
    assert breaches(path) == []


def test_the_walk_sees_a_breach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = tmp_path / "convneur" / "metrics" / "bad.py"
    bad.parent.mkdir(parents=True)
    bad.write_text("import numpy\ndef f():\n    import torch\n")
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert breaches(bad) == [f"{Path('convneur/metrics/bad.py')} imports torch"]


HEAVY = {"torch", "matplotlib", "scipy", "skimage", "fvcore", "numpy", "accelerate"}


@pytest.mark.parametrize("path", sorted((ROOT / "convneur_cli").rglob("*.py")), ids=lambda path: path.name)
def test_commands_load_heavy_rooms_inside_their_bodies(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:  # the module's own level only
        if isinstance(node, ast.Import):
            names = {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {str(node.module).split(".")[0]}
        else:
            continue
        assert not names & HEAVY, f"{path.name} loads {names & HEAVY} when the command line starts"


def test_importing_convneur_alone_loads_no_torch() -> None:
    code = "import convneur, sys; convneur.VARIANTS; assert not {'torch', 'numpy', 'matplotlib'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_of_the_package_loads() -> None:
    import convneur

    for name in convneur.__all__:
        assert getattr(convneur, name) is not None
    with pytest.raises(AttributeError, match="nothing_such"):
        convneur.nothing_such  # noqa: B018
