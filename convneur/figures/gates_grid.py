"""Gates of one image or of several as a grid of panels: stages beside each other, or images under each other."""

from collections.abc import Iterator, Sequence

from convneur.figures.gates_words import about_lines, map_colours, row_names
from convneur.figures.panels import Panel, PanelGrid, PanelRow
from convneur.gates import GateResult, Row

__all__ = ["gates_grid"]


def gates_grid(results: Sequence[GateResult]) -> PanelGrid:
    """One image: a row for each quantity, a column for each stage. Several: a row each, the quantities side by side."""
    first = results[0]
    rows = first.options.rows
    stages = [f"Stage {stage.stage}" for stage in first.stages]
    names = {row: row_names(row, first)[0] for row in rows}
    drawn: list[PanelRow] = []
    if len(results) == 1:
        for row in rows:
            for model, panels in _models(first, [(row, number) for number in range(len(stages))]):
                name = f"{names[row]}: {model}" if model else names[row]
                drawn.append(PanelRow(name, first.pixels, panels, first.inside, first=not drawn, mark=_mark(first)))
        groups, columns = tuple((name, 1) for name in stages), ("",) * len(stages)
    else:
        for result in results:
            places = [(row, number) for number in range(len(stages)) for row in rows]
            for line, (model, panels) in enumerate(_models(result, places)):
                mark = _mark(result)
                drawn.append(PanelRow(model, result.pixels, panels, result.inside, first=line == 0, mark=mark))
        groups = tuple((name, len(rows)) for name in stages)
        columns = tuple(names[row] for _ in stages for row in rows)
    models = zip(first.models, (first, first.against), strict=True) if first.against else [("", first)]
    stamps = [
        f"{name}: {one.weights.stamp}" if name else one.weights.stamp for name, one in models if one.weights.stamp
    ]
    return PanelGrid(
        groups, columns, tuple(drawn), _about(results), "; ".join(stamps) or None, overlay=first.options.overlay
    )


def _models(result: GateResult, places: Sequence[tuple[Row, int]]) -> Iterator[tuple[str, tuple[Panel, ...]]]:
    """The panels of rows and stages, by number, of a model; then of the second one, and the differences."""
    second = result.against
    if second is None:
        yield "", tuple(_panel(row, result, number) for row, number in places)
        return
    for model, one in zip(result.models, (result, second), strict=True):
        yield model, tuple(_panel(row, one, number) for row, number in places)
    found = [(row, result.stages[number], result.differences[number][row]) for row, number in places]
    yield (
        "difference",
        tuple(
            Panel(f"{row} {stage.stage} difference", one, map_colours(row, one, result)) for row, stage, one in found
        ),
    )


def _panel(row: Row, result: GateResult, number: int) -> Panel:
    stage = result.stages[number]
    panel = stage.maps[row]
    borders = stage if result.options.chunk_borders and result.has_chunk_borders else None
    mark = stage.reads.position if row == "reads" and stage.reads is not None else None
    return Panel(f"{row} {stage.stage}", panel, map_colours(row, panel, result), borders, mark=mark)


def _mark(result: GateResult) -> tuple[tuple[int, int], tuple[int, int]] | None:
    read = result.options.reads
    return None if read is None else (read, (result.image.height, result.image.width))


_OF_AN_IMAGE = ("image", "pixels", "drawn at", "object")


def _about(results: Sequence[GateResult]) -> tuple[str, ...]:
    """What the maps were made of, as running text; of several images their names and sizes first."""
    facts: list[tuple[str, str]] = []
    for key, value in about_lines(results[0]):
        if key:
            facts.append((key, value))
        else:
            facts[-1] = (facts[-1][0], f"{facts[-1][1]}, {value}")
    text = []
    if len(results) > 1:
        images = (f"{one.image.file_name} ({one.pixels.shape[0]} × {one.pixels.shape[1]})" for one in results)
        text = [f"Images, from the top, as drawn: {', '.join(images)}."]
        facts = [(key, value) for key, value in facts if key not in _OF_AN_IMAGE]
    notes = dict.fromkeys(note for one in results for note in one.notes)
    return (*text, "; ".join(f"{key} {value}" for key, value in facts) + ".", *notes)
