"""The paper's Figure 2, drawn from a model that was built: its stages, and the block they are made of."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Polygon, Rectangle

from convneur.formats import millions, significant
from convneur.variants import DENSE_HEADS, VARIANTS, ConvNeurConfig

if TYPE_CHECKING:
    from convneur.cost import Architecture

__all__ = ["architecture_figure"]

# Okabe and Ito's blue and orange, with paler ones for grounds.
_BLUE, _ORANGE, _GREEN = "#0072B2", "#B85C00", "#1a9641"
_PALE_BLUE, _PALE_ORANGE, _PALE_GREY = "#E9F2F9", "#FDF3E7", "#F6F6F6"
_INK, _GREY, _LINE = "#222222", "#666666", "#9A9A9A"
_SMALL, _NORMAL, _LARGE = 8.5, 9.5, 14

# Inches. The page is 1200 px wide at 109 dpi, where 8.5 pt type is 13 px high.
_WIDTH, _MARGIN = 11.0, 0.25
_STAGES_TOP, _STAGES_HEIGHT = 1.12, 1.42
_STAGE_WIDTH, _SIDE_WIDTH, _GAP, _STEP = 1.54, 0.86, 0.18, 0.32
_BLOCKS, _BLOCK_HEIGHT = 0.82, 0.4  # below a stage's top
_BLOCK_TOP = 2.95
_RESIDUAL, _LOCAL, _GLOBAL = 3.55, 4.25, 5.85  # heights of the block's three lanes
_END = 9.35  # where the lanes meet

_MIXERS = {
    "cbam": ("CBAM", "attention over channels, then over positions"),
    "non-local": ("Non-local block", "every position looks at every other, one head"),
    "self-attention": ("Self-attention", "every position looks at every other, {num_heads} heads"),
    "ir-rwkv": ("RWKV", "means over all tokens that weigh near ones more"),
    "titans": ("Titans, memory as context", "a neural memory, and attention within its chunks"),
}


@style.context("default")
def architecture_figure(model: "Architecture") -> Figure:
    """Draw the stages with their real widths, depths, maps and chunks, and under them the block.

    No pyplot state and no setting of matplotlib is touched; save with `figure.savefig`.

    Args:    model: from `convneur.cost.describe_architecture`.
    Returns: a figure 11 inches wide; lower where no block has a global branch.

    >>> import convneur.cost
    >>> len(architecture_figure(convneur.cost.describe_architecture("m1")).axes)
    1
    """
    with_global = any(any(stage.has_global) for stage in model.stages)
    bottom = 7.05 if with_global else 4.85  # of the block's panel
    unwritten = model.config.first_chunk_reads_start and any(stage.chunks == 1 for stage in model.stages)
    page = _Page(_WIDTH, bottom + (0.72 if unwritten else 0.48))
    _draw_title(page, model)
    _draw_zoom(page, _draw_stages(page, model))
    page.box(_MARGIN, _BLOCK_TOP, _WIDTH - 2 * _MARGIN, bottom - _BLOCK_TOP, fill="white")
    _draw_block(page, model.config, with_global=with_global)
    if with_global:
        _draw_global(page, model.config)
    _draw_key(page, bottom + 0.22, model.config, with_global=with_global)
    if unwritten:
        words = "1 chunk: its read comes before any write and sees the learned $M_0$ alone, the same for every image."
        page.text(_MARGIN, bottom + 0.47, words, size=_SMALL, color=_BLUE, ha="left", math=True)
    return page.figure


def _draw_title(page: "_Page", model: "Architecture") -> None:
    name = model.name if len(model.name) <= 40 else f"…{model.name[-39:]}"
    variant = VARIANTS.get(model.name)
    title = f"ConvNeur of {name}" if variant is None else f"ConvNeur-{name.upper()}"
    page.text(_MARGIN, 0.36, title, size=_LARGE, weight="bold", ha="left")
    own = model.config.to_dict()
    changed = [f"{key} {own[key]}" for key, value in (variant or model.config).to_dict().items() if own[key] != value]
    if changed:
        words = textwrap.shorten(f"with {', '.join(changed)}", 110, placeholder=" …")
        page.text(_WIDTH - _MARGIN, 0.36, words, size=_SMALL, ha="right")
    full, paper = (
        f"{macs / 1e9:.3f} G" if macs >= 1e8 else f"{significant(macs / 1e9)} G"
        for macs in (model.macs_full, model.macs_paper)
    )
    cost = (
        f"{millions(model.params)} M parameters.  {full} multiply-adds at {model.height}×{model.width}, "
        f"everything executed; {paper} by the paper's convention."
    )
    page.text(_MARGIN, 0.65, cost, color=_GREY, ha="left")


# The model


def _draw_stages(page: "_Page", model: "Architecture") -> tuple[float, float]:
    """The row of stages. Returns: left and right of the block to look into, the first with a global branch if any."""
    config, middle = model.config, _STAGES_TOP + _STAGES_HEIGHT / 2
    x = _MARGIN
    page.box(x, middle - 0.4, _SIDE_WIDTH, 0.8, fill=_PALE_GREY)
    page.text(x + _SIDE_WIDTH / 2, middle - 0.13, "Image", weight="bold")
    page.text(x + _SIDE_WIDTH / 2, middle + 0.1, f"{model.height}×{model.width}", size=_SMALL)
    x += _SIDE_WIDTH
    page.arrow((x, middle), (x + _GAP, middle))
    x += _GAP
    page.box(x, middle - 0.4, _SIDE_WIDTH, 0.8, fill=_PALE_GREY)
    page.text(x + _SIDE_WIDTH / 2, middle - 0.22, "Stem", weight="bold")
    page.text(x + _SIDE_WIDTH / 2, middle, "4×4 conv", size=_SMALL)
    page.text(x + _SIDE_WIDTH / 2, middle + 0.18, "stride 4, LN", size=_SMALL)
    x += _SIDE_WIDTH
    looked_into: dict[bool, tuple[float, float]] = {}
    tops = []
    for number, stage in enumerate(model.stages):
        gap = _GAP if stage.stage == 1 else _STEP
        page.arrow((x, middle), (x + gap, middle))
        if number and stage.stride > model.stages[number - 1].stride:
            page.text(x + gap / 2, middle - 0.13, "÷2", size=_SMALL, color=_GREY)
        x += gap
        for has_global, place in _draw_stage(page, x, model, number).items():
            looked_into.setdefault(has_global, place)
        tops.append(x + _STAGE_WIDTH / 2)
        x += _STAGE_WIDTH
    _draw_head(page, x, tops, config)
    return looked_into.get(True) or looked_into[False]


def _draw_stage(page: "_Page", x: float, model: "Architecture", number: int) -> dict[bool, tuple[float, float]]:
    """Returns: left and right of the stage's first block with a global branch, and of its first without one."""
    stage, config = model.stages[number], model.config
    page.box(x, _STAGES_TOP, _STAGE_WIDTH, _STAGES_HEIGHT, fill=_PALE_GREY)
    centre = x + _STAGE_WIDTH / 2
    page.text(centre, _STAGES_TOP + 0.2, f"Stage {stage.stage}", weight="bold")
    page.text(centre, _STAGES_TOP + 0.42, f"{stage.height}×{stage.width}, C = {stage.channels}", size=_SMALL)
    if stage.chunks:
        chunks = f"{stage.chunks} chunks of {stage.chunk_length}"
        if stage.chunks == 1:
            chunks = "1 chunk: reads $M_0$" if config.first_chunk_reads_start else "1 chunk"
        page.text(centre, _STAGES_TOP + 0.62, chunks, size=_SMALL, color=_BLUE, math=True)
    places: dict[bool, tuple[float, float]] = {}
    pitch = min(0.2, (_STAGE_WIDTH - 0.16) / len(stage.has_global))
    left = centre - pitch * len(stage.has_global) / 2
    for has_global in stage.has_global:
        width = 0.75 * pitch
        start = left + (pitch - width) / 2
        colour = _BLUE if has_global else "white"
        page.rectangle(
            start, _STAGES_TOP + _BLOCKS, width, _BLOCK_HEIGHT, fill=colour, edge=_BLUE if has_global else _ORANGE
        )
        places.setdefault(has_global, (start, start + width))
        left += pitch
    return places


def _draw_head(page: "_Page", x: float, stages: Sequence[float], config: ConvNeurConfig) -> None:
    middle = _STAGES_TOP + _STAGES_HEIGHT / 2
    lines = {
        "classifier": ("pool, LN, linear", f"{config.num_classes} classes"),
        "none": ("pool",),
        "semantic-fpn": ("Semantic FPN", f"{config.num_classes} classes"),
        "light-fpn": ("light FPN", f"{config.num_classes} classes"),
        "upernet": ("UPerNet", f"{config.num_classes} classes"),
    }[config.head]
    left = x + _GAP
    width = _WIDTH - _MARGIN - left
    page.box(left, middle - 0.4, width, 0.8, fill=_PALE_GREY)
    page.text(left + width / 2, middle - 0.22, "Head", weight="bold")
    for number, line in enumerate(lines):
        page.text(left + width / 2, middle + 0.18 * number, line, size=_SMALL)
    page.arrow((x, middle), (left, middle))
    if config.head in DENSE_HEADS:  # these take every stage's map
        rail = _STAGES_TOP - 0.14
        for stage in stages[:-1]:
            page.line((stage, _STAGES_TOP), (stage, rail))
        page.line((stages[0], rail), (left + width / 2, rail))
        page.arrow((left + width / 2, rail), (left + width / 2, middle - 0.4))


def _draw_zoom(page: "_Page", block: tuple[float, float]) -> None:
    """From a block down through its stage's box, then out to the panel."""
    left, right = block
    foot, edge = _STAGES_TOP + _BLOCKS + _BLOCK_HEIGHT, _STAGES_TOP + _STAGES_HEIGHT
    down = [(right, foot), (right, edge), (_WIDTH - _MARGIN, _BLOCK_TOP), (_MARGIN, _BLOCK_TOP), (left, edge)]
    page.polygon([(left, foot), *down])


# The block


def _draw_block(page: "_Page", config: ConvNeurConfig, *, with_global: bool) -> None:
    """The residual and the local lane, and where they meet."""
    fused = {
        "gating": r"X + \mathrm{DropPath}(\sigma(G) \odot F_{loc})",
        "addition": r"X + \mathrm{DropPath}(F_{loc} + G)",
        "concat": r"X + \mathrm{DropPath}(W\,[F_{loc};\,G])",
    }[config.fusion]
    if not with_global:
        fused = r"X + \mathrm{DropPath}(F_{loc})"
    title = "The block"
    if with_global and config.memory == "per-stage":
        title = "The first block of a stage"
    page.text(_MARGIN + 0.15, _BLOCK_TOP + 0.23, title, weight="bold", size=_NORMAL + 1, ha="left")
    page.text(
        _WIDTH - _MARGIN - 0.15, _BLOCK_TOP + 0.23, f"$F_{{out}} = {fused}$", ha="right", size=_NORMAL + 1, math=True
    )

    page.box(1.05, _LOCAL - 0.43, 7.6, 0.86, fill=_PALE_ORANGE, edge="none")
    page.text(8.55, _LOCAL - 0.3, "Local branch", color=_ORANGE, weight="bold", ha="right")
    steps = [
        (1.25, 1.75, f"{config.kernel_size}×{config.kernel_size} depthwise\nconvolution"),
        (3.35, 0.85, "LayerNorm"),
        (4.55, 2.35, f"1×1 convolutions\nC → {config.mlp_ratio}C, GELU, {config.mlp_ratio}C → C"),
    ]
    start = 0.62
    for x, width, words in steps:
        page.arrow((start, _LOCAL), (x, _LOCAL))
        page.box(x, _LOCAL - 0.27, width, 0.54, fill="white", edge=_ORANGE)
        page.text(x + width / 2, _LOCAL, words, size=_SMALL)
        start = x + width

    page.text(0.5, _LOCAL, "$X$", size=_NORMAL + 2, math=True)
    page.line((0.5, _LOCAL - 0.13), (0.5, _RESIDUAL))
    page.line((0.5, _RESIDUAL), (10.28, _RESIDUAL))
    page.arrow((10.28, _RESIDUAL), (10.28, _LOCAL - 0.13))
    page.text(5.4, _RESIDUAL + 0.1, "residual", size=_SMALL, color=_GREY)
    page.text(7.85, _LOCAL + 0.16, "$F_{loc}$", math=True)
    if not with_global:
        page.arrow((start, _LOCAL), (10.15, _LOCAL))
    elif config.fusion == "concat":
        page.arrow((start, _LOCAL), (8.95, _LOCAL))
        page.box(8.95, _LOCAL - 0.27, 0.8, 0.54, fill="white", edge=_GREEN)
        page.text(_END, _LOCAL, "1×1 conv\n2C → C", size=_SMALL)
        page.arrow((9.75, _LOCAL), (10.15, _LOCAL))
    else:
        page.arrow((start, _LOCAL), (_END - 0.13, _LOCAL))
        page.operation(_END, _LOCAL, "times" if config.fusion == "gating" else "plus", colour=_GREEN)
        page.arrow((_END + 0.13, _LOCAL), (10.15, _LOCAL))
    page.operation(10.28, _LOCAL, "plus", colour=_INK)
    page.arrow((10.41, _LOCAL), (10.62, _LOCAL))
    page.text(10.67, _LOCAL + 0.16, "$F_{out}$", ha="right", math=True)


def _draw_global(page: "_Page", config: ConvNeurConfig) -> None:
    """The lane of the global branch, from X up to the local lane."""
    page.box(1.05, _GLOBAL - 1.02, 7.6, 2.04, fill=_PALE_BLUE, edge="none")
    page.text(1.25, _GLOBAL - 0.82, "Global branch", color=_BLUE, weight="bold", ha="left")
    page.line((0.5, _LOCAL + 0.13), (0.5, _GLOBAL))
    page.arrow((0.5, _GLOBAL), (1.25, _GLOBAL))
    page.box(1.25, _GLOBAL - 0.35, 0.85, 0.7, fill="white", edge=_BLUE)
    page.text(1.675, _GLOBAL, f"1×1 conv\nC → {config.mem_dim}", size=_SMALL)
    if config.global_branch == "neural-memory":
        _draw_memory(page, config)
    else:
        # A branch that is new here goes by its name.
        name, about = _MIXERS.get(config.global_branch, (config.global_branch, ""))
        page.arrow((2.1, _GLOBAL), (2.45, _GLOBAL))
        page.box(2.45, _GLOBAL - 0.45, 4.75, 0.9, fill="white", edge=_BLUE)
        page.text(4.825, _GLOBAL - 0.13, name, weight="bold")
        page.text(4.825, _GLOBAL + 0.13, about.format(num_heads=config.num_heads), size=_SMALL)
        page.arrow((7.2, _GLOBAL), (7.6, _GLOBAL))
    page.box(7.6, _GLOBAL - 0.35, 0.85, 0.7, fill="white", edge=_BLUE)
    page.text(8.025, _GLOBAL, f"1×1 conv\n{config.mem_dim} → C", size=_SMALL)
    if config.fusion == "gating":
        page.arrow((8.45, _GLOBAL), (_END - 0.13, _GLOBAL))
        page.operation(_END, _GLOBAL, "sigma", colour=_GREEN)
        page.arrow((_END, _GLOBAL - 0.13), (_END, _LOCAL + 0.13), colour=_GREEN)
        page.text(_END + 0.1, 5.0, "gate  $A = \\sigma(G)$", color=_GREEN, ha="left", math=True)
    else:
        page.line((8.45, _GLOBAL), (_END, _GLOBAL))
        foot = _LOCAL + (0.27 if config.fusion == "concat" else 0.13)
        page.arrow((_END, _GLOBAL), (_END, foot), colour=_GREEN)
    page.text(8.83, _GLOBAL + 0.16, "$G$", math=True)


def _draw_memory(page: "_Page", config: ConvNeurConfig) -> None:
    """Chunk by chunk: what is read, what is written, and where the state goes from there."""
    top, read, write = _GLOBAL - 0.86, _GLOBAL - 0.22, _GLOBAL + 0.55
    page.arrow((2.1, _GLOBAL), (2.35, _GLOBAL))
    page.box(2.35, _GLOBAL - 0.35, 1.15, 0.7, fill="white", edge=_BLUE)
    cut = "flatten, cut into\nchunks $S_t$" if config.order == "raster" else "flatten, deal into\nchunks $S_t$"
    page.text(2.925, _GLOBAL, cut, size=_SMALL, math=True)

    page.box(3.75, top, 3.6, 1.74, fill="white", edge=_BLUE)
    matrix = f"{config.mem_dim}×{config.mem_dim}"
    layers = f"$M$: {matrix}" if config.memory_layers == 1 else f"$M$: two layers of {matrix}"
    page.text(3.87, top + 0.17, f"Neural memory, {layers}", color=_BLUE, ha="left", math=True)
    page.arrow((3.5, _GLOBAL), (3.87, _GLOBAL))
    page.box(3.87, read - 0.19, 0.5, write - read + 0.38, fill=_PALE_BLUE, edge="none")
    page.text(4.12, (read + write) / 2, "$q_t$\n$k_t$\n$v_t$", math=True, spacing=1.6)

    words = "$U$: step size, momentum\nand decay from the tokens"
    page.text(1.25, write + 0.08, words, size=_SMALL, color=_GREY, ha="left", math=True)
    source = {"before": "M_{t-1}", "after": "M_t", "final": "M_T"}[config.read]
    goes = {"before": "read by chunk $t+1$", "after": "read by chunk $t$ itself", "final": "the last: read by all"}
    first, second = ("1  read", "2  write") if config.read == "before" else ("2  read", "1  write")
    for y, step, words in (
        (read, first, rf"$y_t = {source}(q_t)$"),
        (write, second, r"$M_t = U(M_{t-1}, \nabla \Vert M_{t-1}(k_t) - v_t \Vert^2)$"),
    ):
        page.arrow((4.37, y), (4.6, y))
        page.box(4.6, y - 0.19, 2.63, 0.38, fill=_PALE_BLUE, edge="none")
        page.text(4.66, y, step, size=_SMALL, weight="bold", color=_BLUE, ha="left")
        page.text(7.18, y, words, size=_SMALL, ha="right", math=True)
    page.arrow((5.0, write - 0.19), (5.0, read + 0.19), colour=_BLUE)
    state = "$M_T$" if config.read == "final" else "$M_t$"
    page.text(5.1, (read + write) / 2, f"{state}, {goes[config.read]}", size=_SMALL, color=_BLUE, ha="left", math=True)
    page.arrow((7.23, read), (7.6, read))
    page.text(7.47, read - 0.14, "$y_t$", size=_SMALL, math=True)


def _draw_key(page: "_Page", y: float, config: ConvNeurConfig, *, with_global: bool) -> None:
    x = _MARGIN
    if with_global:
        page.rectangle(x, y - 0.09, 0.13, 0.18, fill=_BLUE, edge=_BLUE)
        page.text(x + 0.22, y, "block with a global branch", size=_SMALL, ha="left")
        x += 2.15
    if config.memory != "per-layer":
        page.rectangle(x, y - 0.09, 0.13, 0.18, fill="white", edge=_ORANGE)
        words = "block without: $X + \\mathrm{DropPath}(F_{loc})$" if with_global else "block"
        page.text(x + 0.22, y, words, size=_SMALL, ha="left", math=True)
    page.text(
        _WIDTH - _MARGIN, y, "÷2: LayerNorm, 3×3 convolution of stride 2.  LN: LayerNorm.", size=_SMALL, ha="right"
    )


class _Page:
    """A figure drawn on in inches from its top left corner."""

    def __init__(self, width: float, height: float) -> None:
        self.figure = Figure(figsize=(width, height), facecolor="white")
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, width), ylim=(height, 0))
        self.axes.set_axis_off()

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float = _NORMAL,
        color: str = _INK,
        weight: str = "normal",
        ha: Literal["left", "center", "right"] = "center",
        math: bool = False,
        spacing: float = 1.3,
    ) -> None:
        self.axes.text(
            x,
            y,
            words,
            fontsize=size,
            color=color,
            fontweight=weight,
            fontfamily="DejaVu Sans",
            ha=ha,
            va="center",
            linespacing=spacing,
            parse_math=math,  # a file's name may hold dollar signs
            zorder=5,
        )

    def box(self, x: float, y: float, width: float, height: float, *, fill: str, edge: str = _LINE) -> None:
        round_corners = "round,pad=0,rounding_size=0.06"
        self.axes.add_patch(
            FancyBboxPatch((x, y), width, height, boxstyle=round_corners, facecolor=fill, edgecolor=edge, linewidth=1)
        )

    def rectangle(self, x: float, y: float, width: float, height: float, *, fill: str, edge: str) -> None:
        self.axes.add_patch(Rectangle((x, y), width, height, facecolor=fill, edgecolor=edge, linewidth=1.2))

    def polygon(self, corners: Sequence[tuple[float, float]]) -> None:
        self.axes.add_patch(Polygon(corners, facecolor=_BLUE, edgecolor="none", alpha=0.1, zorder=1.5))

    def line(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.axes.plot(*zip(start, end, strict=True), color=_GREY, linewidth=1.2, zorder=2, solid_capstyle="round")

    def arrow(self, start: tuple[float, float], end: tuple[float, float], *, colour: str = _GREY) -> None:
        self.axes.add_patch(
            FancyArrowPatch(
                start,
                end,
                arrowstyle="-|>,head_length=5,head_width=2.6",
                shrinkA=0,
                shrinkB=0,
                mutation_scale=1,
                color=colour,
                linewidth=1.2,
                zorder=2,
            )
        )

    def operation(self, x: float, y: float, what: Literal["plus", "times", "sigma"], *, colour: str) -> None:
        """A small circle with a sign, centred."""
        self.axes.add_patch(Circle((x, y), 0.13, facecolor="white", edgecolor=colour, linewidth=1.4, zorder=3))
        sign = {"plus": "+", "times": "×", "sigma": "$\\sigma$"}[what]
        self.text(x, y + 0.005, sign, size=_NORMAL + 2, color=colour, weight="bold", math=True)
