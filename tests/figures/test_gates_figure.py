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

from convneur.errors import ConfigError
from convneur.figures import gates_figure, save_figure
from convneur.figures.gates_words import about_lines
from convneur.figures.panels import find_width
from convneur.figures.style import drawable
from convneur.gates import (
    Contrast,
    GateResult,
    GateSheet,
    ImageSource,
    MapOptions,
    MaskSource,
    StageGates,
    StageMap,
    StageMeasures,
    WeightsSource,
)
from convneur.gates.capture import GateCapture
from convneur.variants import VARIANTS


def made(
    options: MapOptions | None = None,
    stages: Sequence[int] = (1, 2, 3, 4),
    *,
    measures: Any = (),
    saturation: float = 0.0,
    **settings: Any,
) -> tuple[MapOptions, tuple[StageGates, ...], dict[str, Any]]:
    """Random maps in the sizes of an image of 128x192, and the settings of the model."""
    options = options or MapOptions()
    random = np.random.default_rng(0)
    measured_of = {one.stage: one for one in measures}
    columns = []
    for stage in stages:
        height, width = 32 >> (stage - 1), 48 >> (stage - 1)
        maps = []
        for row in options.rows:
            values = random.uniform(-1e-5, 12345.0, (height, width)).astype(np.float32)
            shared = isinstance(options.scale, tuple) and row not in ("gate", "surprise")
            limits = options.scale if shared else (float(values.min()), float(values.max()))
            maps.append((row, StageMap(values, limits)))
        chunks = settings.get("chunks", 1 if stage > 2 else 16)
        column = (stage, 2 << stage, 1024, height, width, chunks, None if chunks is None else 196)
        columns.append(StageGates(*column, saturation, stage == 1, tuple(maps), measured_of.get(stage)))
    return options, tuple(columns), {key: value for key, value in settings.items() if key != "chunks"}


def of(
    options: MapOptions, stages: tuple[StageGates, ...], settings: dict[str, Any], pixels: Any = None, **changes: Any
) -> GateResult:
    config = VARIANTS["m1"].replace(**settings)
    weights = WeightsSource(config, "a-net-with-a-long-name-and-settings.safetensors", "0123abcd" * 8)
    known = {
        "image": ImageSource("some/chelsea.png", None, 300, 451),
        "pixels": photo() if pixels is None else pixels,
        "weights": weights,
        "local_only": None,
        "options": options,
        "size": 512,
        "mask": None,
        "stages": stages,
        "capture": GateCapture(config, 1, ()),
    }
    return GateResult(**{**known, **changes})


def measured(stages: Sequence[int] = (1, 2, 3, 4), against: Any = "mask") -> list[StageMeasures]:
    return [
        StageMeasures(
            stage,
            against,
            0.123,
            1.0,
            Contrast(1.25, 2.0, 0.8, tuple(np.linspace(0.9, 1.1, 101))),
            Contrast(12.345 * stage, 1234.5),
            0.3,
            0.1,
        )
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


def draw(
    parts: tuple[MapOptions, tuple[StageGates, ...], dict[str, Any]], pixels: Any = None, **changes: Any
) -> Figure:
    return gates_figure(of(*parts, pixels, **changes))


UNTRAINED = WeightsSource(VARIANTS["m1"], seed=7)


@pytest.mark.parametrize("row3", ["output", "gated"])
def test_panels_hold_the_maps_on_their_limits(row3: Any) -> None:
    maps = made(MapOptions(row3=row3, surprise=True))
    figure = draw(maps)
    for stage in maps[1]:
        for row, expected in stage.maps.items():
            (image,) = panel(figure, f"{row} {stage.stage}").get_images()
            np.testing.assert_array_equal(image.get_array(), expected.values)
            assert image.get_clim() == expected.limits
            assert image.get_interpolation() == "nearest"
    (image,) = panel(figure, "input").get_images()
    np.testing.assert_array_equal(image.get_array(), photo())


def test_bars_run_over_the_panels_values_in_its_colours() -> None:
    maps = made(MapOptions(scale=(0.0, 100.0), gate=False), stages=(1,))
    bars = [axes.get_images()[0] for axes in draw(maps).axes if axes.get_label() == "scale"]
    assert len(bars) == 3
    for bar, expected in zip(bars, maps[1][0].maps.values(), strict=True):
        ramp = bar.get_array()
        assert (ramp.min(), ramp.max()) == expected.range
        assert bar.get_clim() == (0.0, 100.0)


def test_every_panel_says_its_least_and_largest_value() -> None:
    maps = made(MapOptions())
    said = words(draw(maps))
    assert sum(word.startswith("min ") for word in said) == sum(word.startswith("max ") for word in said) == 16
    assert "max 1.23e+04" in said


def test_numbers_are_told_apart() -> None:
    values = np.array([[0.49991, 0.50004]], np.float32)
    stage = made(MapOptions(), stages=(1,))[1][0]
    maps = tuple((row, StageMap(values, (0.49991, 0.50004))) for row in stage.maps)
    stage = StageGates(1, 4, 8, 1, 2, 2, 196, 0.0, True, maps)
    said = words(draw((MapOptions(), (stage,), {})))
    assert "min 0.49991" in said
    assert "max 0.50004" in said


def test_columns_say_size_stride_and_chunks() -> None:
    said = words(draw(made(MapOptions())))
    assert "Stage 1" in said
    assert "32 × 48, stride 4, 1024 channels" in said
    assert "16 chunks of 196" in said
    assert said.count("one chunk: reads $M_0$ alone") == 2
    assert "one chunk" in words(draw(made(MapOptions(), read="final")))
    assert "all positions at once" in words(draw(made(MapOptions(), chunks=None)))


@pytest.mark.parametrize(
    ("options", "fusion", "signs"),
    [
        (MapOptions(), "gating", [r"$\odot\ A$", r"$+\,X$"]),
        (MapOptions(row3="gated"), "gating", [r"$\odot\ A$", "$=$"]),
        (MapOptions(gate=False), "gating", [r"$\odot\ A,\ +X$"]),
        (MapOptions(gate=False, row3="gated"), "gating", [r"$\odot\ A$"]),
        (MapOptions(gate=False), "addition", [r"$+\,G,\ +X$"]),
        (MapOptions(gate=False), "concat", [r"$W[\,\cdot\,; G],\ +X$"]),
    ],
)
def test_green_arrows_mark_the_gating_step(options: MapOptions, fusion: str, signs: list[str]) -> None:
    figure = draw(made(options, fusion=fusion))
    assert len(arrows(figure)) == 4 * len(signs)
    assert {mpl.colors.to_hex(arrow.get_facecolor()) for arrow in arrows(figure)} == {"#1a9641"}
    for sign in signs:
        assert words(figure).count(sign) == 4
    assert any(word.startswith("Green arrows mark") for word in words(figure))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (MapOptions(), {"own scale": 1, "contains X\nown scale": 0}),
        (MapOptions(row3="gated"), {"scale shared with": 2, "after the gate": 1, "before the gate": 1}),
        (MapOptions(scale="column"), {"scale shared by the": 3}),
        (MapOptions(scale=(0.0, 0.5)), {"scale 0 to 0.5": 3}),
    ],
)
def test_rows_say_which_scale_they_share(options: MapOptions, expected: dict[str, int]) -> None:
    said = words(draw(made(options)))
    for line, count in expected.items():
        assert said.count(line) >= count


def test_the_output_has_colours_of_its_own_unless_it_shares_a_scale() -> None:
    def colours(scale: Any) -> tuple[str, str]:
        figure = draw(made(MapOptions(scale=scale)))
        return tuple(panel(figure, f"{row} 1").get_images()[0].get_cmap().name for row in ("f_loc", "f_out"))

    assert colours("paired") == colours("map") == ("viridis", "magma")
    assert colours("column") == colours((0.0, 1.0)) == ("viridis", "viridis")


def test_stamp_notes_and_the_local_model_are_said() -> None:
    figure = draw(
        made(MapOptions(), saturation=1.0),
        weights=UNTRAINED,
        local_only=WeightsSource(VARIANTS["m1"], "local", "ab" * 32),
    )
    assert "UNTRAINED WEIGHTS, seed 7" in words(figure)
    assert any(word.startswith("Stage 1: gate saturated, 100.0%") for word in words(figure))
    assert "a separate model" in words(figure)
    assert "memory off" in words(draw(made(MapOptions())))
    assert "global path off" in words(draw(made(MapOptions(), chunks=None)))
    assert not any("UNTRAINED" in word for word in words(draw(made(MapOptions()))))


def test_numbers_stand_under_the_maps() -> None:
    said = words(draw(made(MapOptions(), measures=measured())))
    assert said.count("12.3% | 100.0%") == 4
    assert said.count("×1.60") == 4
    assert "1.25 → 2.00" in said
    assert "object : background" in said
    assert said.count("×0.800 · ×2.000") == 4
    assert said.count("0.905 to 1.095") == 4
    assert said.count("– · –") == 4
    flat = measured(against="gradients")
    said = words(
        draw(made(MapOptions(), measures=[*flat[:3], dataclasses.replace(flat[3], edge_contrast=Contrast(2, None))]))
    )
    assert "steep : flat half" in said
    assert said.count("–") == 5  # the change, and no interval of edges in any stage
    assert "2.00 → –" in said
    assert "edge contrast" not in words(draw(made(MapOptions())))


def test_the_margin_says_what_it_was_made_of() -> None:
    said = words(draw(made(MapOptions())))
    at = said.index("weights")
    assert "".join(said[at + 1 : at + 3]) == "a-net-with-a-long-name-and-settings.safetensors"
    assert said[at + 3] == "sha256 0123abcd0123"
    lines = dict(about_lines(of(*made(MapOptions(scale=(0.0, 0.5), overlay=True)), weights=UNTRAINED)))
    assert lines["image"] == "chelsea.png"
    assert lines["pixels"] == "300 × 451 (H × W)"
    assert lines["drawn at"] == "128 × 192"
    assert lines["model"] == "m1"
    assert lines["weights"] == "none, random, seed 7"
    assert lines["local only"] == "same weights, memory off"
    assert lines["reduce"] == "rms over channels"
    assert lines["scale"] == "0 to 0.5"
    assert lines["overlay"] == "maps over the image in grey"
    assert "measured" not in lines
    by_mask = of(*made(MapOptions(), measures=measured()), mask=MaskSource("masks/cat.png", None))
    assert ("measured", "against mask cat.png") in about_lines(by_mask)
    by_gradients = of(*made(MapOptions(), measures=measured(against="gradients")))
    assert ("measured", "against image gradients") in about_lines(by_gradients)
    module = WeightsSource(VARIANTS["m1"].replace(global_branch="self-attention"))
    lines = dict(about_lines(of(*made(MapOptions()), weights=module)))
    assert (lines["weights"], lines["local only"]) == ("of a module", "same weights, global path off")
    assert "memory" not in lines


def test_overlay_lays_each_map_over_the_photo() -> None:
    maps = made(MapOptions(overlay=True), stages=(2,))
    below, above = panel(draw(maps), "gate 2").get_images()
    np.testing.assert_allclose(below.get_array(), photo().mean(axis=2))
    np.testing.assert_array_equal(above.get_array(), maps[1][0].maps["gate"].values)
    assert below.get_extent() == above.get_extent()
    assert 0 < above.get_alpha() < 1


def test_the_mask_is_outlined_on_the_input_and_its_share_said() -> None:
    mask = np.zeros((128, 192), np.float32)
    mask[40:80, 60:120] = 1
    source = MaskSource("masks/cat.png", None, 0.123, soft=True)
    figure = draw(made(measures=measured()), mask=source, object_mask=mask)
    lines = [path for drawn in panel(figure, "input").collections for path in drawn.get_paths()]
    assert len(lines) == 2  # white on black
    for line in lines:
        (left, top), (right, bottom) = line.vertices.min(axis=0), line.vertices.max(axis=0)
        assert (left, top, right, bottom) == pytest.approx((59.5, 39.5, 119.5, 79.5))
    assert "12.3% of the image, soft" in words(figure)
    assert any(word.startswith("Mask: grey levels") for word in words(figure))
    for nothing in (0 * mask, 0 * mask + 1):
        assert not panel(draw(made(), object_mask=nothing), "input").collections


def test_signs_diverge_and_a_surprise_is_logarithmic() -> None:
    values = np.array([[-1.0, 3.0]], np.float32)
    far = np.array([[0.0, 1e4]], np.float32)
    maps = (("f_loc", StageMap(values, (-3.0, 3.0))), ("surprise", StageMap(far, (0.01, 1e4), logarithmic=True)))
    stage = dataclasses.replace(made(stages=(1,))[1][0], rows=(*made(stages=(1,))[1][0].rows[:1], *maps))
    figure = draw((MapOptions(gate=False, surprise=True), (dataclasses.replace(stage, rows=(
        *stage.rows, ("f_out", StageMap(values, (-1.0, 3.0)))
    )),), {}))  # fmt: skip
    signed, surprise, output = (panel(figure, f"{row} 1").get_images()[0] for row in ("f_loc", "surprise", "f_out"))
    assert (signed.get_cmap().name, signed.get_clim()) == ("RdBu_r", (-3, 3))
    assert output.get_cmap().name == "magma"
    assert surprise.norm(10.0) == pytest.approx(0.5)
    assert surprise.norm(0.0) == 0
    assert "own scale, logarithmic" in words(figure)


def test_chunk_borders_are_drawn_on_every_map() -> None:
    options = MapOptions(chunk_borders=True)
    for overlay, corner in ((False, (47.5, 31.5)), (True, (192, 128))):
        figure = draw(made(dataclasses.replace(options, overlay=overlay), (1,), chunks=8))
        for row in options.rows:
            ends = np.concatenate([segment for drawn in panel(figure, f"{row} 1").collections
                                   for segment in drawn.get_segments()])  # fmt: skip
            assert ends[:, 0].max() == corner[0]
            assert ends[:, 1].max() <= corner[1]
    assert "borders of chunks" in words(figure)
    assert not panel(draw(made(stages=(1,))), "gate 1").collections


def test_a_gates_scale_is_said() -> None:
    for scale, says in (("shared", "scale shared by"), ((0.0, 1.0), "scale 0 to 1")):
        assert says in words(draw(made(MapOptions(gate_scale=scale))))


def test_a_constant_map_draws_flat(tmp_path: Path) -> None:
    flat = tuple((row, StageMap(np.zeros((4, 6), np.float32), (0.0, 0.0))) for row in MapOptions().rows)
    stage = StageGates(1, 4, 8, 4, 6, 2, 196, 0.0, True, flat)
    figure = draw((MapOptions(), (stage,), {}))
    save_figure(figure, tmp_path / "flat.png", dpi=60)
    assert "min 0.00" in words(figure)


LONG = "a photo with a very long name " * 6 + ".png"


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
    ("options", "settings"),
    [
        (MapOptions(surprise=True), {}),
        (MapOptions(gate=False, scale="column"), {"fusion": "concat", "chunks": None}),
        (MapOptions(row3="gated", overlay=True), {"read": "final"}),
        (MapOptions(scale=(-0.0001, 12345.6)), {}),
    ],
    ids=["surprise", "concat", "gated", "fixed"],
)
def test_nothing_is_clipped_and_nothing_overlaps(
    stages: tuple[int, ...], shape: tuple[int, int], options: MapOptions, settings: dict[str, Any]
) -> None:
    name = LONG if stages != (4,) else "W" * 120
    figure = draw(
        made(
            options,
            stages,
            measures=measured(stages, "mask" if options.surprise else "gradients"),
            saturation=0.973,
            **settings,
        ),
        photo(*shape),
        image=ImageSource(name, None, 3000, 4510),
        mask=MaskSource(name, None),
        weights=WeightsSource(VARIANTS["m1"].replace(**settings), seed=1234567890)
        if options.surprise
        else WeightsSource(VARIANTS["m1"].replace(**settings), name, "0123abcd" * 8),
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
    figure = draw(made(MapOptions(surprise=True), saturation=0.973), weights=UNTRAINED)
    pixels_per_point = 1200 / figure.get_figwidth() / 72
    assert min(text.get_fontsize() for text in figure.texts) * pixels_per_point >= 10


def test_file_names_are_not_read_as_mathematics_nor_warned_of(tmp_path: Path) -> None:
    figure = draw(made(MapOptions(), (1,)), image=ImageSource("$x^_{$ 日本\n.png", None, 300, 451))
    save_figure(figure, tmp_path / "a.png", dpi=50)  # a missing glyph would warn, and warnings are errors here
    assert any(word.startswith("$x^_{$") for word in words(figure))


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_same_maps_give_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    settings = dict(mpl.rcParams)
    for name in ("one", "two"):
        save_figure(draw(made(MapOptions(), (1, 4))), tmp_path / f"{name}{suffix}", dpi=60)
    data = (tmp_path / f"one{suffix}").read_bytes()
    assert data == (tmp_path / f"two{suffix}").read_bytes()
    assert b"/Type3" not in data  # which journals refuse
    assert suffix != ".svg" or b"<text" in data  # it can be edited and searched
    assert dict(mpl.rcParams) == settings


def test_the_users_settings_change_nothing(tmp_path: Path) -> None:
    theirs = {"image.origin": "lower", "axes.grid": True, "font.size": 30, "savefig.bbox": "tight", "image.cmap": "jet"}
    save_figure(draw(made(MapOptions(overlay=True), (1,))), tmp_path / "plain.png", dpi=60)
    with mpl.rc_context(theirs):
        save_figure(draw(made(MapOptions(overlay=True), (1,))), tmp_path / "theirs.png", dpi=60)
        assert mpl.rcParams["image.origin"] == "lower"
    assert (tmp_path / "plain.png").read_bytes() == (tmp_path / "theirs.png").read_bytes()


def test_a_map_with_more_positions_than_pixels_drops_none() -> None:
    stage = made(MapOptions(), stages=(1,))[1][0]
    fine = np.zeros((800, 1200), np.float32)
    maps = tuple((row, StageMap(fine, (0.0, 1.0))) for row in stage.maps)
    large = StageGates(1, 4, 8, 800, 1200, 2, 196, 0.0, True, maps)
    figure = draw((MapOptions(), (large,), {}))
    assert panel(figure, "f_loc 1").get_images()[0].get_interpolation() != "nearest"


def test_no_pyplot_figure_and_nothing_kept(tmp_path: Path) -> None:
    figures: weakref.WeakSet[Figure] = weakref.WeakSet()
    images: weakref.WeakSet[AxesImage] = weakref.WeakSet()
    for _ in range(3):
        figure = draw(made(MapOptions(), (1,)))
        figures.add(figure)
        for axes in figure.axes:
            images.update(axes.get_images())
        save_figure(figure, tmp_path / "a.png", dpi=40)
    del figure, axes
    gc.collect()
    assert len(figures) == 0
    assert len(images) == 0


@pytest.mark.parametrize("width", ["single", "double", 5.0])
@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("images", [1, 3])
def test_a_papers_figure_fits_its_width_in_type_of_7_points(width: Any, bare: bool, images: int) -> None:
    stages = (2,) if images > 1 else (1, 3)
    one = of(*made(stages=stages, measures=measured(stages)), weights=UNTRAINED)
    tall = dataclasses.replace(one, pixels=photo(192, 100))
    figure = gates_figure(one if images == 1 else GateSheet((one, tall, one)), width=width, bare=bare)
    assert figure.get_figwidth() == pytest.approx(find_width(width))
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) == 7
    assert [word for word in words(figure) if "UNTRAINED" in word]  # bare or not
    assert any("sha256" in word or "random" in word for word in words(figure)) is not bare
    assert any(axes.get_label() == "scale" for axes in figure.axes) is not bare
    (first, *_) = [axes for axes in figure.axes if axes.get_label() == f"gate {stages[0]}"]
    np.testing.assert_array_equal(first.get_images()[0].get_array(), one.stages[0].maps["gate"].values)
    assert len([axes for axes in figure.axes if axes.get_label() == f"gate {stages[0]}"]) == images
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in figure.findobj(Text) if text.get_text()]
    boxes += [(axes.get_label(), axes.get_window_extent(renderer)) for axes in figure.axes]
    page = figure.bbox
    for name, box in boxes:
        assert box.x0 >= 0, name
        assert box.y0 >= 0, name
        assert box.x1 <= page.x1 + 1, name
        assert box.y1 <= page.y1, name
    for (name, a), (other, b) in itertools.combinations(boxes, 2):
        assert a.x1 <= b.x0 + 1 or b.x1 <= a.x0 + 1 or a.y1 <= b.y0 + 1 or b.y1 <= a.y0 + 1, f"{name} on {other}"


@pytest.mark.parametrize("images", [1, 2])
def test_two_models_stand_over_their_difference(images: int) -> None:
    first = of(*made(MapOptions(local_only=False), (1,)))
    stages = tuple(
        dataclasses.replace(one, rows=tuple((row, StageMap(panel.values / 2, panel.limits)) for row, panel in one.rows))
        for one in first.stages
    )
    second = dataclasses.replace(first, stages=stages, weights=UNTRAINED)
    result = dataclasses.replace(first, against=second)
    figure = gates_figure(result if images == 1 else GateSheet((result, result)))
    assert "B: UNTRAINED WEIGHTS, seed 7" in words(figure)  # the first one's name is too long to stand beside a row
    gates = [axes.get_images()[0] for axes in figure.axes if axes.get_label().startswith("gate 1")][:3]
    mine = first.stages[0].maps["gate"].values
    np.testing.assert_array_equal([each.get_array() for each in gates], [mine, mine / 2, mine - mine / 2])
    assert gates[0].get_clim() == gates[1].get_clim()
    assert (gates[2].get_cmap().name, sum(gates[2].get_clim())) == ("RdBu_r", 0)
    assert len([axes for axes in figure.axes if axes.get_label() == "input"]) == images


def test_widths_and_figures_that_cannot_be() -> None:
    assert find_width("8.25 cm") == pytest.approx(3.248, abs=0.001)
    for width in ("wide", "6.875", "0in", 0.2, float("nan")):
        with pytest.raises(ConfigError, match="width"):
            find_width(width)
    with pytest.raises(ConfigError, match=r"width 1in: too narrow for 5 panels side by side, which need \d\.\d\din"):
        gates_figure(of(*made()), width="1in")
    with pytest.raises(ConfigError, match="same rows and stages"):
        GateSheet((of(*made(stages=(1,))), of(*made(stages=(2,)))))
    with pytest.raises(ConfigError, match="is empty"):
        GateSheet(())


def test_text_stays_text_and_maps_are_images(tmp_path: Path) -> None:
    figure = gates_figure(
        of(*made(stages=(1,)), image=ImageSource("\u732b-\u306d\u3053.png", None, 9, 9)), width="double"
    )
    save_figure(figure, tmp_path / "a.svg", dpi=60)
    save_figure(figure, tmp_path / "a.pdf", dpi=60)
    svg = (tmp_path / "a.svg").read_text()
    assert ">Before the<" in svg
    assert "image U+732B-ne-ko.png" in svg
    assert svg.count("<image") >= 5
    pdf = (tmp_path / "a.pdf").read_bytes()
    assert b"CIDFontType2" in pdf or b"/TrueType" in pdf
    assert b"/Type3" not in pdf


def test_signs_that_the_font_lacks_are_transliterated() -> None:
    assert drawable("Кот $1 ねこ 고양이") == "Кот $1 ne-ko go-yang-i"
    assert drawable("道.png") == "U+9053.png"
