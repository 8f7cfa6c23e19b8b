"""The picture of the gates by its arrays, limits and words; that every word can be read; that it repeats."""

import dataclasses
import gc
import itertools
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import FancyArrowPatch
from matplotlib.text import Text

from convneur.figures.gates import gates_figure
from convneur.figures.style import save_figure
from convneur.gates.maps import GateMaps, Recipe, StageMap, StageMaps
from convneur.gates.measures import Contrast, StageMeasures

RECIPE = (
    ("image", "chelsea.png"),
    ("local only", "same weights, memory off"),
    ("weights", "0123abcd a-net-with-a-long-name-and-settings.safetensors"),
)


def made(recipe: Recipe, stages: Sequence[int] = (1, 2, 3, 4), **settings: Any) -> GateMaps:
    """Random maps in the sizes of an image of 128x192."""
    random = np.random.default_rng(0)
    columns = []
    for stage in stages:
        height, width = 32 >> (stage - 1), 48 >> (stage - 1)
        maps = {}
        for row in recipe.rows:
            values = random.uniform(-1e-5, 12345.0, (height, width)).astype(np.float32)
            shared = isinstance(recipe.scale, tuple) and row not in ("gate", "surprise")
            limits = recipe.scale if shared else (float(values.min()), float(values.max()))
            maps[row] = StageMap(values, limits)
        chunks = settings.get("chunks", 1 if stage > 2 else 16)
        length = None if chunks is None else 196
        columns.append(StageMaps(stage, 2 << stage, 1024, height, width, chunks, length, 0.0, stage == 1, maps))
    return GateMaps(recipe, settings.get("fusion", "gating"), settings.get("read", "before"), 1, tuple(columns))


def measured(stages: Sequence[int] = (1, 2, 3, 4), against: Any = "mask") -> list[StageMeasures]:
    return [
        StageMeasures(stage, against, 0.123, 1.0, Contrast(1.25, 2.0), Contrast(12.345 * stage, 1234.5), 0.3, 0.1)
        for stage in stages
    ]


def photo(height: int = 128, width: int = 192) -> Any:
    return np.random.default_rng(1).integers(0, 255, (height, width, 3), dtype=np.uint8)


def panel(figure: Figure, label: str) -> Axes:
    (found,) = [axes for axes in figure.axes if axes.get_label() == label]
    return found


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def arrows(figure: Figure) -> list[FancyArrowPatch]:
    return list(figure.findobj(FancyArrowPatch))


def draw(maps: GateMaps, image: Any = None, **options: Any) -> Figure:
    return gates_figure(maps, photo() if image is None else image, **{"recipe": RECIPE, **options})


@pytest.mark.parametrize("row3", ["output", "gated"])
def test_panels_hold_the_maps_on_their_limits(row3: Any) -> None:
    maps = made(Recipe(row3=row3, surprise=True))
    figure = draw(maps)
    for stage in maps.stages:
        for row, expected in stage.maps.items():
            (image,) = panel(figure, f"{row} {stage.stage}").get_images()
            np.testing.assert_array_equal(image.get_array(), expected.values)
            assert image.get_clim() == expected.limits
            assert image.get_interpolation() == "nearest"
    (image,) = panel(figure, "input").get_images()
    np.testing.assert_array_equal(image.get_array(), photo())


def test_bars_run_over_the_panels_values_in_its_colours() -> None:
    maps = made(Recipe(scale=(0.0, 100.0), gate=False), stages=(1,))
    bars = [axes.get_images()[0] for axes in draw(maps).axes if axes.get_label() == "scale"]
    assert len(bars) == 3
    for bar, expected in zip(bars, maps.stages[0].maps.values(), strict=True):
        ramp = bar.get_array()
        assert (ramp.min(), ramp.max()) == expected.range
        assert bar.get_clim() == (0.0, 100.0)


def test_every_panel_says_its_least_and_largest_value() -> None:
    maps = made(Recipe())
    said = words(draw(maps))
    assert sum(word.startswith("min ") for word in said) == sum(word.startswith("max ") for word in said) == 16
    assert "max 1.23e+04" in said


def test_numbers_are_told_apart() -> None:
    values = np.array([[0.49991, 0.50004]], np.float32)
    stage = made(Recipe(), stages=(1,)).stages[0]
    maps = {row: StageMap(values, (0.49991, 0.50004)) for row in stage.maps}
    stage = StageMaps(1, 4, 8, 1, 2, 2, 196, 0.0, True, maps)
    said = words(draw(GateMaps(Recipe(), "gating", "before", 1, (stage,))))
    assert "min 0.49991" in said
    assert "max 0.50004" in said


def test_columns_say_size_stride_and_chunks() -> None:
    said = words(draw(made(Recipe())))
    assert "Stage 1" in said
    assert "32 × 48, stride 4, 1024 channels" in said
    assert "16 chunks of 196" in said
    assert said.count("one chunk: reads $M_0$ alone") == 2
    assert "one chunk" in words(draw(made(Recipe(), read="final")))
    assert "all positions at once" in words(draw(made(Recipe(), chunks=None)))


@pytest.mark.parametrize(
    ("recipe", "fusion", "signs"),
    [
        (Recipe(), "gating", [r"$\odot\ A$", r"$+\,X$"]),
        (Recipe(row3="gated"), "gating", [r"$\odot\ A$", "$=$"]),
        (Recipe(gate=False), "gating", [r"$\odot\ A,\ +X$"]),
        (Recipe(gate=False, row3="gated"), "gating", [r"$\odot\ A$"]),
        (Recipe(gate=False), "addition", [r"$+\,G,\ +X$"]),
        (Recipe(gate=False), "concat", [r"$W[\,\cdot\,; G],\ +X$"]),
    ],
)
def test_green_arrows_mark_the_gating_step(recipe: Recipe, fusion: str, signs: list[str]) -> None:
    figure = draw(made(recipe, fusion=fusion))
    assert len(arrows(figure)) == 4 * len(signs)
    assert {mpl.colors.to_hex(arrow.get_facecolor()) for arrow in arrows(figure)} == {"#1a9641"}
    for sign in signs:
        assert words(figure).count(sign) == 4
    assert any(word.startswith("Green arrows mark") for word in words(figure))


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (Recipe(), {"own scale": 1, "contains X\nown scale": 0}),
        (Recipe(row3="gated"), {"scale shared with": 2, "after the gate": 1, "before the gate": 1}),
        (Recipe(scale="column"), {"scale shared by the": 3}),
        (Recipe(scale=(0.0, 0.5)), {"scale 0 to 0.5": 3}),
    ],
)
def test_rows_say_which_scale_they_share(recipe: Recipe, expected: dict[str, int]) -> None:
    said = words(draw(made(recipe)))
    for line, count in expected.items():
        assert said.count(line) >= count


def test_the_output_has_colours_of_its_own_unless_it_shares_a_scale() -> None:
    def colours(scale: Any) -> tuple[str, str]:
        figure = draw(made(Recipe(scale=scale)))
        return tuple(panel(figure, f"{row} 1").get_images()[0].get_cmap().name for row in ("f_loc", "f_out"))

    assert colours("paired") == colours("map") == ("viridis", "magma")
    assert colours("column") == colours((0.0, 1.0)) == ("viridis", "viridis")


def test_stamp_notes_and_the_local_net_are_said() -> None:
    figure = draw(
        made(Recipe()), stamp="UNTRAINED WEIGHTS, seed 7", notes=["Stage 1: gate saturated."], same_weights=False
    )
    assert "UNTRAINED WEIGHTS, seed 7" in words(figure)
    assert "Stage 1: gate saturated." in words(figure)
    assert "a separate net" in words(figure)
    assert "memory off" in words(draw(made(Recipe())))
    assert "global path off" in words(draw(made(Recipe(), chunks=None)))
    assert not any("UNTRAINED" in word for word in words(draw(made(Recipe()))))


def test_numbers_stand_under_the_maps() -> None:
    said = words(draw(made(Recipe()), measures=measured()))
    assert said.count("12.3% | 100.0%") == 4
    assert said.count("×1.60") == 4
    assert "1.25 → 2.00" in said
    assert "object : background" in said
    flat = measured(against="gradients")
    said = words(
        draw(made(Recipe()), measures=[*flat[:3], dataclasses.replace(flat[3], edge_contrast=Contrast(2, None))])
    )
    assert "steep : flat half" in said
    assert said.count("–") == 1
    assert "2.00 → –" in said
    assert "edge contrast" not in words(draw(made(Recipe())))


def test_overlay_lays_each_map_over_the_photo() -> None:
    maps = made(Recipe(overlay=True), stages=(2,))
    below, above = panel(draw(maps), "gate 2").get_images()
    np.testing.assert_allclose(below.get_array(), photo().mean(axis=2))
    np.testing.assert_array_equal(above.get_array(), maps.stages[0].maps["gate"].values)
    assert below.get_extent() == above.get_extent()
    assert 0 < above.get_alpha() < 1


def test_a_constant_map_draws_flat(tmp_path: Path) -> None:
    flat = {row: StageMap(np.zeros((4, 6), np.float32), (0.0, 0.0)) for row in Recipe().rows}
    stage = StageMaps(1, 4, 8, 4, 6, 2, 196, 0.0, True, flat)
    figure = draw(GateMaps(Recipe(), "gating", "before", 1, (stage,)))
    save_figure(figure, tmp_path / "flat.png", dpi=60)
    assert "min 0.00" in words(figure)


LONG = "a photo with a very long name " * 6 + ".png"
NOTES = ("Stage 1, 2, 3, 4: gate saturated, 97.3% of its values within 0.001 of 0 or 1; its memory has drifted.",) * 3


@pytest.mark.parametrize(
    ("stages", "shape"),
    [
        ((1, 2, 3, 4), (128, 192)),
        ((1, 2, 3, 4), (600, 40)),
        ((1, 2, 4), (40, 600)),
        ((1, 3), (192, 128)),
        ((4,), (128, 192)),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("recipe", "settings"),
    [
        (Recipe(surprise=True), {}),
        (Recipe(gate=False, scale="column"), {"fusion": "concat", "chunks": None}),
        (Recipe(row3="gated", overlay=True), {"read": "final"}),
        (Recipe(scale=(-0.0001, 12345.6)), {}),
    ],
    ids=["surprise", "concat", "gated", "fixed"],
)
def test_nothing_is_clipped_and_nothing_overlaps(
    stages: tuple[int, ...], shape: tuple[int, int], recipe: Recipe, settings: dict[str, Any]
) -> None:
    name = LONG if stages != (4,) else "W" * 120
    figure = draw(
        made(recipe, stages, **settings),
        photo(*shape),
        recipe=(("image", name), *RECIPE),
        notes=NOTES,
        stamp="UNTRAINED WEIGHTS, seed 1234567890",
        measures=measured(stages, "mask" if recipe.surprise else "gradients"),
    )
    renderer = FigureCanvasAgg(figure).get_renderer()
    page = figure.bbox
    texts = [text for text in figure.texts if text.get_text()]
    boxes = {f"text {text.get_text()!r}": text.get_window_extent(renderer) for text in texts}
    boxes |= {f"axes {i} {axes.get_label()}": axes.get_window_extent(renderer) for i, axes in enumerate(figure.axes)}
    boxes |= {f"arrow {i}": arrow.get_window_extent(renderer) for i, arrow in enumerate(arrows(figure))}
    for label, box in boxes.items():
        assert page.x0 <= box.x0, label
        assert box.x1 <= page.x1, label
        assert page.y0 <= box.y0, label
        assert box.y1 <= page.y1, label
    for (one, first), (other, second) in itertools.combinations(boxes.items(), 2):
        apart = first.x1 <= second.x0 or second.x1 <= first.x0 or first.y1 <= second.y0 or second.y1 <= first.y0
        assert apart, f"{one} overlaps {other}"


def test_type_is_readable_at_1200_pixels() -> None:
    figure = draw(made(Recipe(surprise=True)), notes=NOTES, stamp="UNTRAINED WEIGHTS, seed 0")
    pixels_per_point = 1200 / figure.get_figwidth() / 72
    assert min(text.get_fontsize() for text in figure.texts) * pixels_per_point >= 10


def test_file_names_are_not_read_as_mathematics_nor_warned_of(tmp_path: Path) -> None:
    figure = draw(made(Recipe(), (1,)), recipe=(("image", "$x^_{$ 日本\n.png"),))
    save_figure(figure, tmp_path / "a.png", dpi=50)  # a missing glyph would warn, and warnings are errors here
    assert any(word.startswith("$x^_{$") for word in words(figure))


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_same_maps_give_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    settings = dict(mpl.rcParams)
    for name in ("one", "two"):
        save_figure(draw(made(Recipe(), (1, 4))), tmp_path / f"{name}{suffix}", dpi=60)
    assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()
    assert dict(mpl.rcParams) == settings


def test_the_users_settings_change_nothing(tmp_path: Path) -> None:
    theirs = {"image.origin": "lower", "axes.grid": True, "font.size": 30, "savefig.bbox": "tight", "image.cmap": "jet"}
    save_figure(draw(made(Recipe(overlay=True), (1,))), tmp_path / "plain.png", dpi=60)
    with mpl.rc_context(theirs):
        save_figure(draw(made(Recipe(overlay=True), (1,))), tmp_path / "theirs.png", dpi=60)
        assert mpl.rcParams["image.origin"] == "lower"
    assert (tmp_path / "plain.png").read_bytes() == (tmp_path / "theirs.png").read_bytes()


def test_a_map_with_more_positions_than_pixels_drops_none() -> None:
    stage = made(Recipe(), stages=(1,)).stages[0]
    fine = np.zeros((800, 1200), np.float32)
    maps = {row: StageMap(fine, (0.0, 1.0)) for row in stage.maps}
    large = StageMaps(1, 4, 8, 800, 1200, 2, 196, 0.0, True, maps)
    figure = draw(GateMaps(Recipe(), "gating", "before", 1, (large,)))
    assert panel(figure, "f_loc 1").get_images()[0].get_interpolation() != "nearest"


def test_no_pyplot_figure_and_nothing_kept(tmp_path: Path) -> None:
    figures: weakref.WeakSet[Figure] = weakref.WeakSet()
    images: weakref.WeakSet[AxesImage] = weakref.WeakSet()
    for _ in range(3):
        figure = draw(made(Recipe(), (1,)))
        figures.add(figure)
        for axes in figure.axes:
            images.update(axes.get_images())
        save_figure(figure, tmp_path / "a.png", dpi=40)
    del figure, axes
    gc.collect()
    assert len(figures) == 0
    assert len(images) == 0
