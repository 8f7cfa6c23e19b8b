"""The paper's printed costs of ConvNeur and its ablations, each beside what the model built here costs.

A printed value is reproduced if ours rounds to its digits or lies within 1 % of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

import torch
from torch import nn

from convneur.cost.model_counter import ModelCounter, SizeCost
from convneur.model.attention import NonLocal, SelfAttention
from convneur.model.network import ConvNeur
from convneur.model.titans import SegmentAttention
from convneur.published import AblationRow, published
from convneur.variants import PRESETS, VARIANTS, ConvNeurConfig

__all__ = ["TOLERANCE", "PrintedCost", "RowVerdict", "TableName", "TableRow", "compare_printed", "printed_costs"]

TableName = Literal["imagenet", "placement", "branch", "fusion", "mem-dim", "segmentation"]
RowVerdict = Literal["reproduced", "differs"]
TOLERANCE = Decimal("0.01")  # of the printed value

_IMAGENET_SIDE = 224
_ABLATED = "m3"
_ADE20K_CLASSES = 150


@dataclass(frozen=True)
class PrintedCost:
    """A model whose cost the paper prints.

    setting: what sets the row apart in its table, as typed on the command line. gmacs: billions of multiply-adds at
    height x width pixels. params_m: millions. extra_params_m: millions over the ablated model. None: not printed.
    """

    table: TableName
    model: str
    setting: str
    config: ConvNeurConfig
    height: int
    width: int
    gmacs: Decimal
    params_m: Decimal | None = None
    extra_params_m: Decimal | None = None


@dataclass(frozen=True)
class TableRow:
    """A printed cost beside ours. paper_gmacs, full_gmacs: by either convention. why: of the verdict, one line."""

    printed: PrintedCost
    paper_gmacs: float
    full_gmacs: float
    params_m: float
    verdict: RowVerdict
    why: str

    @property
    def difference(self) -> float:
        """Ours by the paper's convention over the printed value, less 1."""
        return self.paper_gmacs / float(self.printed.gmacs) - 1


def printed_costs() -> tuple[PrintedCost, ...]:
    """Every model of ConvNeur's own whose cost is printed, in the paper's order; other authors' are left out.

    Choice: the dense models have chunks of 4096, as the paper's detectors; by its convention the length hardly counts.
    """
    paper = published()
    variants = [
        PrintedCost(
            table="imagenet",
            model=row.model,
            setting=f"{_IMAGENET_SIDE}x{_IMAGENET_SIDE}",
            config=VARIANTS[row.model],
            height=_IMAGENET_SIDE,
            width=_IMAGENET_SIDE,
            gmacs=row.gmacs,
            params_m=row.params_m,
        )
        for row in paper.imagenet
    ]
    base = VARIANTS[_ABLATED]
    ablations = [
        *(_ablation("placement", row, base.replace(memory=row.setting)) for row in paper.placement),
        *(_ablation("branch", row, base.replace(global_branch=row.setting)) for row in paper.branch),
        *(_ablation("fusion", row, base.replace(fusion=row.setting)) for row in paper.fusion),
        *(_ablation("mem-dim", row, base.replace(mem_dim=int(row.setting))) for row in paper.mem_dim),
    ]
    segmenters = [
        PrintedCost(
            table="segmentation",
            model=row.model,
            setting=row.head,
            config=VARIANTS[row.model].replace(head=row.head, num_classes=_ADE20K_CLASSES, **PRESETS["dense"]),
            height=row.height,
            width=row.width,
            gmacs=row.gmacs,
        )
        for row in paper.segmentation
        if row.model in VARIANTS
    ]
    return (*variants, *ablations, *segmenters)


def _ablation(table: TableName, row: AblationRow, config: ConvNeurConfig) -> PrintedCost:
    return PrintedCost(
        table=table,
        model=_ABLATED,
        setting=row.setting,
        config=config,
        height=_IMAGENET_SIDE,
        width=_IMAGENET_SIDE,
        gmacs=row.gmacs,
        extra_params_m=row.extra_params_m,
    )


def compare_printed(printed: PrintedCost) -> TableRow:
    """Build the model, count it by both conventions, and judge every value that is printed of it.

    Equation: reproduced if round(ours, printed digits) = printed or |ours / printed - 1| <= 0.01, for all of them.
    """
    net = ModelCounter(printed.config)
    cost = net.at(printed.height, printed.width)
    params = Decimal(net.params) / 10**6
    judged = [_judge(_giga(cost.macs_paper), printed.gmacs)]
    reasons = [judged[0].words]
    if printed.params_m is not None:
        judged.append(_judge(params, printed.params_m))
        reasons.append(f"parameters: {judged[-1].words}")
    if printed.extra_params_m is not None:
        extra = params - Decimal(ModelCounter(VARIANTS[_ABLATED]).params) / 10**6
        judged.append(_judge(extra, printed.extra_params_m))
        reasons.append(f"adds {extra:.3f} M parameters: {judged[-1].words}")
    note = _NOTES.get(printed.config.head) or _NOTES.get(printed.config.global_branch)
    if note is not None:
        reasons.append(note(printed, cost))
    return TableRow(
        printed=printed,
        paper_gmacs=cost.macs_paper / 1e9,
        full_gmacs=cost.macs_full / 1e9,
        params_m=float(params),
        verdict="reproduced" if all(one.agrees for one in judged) else "differs",
        why="; ".join(reasons),
    )


@dataclass(frozen=True)
class _Judged:
    agrees: bool
    words: str


def _judge(ours: Decimal, printed: Decimal) -> _Judged:
    if ours.quantize(printed, ROUND_HALF_UP) == printed:
        return _Judged(True, f"rounds to {printed}")
    off = ours / printed - 1
    words = f"{abs(off):.1%} {'over' if off > 0 else 'under'} {printed}"
    if abs(off) <= TOLERANCE:
        return _Judged(True, f"{words}, within {TOLERANCE:.0%}")
    return _Judged(False, words)


def _giga(macs: int) -> Decimal:
    return Decimal(macs) / 10**9


def _own_macs(config: ConvNeurConfig, cost: SizeCost, kind: type[nn.Module]) -> int:
    """Multiply-adds that modules of a kind do themselves, their linear layers apart."""
    with torch.device("meta"):
        modules = dict(ConvNeur(config).named_modules())
    return sum(macs for path, macs in cost.by_module().items() if isinstance(modules[path], kind))


# What a row needs said beside its values


def _self_attention(printed: PrintedCost, cost: SizeCost) -> str:
    products = _giga(_own_macs(printed.config, cost, SelfAttention))
    return f"the paper leaves out its attention products, {products:.3f} GMACs"


def _non_local(printed: PrintedCost, cost: SizeCost) -> str:
    products = _giga(_own_macs(printed.config, cost, NonLocal))
    return f"its attention products are in, {products:.3f} GMACs; inner width C_m / 2, no subsampling"


def _titans(printed: PrintedCost, cost: SizeCost) -> str:
    products = _own_macs(printed.config, cost, SegmentAttention)
    complete = _giga(cost.macs_paper + products)
    return (
        f"without its segments' attention products; with them {complete:.3f}, {_judge(complete, printed.gmacs).words}; "
        "built whole, as its source describes it, with a feed-forward of ratio 4, and not tuned to the printed value"
    )


def _ir_rwkv(printed: PrintedCost, cost: SizeCost) -> str:
    return "channel mixing of ratio 1; its mean over the tokens is element-wise, in neither count"


def _dense(printed: PrintedCost, cost: SizeCost) -> str:
    config = printed.config
    return (
        f"at {printed.height}x{printed.width}, {config.num_classes} classes, chunks of {config.chunk_length}; "
        "decode head without an auxiliary one"
    )


_NOTES: dict[str, Callable[[PrintedCost, SizeCost], str]] = {
    "self-attention": _self_attention,
    "non-local": _non_local,
    "titans": _titans,
    "ir-rwkv": _ir_rwkv,
    "semantic-fpn": _dense,
    "upernet": _dense,
}
