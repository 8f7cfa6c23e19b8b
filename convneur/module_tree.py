"""Where a model's cost is: its modules as a tree, each with all that it holds. Counted by `cost`, timed by `bench`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convneur.formats import significant
from convneur.results import Result, Table

__all__ = [
    "MOST_DEPTH",
    "ModuleCost",
    "ModuleShare",
    "ModuleTree",
    "depth_of",
    "module_label",
    "module_tree",
    "parent_of",
    "tree_terms",
]

MOST_DEPTH = 100


@dataclass(frozen=True)
class ModuleShare:
    """What one module does itself, its children's work left out.

    module: dotted path, "" for the model itself; a shared module goes by its first name. class_name: of its class.
    params: its own, a shared one with the first that has it. launches: operators that run something, so no views and no
    metadata. elementwise: elements that pointwise operators, reductions, norms, pooling and interpolation produced or
    took in, whichever is more. moved_bytes: what its operators read and write if each reads every tensor that it is
    given and writes its result, with no cache between them; a lookup reads as much as it gives.
    """

    module: str
    class_name: str
    params: int
    launches: int
    elementwise: int
    moved_bytes: int


@dataclass(frozen=True)
class ModuleCost:
    """What a module costs with all that it holds.

    module: dotted path, "" for the model itself. depth: the number of its parts. class_name: of its class. rest: what
    the module does itself, beside the rows of its children; its parameters likewise. params: a shared one once. macs:
    multiply-adds. elementwise, moved_bytes, launches: as `ModuleShare` has them.
    """

    module: str
    depth: int
    class_name: str
    rest: bool
    params: int
    macs: int
    elementwise: int
    moved_bytes: int
    launches: int

    @property
    def flops(self) -> int:
        """Floating-point operations of the multiply-adds: two for each."""
        return 2 * self.macs

    @property
    def intensity(self) -> float | None:
        """Arithmetic intensity: FLOPs of multiply-adds for each byte moved; None where nothing is moved."""
        return self.flops / self.moved_bytes if self.moved_bytes else None

    def to_dict(self) -> dict[str, Any]:
        return {
            "module": self.module,
            "class": self.class_name,
            "depth": self.depth,
            "rest": self.rest,
            "params": self.params,
            "macs": self.macs,
            "flops": self.flops,
            "elementwise": self.elementwise,
            "moved_bytes": self.moved_bytes,
            "intensity": self.intensity,
            "launches": self.launches,
        }


@dataclass(frozen=True)
class ModuleTree(Result):
    """A model's modules down to a depth, each with all that it holds, in the model's order; the first row is the model.

    title: what was counted, such as "m1 at 224".

    >>> import torch
    >>> from convneur.cost import count
    >>> layers = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU()).to("meta")
    >>> tree = count(layers, torch.empty(5, 3, device="meta")).tree(depth=1)
    >>> [(row.module, row.macs, row.moved_bytes) for row in tree.rows]
    [('', 120, 668), ('0', 120, 348), ('1', 0, 320)]
    """

    title: str
    rows: tuple[ModuleCost, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"title": self.title, "rows": [row.to_dict() for row in self.rows]}

    def records(self) -> Sequence[dict[str, Any]]:
        return [row.to_dict() for row in self.rows]

    def tables(self) -> Sequence[Table]:
        columns = ["module", "class", "params\nM", "MMACs", "share", "MB\nmoved", "share", "FLOPs\n/byte", "launches"]
        whole = self.rows[0]
        rows = [
            [
                module_label(row.module, rest=row.rest),
                "" if row.rest else row.class_name,
                f"{row.params / 1e6:.3f}",
                significant(row.macs / 1e6),
                _share(row.macs, whole.macs),
                significant(row.moved_bytes / 1e6),
                _share(row.moved_bytes, whole.moved_bytes),
                "-" if row.intensity is None else significant(row.intensity),
                str(row.launches),
            ]
            for row in self.rows
        ]
        return (Table(self.title, columns, rows, left=2, dense=True),)

    def sentences(self) -> Sequence[str]:
        return tree_terms()


def tree_terms() -> list[str]:
    """What the columns of a tree mean."""
    return [
        "MB moved: what all operators read and write, if each reads its tensors and writes its result with no cache "
        "between them. FLOPs/byte: arithmetic intensity, two FLOPs for each multiply-add; element-wise work is none. "
        "Launches: operators that run something. (rest): what a module does itself, beside the rows of its children."
    ]


def module_label(module: str, *, rest: bool) -> str:
    """How a row is called: by its path."""
    name = module or "(model)"
    return f"{name} (rest)" if rest else name


def module_tree(shares: Iterable[ModuleShare], macs: Mapping[str, int], *, depth: int) -> ModuleTree:
    """The modules of a counted model down to `depth` parts of their paths.

    Args: shares: of every module in the model's order; macs: multiply-adds that each module does itself.
    """
    shares = list(shares)
    sums: dict[str, list[int]] = {}
    own: dict[str, list[int]] = {}
    for share in shares:
        amounts = [share.params, macs.get(share.module, 0), share.elementwise, share.moved_bytes, share.launches]
        if depth_of(share.module) <= depth:
            own[share.module] = amounts
        for path in _lineage(share.module, depth):
            total = sums.setdefault(path, [0] * len(amounts))
            sums[path] = [a + b for a, b in zip(total, amounts, strict=True)]
    shown = [share for share in shares if share.module in sums]
    parents = {parent_of(share.module) for share in shown if share.module}
    rows = []
    for share in shown:
        at = depth_of(share.module)
        rows.append(ModuleCost(share.module, at, share.class_name, False, *sums[share.module]))
        if share.module in parents and any(own[share.module]):
            rows.append(ModuleCost(share.module, at + 1, share.class_name, True, *own[share.module]))
    return ModuleTree("", tuple(rows))


def depth_of(path: str) -> int:
    """The parts of a module's path; none of the model's own."""
    return path.count(".") + 1 if path else 0


def parent_of(path: str) -> str:
    """The module that holds another one."""
    return path.rpartition(".")[0]


def _lineage(path: str, depth: int) -> Iterator[str]:
    """The module and those that hold it, as far as they are shown."""
    parts = path.split(".") if path else []
    for number in range(min(len(parts), depth) + 1):
        yield ".".join(parts[:number])


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"
