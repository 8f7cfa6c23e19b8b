"""Who may import whom. The rooms' doors are few; this walks every import and fails on a breach."""

import ast
import re
import subprocess
import sys
from inspect import isclass, isroutine
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# What each room may import besides the standard library and itself.
ALLOWED = {
    "convneur.__main__": {"convneur_cli"},  # `python -m convneur`
    "convneur.errors": set(),
    "convneur.progress": {"convneur.formats"},
    "convneur.formats": set(),
    "convneur.files": {"convneur.errors"},
    "convneur.results": {"convneur.errors", "convneur.files", "convneur.formats"},
    "convneur.resampling": {"numpy"},
    "convneur.published": set(),
    "convneur.packaged": {"convneur.errors", "convneur.files", "convneur.stand_ins"},
    "convneur.module_tree": {"convneur.formats", "convneur.results"},
    "convneur.sizes": {"convneur.errors"},
    "convneur.claims": {"convneur.errors", "convneur.formats", "convneur.sizes"},
    "convneur.stand_ins": set(),
    "convneur.cores": set(),
    "convneur.schema": {"convneur.errors"},
    "convneur.tensor_files": {"safetensors", "torch", "convneur.errors", "convneur.files", "convneur.stand_ins"},
    "convneur.variants": {"convneur.errors", "convneur.schema"},
    "convneur.graphs": {"convneur.errors", "convneur.schema", "convneur.variants"},
    "convneur.model": {"torch", "convneur.variants"},
    "convneur.cards": {"yaml", "convneur.variants"},
    "convneur.checkpoints": {
        "torch", "convneur.errors", "convneur.files", "convneur.model", "convneur.packaged", "convneur.schema",
        "convneur.tensor_files", "convneur.variants"},
    "convneur.data": {
        "PIL", "numpy", "pycocotools", "tifffile", "yaml", "convneur.errors", "convneur.formats", "convneur.schema",
        "convneur.stand_ins"},
    "convneur.metrics": {
        "numba", "numpy", "scipy", "skimage", "convneur.errors", "convneur.formats", "convneur.resampling",
        "convneur.results"},
    "convneur.torchmetrics": {"torch", "torchmetrics", "convneur.metrics"},
    "convneur.hub": {
        "huggingface_hub", "torch", "convneur.cards", "convneur.checkpoints", "convneur.errors", "convneur.model",
        "convneur.packaged", "convneur.variants"},
    "convneur.timm": {
        "timm", "torch", "convneur.errors", "convneur.model", "convneur.packaged", "convneur.variants"},
    "convneur.detection": {
        "PIL", "numpy", "torch", "torchvision", "convneur.checkpoints", "convneur.data", "convneur.errors",
        "convneur.model", "convneur.packaged", "convneur.schema", "convneur.tensor_files", "convneur.variants"},
    "convneur.cost": {
        "fvcore", "torch", "convneur.claims", "convneur.detection", "convneur.errors", "convneur.formats",
        "convneur.model", "convneur.module_tree", "convneur.progress", "convneur.published", "convneur.results",
        "convneur.schema", "convneur.sizes", "convneur.variants"},
    "convneur.peers": {
        "convneur.cost", "convneur.errors", "convneur.formats", "convneur.progress", "convneur.published",
        "convneur.results", "convneur.schema"},
    "convneur.auditing": {
        "convneur.bench", "convneur.claims", "convneur.cost", "convneur.errors", "convneur.formats", "convneur.peers",
        "convneur.progress", "convneur.results", "convneur.sizes", "convneur.variants"},
    "convneur.bench": {
        "numpy", "torch", "convneur.cores", "convneur.cost", "convneur.data", "convneur.errors", "convneur.formats",
        "convneur.graphs", "convneur.inference", "convneur.model", "convneur.module_tree", "convneur.packaged",
        "convneur.progress", "convneur.results", "convneur.sizes", "convneur.variants"},
    "convneur.layers": {"torch", "convneur.cost", "convneur.data", "convneur.errors"},
    "convneur.gates": {
        "PIL", "numpy", "torch", "convneur.checkpoints", "convneur.cost", "convneur.data", "convneur.errors",
        "convneur.files", "convneur.formats", "convneur.layers", "convneur.model", "convneur.packaged",
        "convneur.progress", "convneur.resampling", "convneur.results", "convneur.tensor_files", "convneur.variants"},
    "convneur.reach": {
        "PIL", "numpy", "torch", "convneur.checkpoints", "convneur.cost", "convneur.data", "convneur.errors",
        "convneur.files", "convneur.formats", "convneur.layers", "convneur.model", "convneur.packaged",
        "convneur.progress", "convneur.results", "convneur.sizes", "convneur.variants"},
    "convneur.inference": {
        "PIL", "numpy", "torch", "convneur.checkpoints", "convneur.data", "convneur.errors", "convneur.files",
        "convneur.detection", "convneur.formats", "convneur.graphs", "convneur.model", "convneur.packaged",
        "convneur.progress", "convneur.results", "convneur.schema", "convneur.variants"},
    "convneur.instances": {
        "numpy", "scipy", "convneur.data", "convneur.errors", "convneur.evaluation", "convneur.figures",
        "convneur.files", "convneur.formats", "convneur.metrics", "convneur.progress", "convneur.resampling",
        "convneur.results"},
    "convneur.evaluation": {
        "PIL", "distributed", "numpy", "convneur.cores", "convneur.data", "convneur.errors", "convneur.figures",
        "convneur.files", "convneur.formats", "convneur.metrics", "convneur.progress", "convneur.results",
        "convneur.schema"},
    "convneur.training": {
        "accelerate", "filelock", "numpy", "torch", "convneur.checkpoints", "convneur.cores", "convneur.data",
        "convneur.detection", "convneur.errors", "convneur.figures", "convneur.files", "convneur.formats",
        "convneur.inference", "convneur.instances", "convneur.model", "convneur.packaged", "convneur.progress",
        "convneur.results", "convneur.schema", "convneur.tensor_files", "convneur.variants"},
    "convneur.study": {
        "accelerate", "numpy", "torch", "convneur.cost", "convneur.data", "convneur.errors", "convneur.evaluation",
        "convneur.figures", "convneur.files", "convneur.formats", "convneur.inference", "convneur.metrics",
        "convneur.progress", "convneur.published", "convneur.results", "convneur.schema", "convneur.training",
        "convneur.variants"},
    "convneur.exporting": {
        "numpy", "onnx", "onnxruntime", "onnxscript", "openvino", "torch", "convneur.data", "convneur.errors",
        "convneur.files", "convneur.formats", "convneur.graphs", "convneur.inference", "convneur.model",
        "convneur.packaged", "convneur.progress", "convneur.results", "convneur.sizes", "convneur.variants"},
    "convneur.figures": {
        "PIL", "matplotlib", "numpy", "convneur.auditing", "convneur.bench", "convneur.cost", "convneur.data",
        "convneur.errors",
        "convneur.formats", "convneur.gates", "convneur.inference", "convneur.metrics", "convneur.peers",
        "convneur.published", "convneur.reach", "convneur.study", "convneur.variants"},
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


# -- The rules of CONTRIBUTING.md that a newcomer can infer and a machine can hold --

PACKAGES = sorted(path.parent for path in (ROOT / "convneur").glob("*/__init__.py"))
CLI_FILES = sorted((ROOT / "convneur_cli").rglob("*.py"))
MOST_NAMES, MOST_CLI_LINES, MOST_BODY_LINES, LARGEST_ROOM = 20, 4200, 60, 0.2
# Rooms that hold parts and no verb: others take what they need from their files.
SHELVES = {"data", "layers", "metrics", "model"}


def door_of(package: Path) -> list[str]:
    from importlib import import_module

    names: list[str] = getattr(import_module(f"convneur.{package.name}"), "__all__", [])
    return names


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_door_is_small_and_no_file_hides_a_name_at_it(package: Path) -> None:
    names = door_of(package)
    # Functions of metrics and figures are the rooms' content, not their machinery.
    counted = [name for name in names if package.name not in ("metrics", "figures") or not name.islower()]
    assert len(counted) <= MOST_NAMES
    assert not {path.stem for path in package.glob("*.py")} & set(names)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_every_name_at_a_door_has_an_example(package: Path) -> None:
    """`tests/test_doctests.py` runs them."""
    from importlib import import_module

    room = import_module(f"convneur.{package.name}")
    named = {name: getattr(room, name) for name in door_of(package)}
    described = {name: each for name, each in named.items() if isclass(each) or isroutine(each)}
    assert [name for name, each in described.items() if ">>> " not in (each.__doc__ or "")] == []


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_every_name_at_a_door_loads(package: Path) -> None:
    from importlib import import_module

    room = import_module(f"convneur.{package.name}")
    for name in door_of(package):
        assert getattr(room, name) is not None


def test_rooms_use_each_others_doors() -> None:
    found = []
    for path in ROOM_FILES:
        own = path.relative_to(ROOT).parts[1]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("convneur."):
                parts = str(node.module).split(".")
                if len(parts) > 2 and parts[1] not in SHELVES | {own}:
                    found.append(f"{path.relative_to(ROOT)} imports {node.module}")
    assert found == []


def test_no_circle_of_rooms() -> None:
    rooms: dict[str, set[str]] = {}
    for path in ROOM_FILES:
        room = room_of(path)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in _run_time(tree):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("convneur."):
                other = ".".join(str(node.module).split(".")[:2])
                if other != room:
                    rooms.setdefault(room, set()).add(other)
    assert _circle(rooms) is None


@pytest.mark.parametrize("package", ["convneur", "convneur_cli"])
def test_no_circle_of_files(package: str) -> None:
    files: dict[str, set[str]] = {}
    for path in (ROOT / package).rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if path.stem == "__init__":  # a door imports its files
            continue
        for node in _run_time(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                files.setdefault(name, set()).add(str(node.module))
    assert _circle(files) is None


def _run_time(tree: ast.Module) -> list[ast.AST]:
    """Every node but those under `if TYPE_CHECKING`, inside functions too."""
    found: list[ast.AST] = []
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        found.append(node)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        waiting += ast.iter_child_nodes(node)
    return found


def _circle(graph: dict[str, set[str]]) -> list[str] | None:
    """The names along a circle, None where there is none."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str] | None:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return None
        for other in sorted(graph.get(name, ())):
            if circle := walk(other, [*path, name]):
                return circle
        done.add(name)
        return None

    return next((circle for name in sorted(graph) if (circle := walk(name, []))), None)


def test_the_search_for_circles_finds_one() -> None:
    assert _circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


LIBRARY = sorted({*(ROOT / "convneur").rglob("*.py")} - {ROOT / "convneur" / "__main__.py"})  # of `python -m convneur`


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_library_knows_nothing_of_the_command_line(path: Path) -> None:
    assert not {"typer", "rich", "convneur_cli"} & {name.split(".")[0] for name in imports(path)}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]
    assert [text for text in texts if re.search(r"(^|[\s(`'\"])--[a-z]", text)] == []


def test_the_command_line_only_parses_calls_and_shows() -> None:
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in CLI_FILES)
    assert lines <= MOST_CLI_LINES


COMMANDS = sorted((ROOT / "convneur_cli" / "commands").glob("*.py"))


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.stem)
def test_a_command_is_short_and_imports_no_other(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert int(node.end_lineno or 0) - node.body[0].lineno + 1 <= MOST_BODY_LINES, node.name
    others = {f"convneur_cli.commands.{other.stem}" for other in COMMANDS} - {f"convneur_cli.commands.{path.stem}"}
    assert not imports(path) & others


def test_files_are_decoded_in_one_place() -> None:
    """Where formats are named and headers judged first: `convneur/data/decoding.py`, and `labels.py` for arrays."""
    calls = re.compile(r"\b(Image\.open|np\.load|numpy\.load|imread|TiffFile|plt\.imread)\(")
    found = {
        str(path.relative_to(ROOT)): sorted(set(calls.findall(path.read_text(encoding="utf-8"))))
        for folder in ("convneur", "convneur_cli", "examples", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert {path: names for path, names in found.items() if names} == {
        "convneur/data/decoding.py": ["Image.open"],
        "convneur/data/labels.py": ["np.load"],
        "convneur/data/tiff.py": ["TiffFile"],
    }


def test_no_room_is_larger_than_a_fifth() -> None:
    lines: dict[str, int] = {}
    for folder in ("convneur", "convneur_cli"):
        for path in (ROOT / folder).rglob("*.py"):
            room = ".".join(path.relative_to(ROOT).parts[:2]) if folder == "convneur" else folder
            lines[room] = lines.get(room, 0) + len(path.read_text(encoding="utf-8").splitlines())
    total = sum(lines.values())
    assert {room: count for room, count in lines.items() if count > LARGEST_ROOM * total} == {}


# Of the package's own files: the name is one of a list.
READS_OWN_FILES = {"convneur/packaged.py", "convneur/training/settings.py"}


@pytest.mark.parametrize(
    "path", sorted((ROOT / "convneur").rglob("*.py")) + CLI_FILES, ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_path_is_made_of_a_name_by_output_path_alone(path: Path) -> None:
    """What a name was read from may be anybody's: `folder / f"{name}.png"` can lead anywhere."""
    if str(path.relative_to(ROOT)) in {"convneur/files.py", *READS_OWN_FILES}:
        return
    made = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and isinstance(node.right, ast.JoinedStr)
    ]
    assert made == []
