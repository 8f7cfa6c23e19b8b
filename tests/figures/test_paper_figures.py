"""The paper's Figures 1 and 2 by their points, their words, and that nothing runs into anything."""

import dataclasses
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from convneur.cost import AccuracyPoints, Architecture
from convneur.cost.architecture import Stage
from convneur.figures import accuracy_figure, architecture, architecture_figure, save_figure
from convneur.published import published
from convneur.variants import VARIANTS

PAPER = published()
FULL = {"m1": 0.759, "m2": 1.086, "m3": 1.918, "m4": 3.383}
PRINTED = AccuracyPoints(PAPER.imagenet, PAPER.others)
COUNTED = dataclasses.replace(PRINTED, full_gmacs=FULL)


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text() and text.get_visible()]


def check_words(figure: Figure) -> None:
    """No words run into others or off the page."""
    figure.draw_without_rendering()
    texts = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    page = figure.bbox.padded(-2)
    assert [name for name, box in boxes if not (page.contains(*box.min) and page.contains(*box.max))] == []
    assert [(a, b) for i, (a, one) in enumerate(boxes) for b, two in boxes[i + 1 :] if one.overlaps(two)] == []


# Figure 1


def line(figure: Figure, label: str) -> Any:
    (axes,) = figure.axes
    (found,) = [one for one in axes.lines if one.get_label() == label]
    return found


def test_points_are_the_printed_ones() -> None:
    figure = accuracy_figure(PRINTED)
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")
    assert list(line(figure, "ConvNeur").get_xdata()) == [0.71, 1.0, 1.8, 3.06]
    assert list(line(figure, "ConvNeur").get_ydata()) == [75.4, 77.6, 80.0, 81.5]
    assert list(line(figure, "others").get_xdata()) == [float(row.gmacs) for row in PAPER.others]
    assert list(line(figure, "others").get_ydata()) == [row.top1 for row in PAPER.others]
    said = words(figure)
    assert {f"ConvNeur-M{number}" for number in (1, 2, 3, 4)} <= set(said)
    assert {row.model for row in PAPER.others} <= set(said)
    assert "As printed in the paper; convneur measured none of it." in said


def test_full_counts_move_convneur_alone_and_say_so() -> None:
    figure = accuracy_figure(COUNTED)
    assert list(line(figure, "ConvNeur").get_xdata()) == list(FULL.values())
    assert list(line(figure, "printed").get_xdata()) == [0.71, 1.0, 1.8, 3.06]
    assert list(line(figure, "others").get_xdata()) == [float(row.gmacs) for row in PAPER.others]
    arrows = [text for text in figure.axes[0].texts if getattr(text, "arrow_patch", None) is not None]
    assert [(arrow.xyann[0], arrow.xy[0]) for arrow in arrows] == list(  # type: ignore[attr-defined]
        zip([0.71, 1.0, 1.8, 3.06], FULL.values(), strict=True)
    )
    (source,) = [said for said in words(figure) if "as printed" in said]
    assert "Accuracy as printed in the paper" in source
    assert "all that it executes" in source
    assert "Gram form" in source


@pytest.mark.parametrize("drawn", [PRINTED, COUNTED], ids=["printed", "full"])
def test_the_words_of_figure_1_stand_clear(drawn: AccuracyPoints) -> None:
    figure = accuracy_figure(drawn)
    check_words(figure)
    axes = figure.axes[0]
    points = [axes.transData.transform(point) for one in axes.lines for point in one.get_xydata()]
    names = [text for text in axes.texts if text.get_text()]
    assert not [(name.get_text(), at) for name in names for at in points if name.get_window_extent().contains(*at)]


# Figure 2


def drawing(**settings: object) -> Architecture:
    """m1 at 224x224 as it would be described, or with other settings; a memory stands in the first blocks."""
    config = VARIANTS["m1"].replace(**settings)
    placed = {"none": lambda block: False, "per-stage": lambda block: block == 0, "per-layer": lambda block: True}
    has_memory = config.memory != "none" and config.global_branch == "neural-memory"
    stages = tuple(
        Stage(
            stage=number,
            height=side,
            width=side,
            channels=channels,
            stride=2 ** (number + 1),
            has_global=tuple(map(placed[config.memory], range(depth))),
            chunks=chunks if has_memory else 0,
            chunk_length=min(196, side**2) if has_memory else 0,
        )
        for number, side, channels, depth, chunks in zip(
            (1, 2, 3, 4), (56, 28, 14, 7), config.dims, config.depths, (16, 4, 1, 1), strict=True
        )
    )
    return Architecture("m1", config, 224, 224, 4_317_092, 758_871_840, 704_497_440, stages)


def colours(figure: Figure) -> list[Any]:
    """Fill of each block's bar in the stages, from left to right; the key's come last."""
    bars = [patch for patch in figure.axes[0].patches if type(patch) is Rectangle]
    return [patch.get_facecolor() for patch in bars]


def test_the_net_is_drawn_as_it_is() -> None:
    figure = architecture_figure(drawing())
    said = words(figure)
    assert {"ConvNeur-M1", "Stage 1", "56×56, C = 40", "16 chunks of 196", "28×28, C = 80", "4 chunks of 196"} <= set(
        said
    )
    assert {"14×14, C = 160", "7×7, C = 320", "1000 classes", "1×1 conv\nC → 80", "1×1 conv\n80 → C"} <= set(said)
    assert said.count("1 chunk: reads $M_0$") == 2
    assert any("the learned $M_0$ alone" in one for one in said)
    (cost,) = [one for one in said if "parameters." in one]
    assert cost.startswith("4.32 M parameters.  0.759 G multiply-adds at 224×224, everything executed; 0.704 G")
    assert "Neural memory, $M$: 80×80" in said
    assert not any(one.startswith("with ") for one in said)

    *bars, with_branch, without = colours(figure)
    firsts = {0, 2, 5, 12}
    assert len(bars) == 15
    assert bars == [with_branch if place in firsts else without for place in range(15)]


def test_the_state_is_read_before_it_is_written() -> None:
    said = words(architecture_figure(drawing()))
    assert {"1  read", "2  write", "$y_t = M_{t-1}(q_t)$", "$M_t$, read by chunk $t+1$"} <= set(said)


@pytest.mark.parametrize(("read", "state"), [("after", "M_t"), ("final", "M_T")])
def test_other_reads_come_after_the_write(read: str, state: str) -> None:
    said = words(architecture_figure(drawing(read=read)))
    assert {"2  read", "1  write", f"$y_t = {state}(q_t)$"} <= set(said)
    assert said.count("1 chunk") == 2
    assert not any("$M_0$" in one for one in said)
    assert f"with read {read}" in said


@pytest.mark.parametrize(
    ("fusion", "formula", "gate"),
    [("gating", r"\sigma(G) \odot F_{loc}", True), ("addition", "F_{loc} + G", False), ("concat", "W", False)],
)
def test_fusions(fusion: str, formula: str, gate: bool) -> None:
    said = words(architecture_figure(drawing(fusion=fusion)))
    assert any(one.startswith("$F_{out}") and formula in one for one in said)
    assert any("gate" in one for one in said) == gate
    assert ("1×1 conv\n2C → C" in said) == (fusion == "concat")


def test_without_a_global_branch_only_the_local_one_is_drawn() -> None:
    figure = architecture_figure(drawing(memory="none"))
    said = words(figure)
    assert "Local branch" in said
    assert not any("lobal" in one or "$G$" in one for one in said)
    assert figure.get_figheight() < architecture_figure(drawing()).get_figheight()
    assert len(set(colours(figure))) == 1


def test_a_small_model_costs_more_than_nothing() -> None:
    small = dataclasses.replace(drawing(), params=2_393, macs_full=422_000, macs_paper=415_000)
    said = " ".join(words(architecture_figure(small)))
    assert "0.002393 M parameters.  0.000422 G multiply-adds" in said
    assert "0.000415 G by the paper's convention" in said


def test_every_branch_and_head_is_named() -> None:
    for branch, name in (
        ("cbam", "CBAM"),
        ("non-local", "Non-local block"),
        ("self-attention", "Self-attention"),
        ("ir-rwkv", "RWKV"),
        ("titans", "Titans, memory as context"),
    ):
        said = words(architecture_figure(drawing(global_branch=branch)))
        assert name in said
        assert "Neural memory" not in " ".join(said)
    for head, name in (("none", "pool"), ("semantic-fpn", "Semantic FPN"), ("upernet", "UPerNet")):
        assert name in words(architecture_figure(drawing(head=head)))


def test_a_branch_that_the_figure_does_not_know_goes_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(architecture._MIXERS, "cbam")
    figure = architecture_figure(drawing(global_branch="cbam"))
    assert "cbam" in words(figure)
    check_words(figure)


SETTINGS: tuple[dict[str, object], ...] = (
    {},
    {"memory": "none", "head": "upernet", "num_classes": 150},
    {"memory": "per-layer", "fusion": "concat", "read": "final", "head": "semantic-fpn", "order": "strided"},
    {"global_branch": "self-attention", "fusion": "addition"},
    {"global_branch": "ir-rwkv", "head": "none"},
    {"global_branch": "titans", "depths": (3, 4, 27, 3)},
    {"memory_layers": 2, "mem_dim": 1024, "read": "after"},
)


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: " ".join(map(str, settings.values())) or "m1")
def test_the_words_of_figure_2_stand_clear(settings: dict[str, object]) -> None:
    check_words(architecture_figure(drawing(**settings)))


def test_large_maps_and_long_names_stay_on_the_page() -> None:
    net = drawing(chunk_length=(4096, 4096, 4096, 4096), dims=(1024, 1024, 2048, 4096), step_size=0.125)
    stages = tuple(
        dataclasses.replace(stage, height=2048, width=16384, chunks=8192, chunk_length=4096) for stage in net.stages
    )
    large = dataclasses.replace(net, name="settings/" + "long" * 30 + "$.json", height=8192, width=65536, stages=stages)
    check_words(architecture_figure(large))
    check_words(architecture_figure(dataclasses.replace(large, name="m1")))


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_saved_twice_the_bytes_are_the_same(tmp_path: Path, suffix: str) -> None:
    for draw in (lambda: accuracy_figure(PRINTED), lambda: architecture_figure(drawing())):
        files = [tmp_path / f"{name}{suffix}" for name in ("one", "two")]
        for file in files:
            save_figure(draw(), file, dpi=60)
        assert files[0].read_bytes() == files[1].read_bytes()


def test_no_setting_of_matplotlib_is_needed_or_changed() -> None:
    before = dict(mpl.rcParams)
    with mpl.rc_context({"font.size": 30, "axes.grid": True, "text.usetex": False, "axes.facecolor": "black"}):
        inside = dict(mpl.rcParams)
        check_words(architecture_figure(drawing()))
        assert accuracy_figure(PRINTED).axes[0].get_facecolor() == (1, 1, 1, 1)
        assert dict(mpl.rcParams) == inside
    assert dict(mpl.rcParams) == before


def test_a_published_row_that_is_missing_is_an_error() -> None:
    with pytest.raises(KeyError):
        accuracy_figure(dataclasses.replace(PRINTED, full_gmacs={"m1": 0.759}))
    row = dataclasses.replace(PAPER.imagenet[0], top1=70.0)
    assert line(accuracy_figure(AccuracyPoints((row,), PAPER.others)), "ConvNeur").get_ydata()[0] == 70
