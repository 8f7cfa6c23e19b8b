"""Layers of any model as a grid of panels: features side by side, channels, or gates with what they multiply."""

from collections.abc import Sequence

from convneur.figures.panels import Panel, PanelGrid, PanelRow
from convneur.gates import LayerResult, StageMap

__all__ = ["layer_colours", "layer_facts", "layer_names", "layers_grid"]

_WIDE = 5.0  # inches, from which on a row holds more panels
_NAMES = {"features": "Features", "f_loc": "Before the gate", "gate": "Gate", "gated": "After the gate"}


def layers_grid(result: LayerResult, inches: float) -> PanelGrid:
    """Gates: a row for each quantity, a column for each gate. Features and channels: rows of panels with their names.

    Args: inches: the figure's width, by which a row holds more panels or fewer.
    """
    about, wide = _about(result), inches >= _WIDE
    if result.kind == "gates":
        rows = tuple(
            PanelRow(
                _NAMES[row],
                result.pixels,
                tuple(_panel(one.name, row, one.maps[row]) for one in result.layers),
                None if result.object_mask is None else result.object_mask >= 0.5,
                first=number == 0,
            )
            for number, row in enumerate(result.layers[0].maps)
        )
        groups = tuple((one.name, 1) for one in result.layers)
        return PanelGrid(groups, ("",) * len(groups), rows, about, result.stamp, overlay=result.options.overlay)
    if result.kind == "channels":
        most = 8 if wide else 4
        parts = [(one.name, [_panel(one.name, row, panel, row) for row, panel in one.rows]) for one in result.layers]
    else:
        most = 4 if wide else 2
        parts = [("", [_panel(one.name, row, panel, one.name) for one in result.layers for row, panel in one.rows])]
    columns = min(most, max(len(panels) for _, panels in parts))
    drawn: list[PanelRow] = []
    for name, panels in parts:
        for start in range(0, len(panels), columns):
            chunk: Sequence[Panel | None] = panels[start : start + columns]
            padded = (*chunk, *[None] * (columns - len(chunk)))
            drawn.append(PanelRow("" if start else name, result.pixels, padded, first=not drawn))
    return PanelGrid((), ("",) * columns, tuple(drawn), about, result.stamp, overlay=result.options.overlay)


def layer_names(row: str) -> str:
    """What a row is called."""
    return _NAMES.get(row, row)


def layer_colours(row: str, scale: str) -> str:
    """Features and gates have colours of their own, as on a figure of stages."""
    return "RdBu_r" if scale == "diverging" else "cividis" if row == "gate" else "viridis"


def _panel(layer: str, row: str, panel: StageMap, title: str = "") -> Panel:
    return Panel(f"{row} {layer}", panel, layer_colours(row, panel.colour_scale), title=title)


def _about(result: LayerResult) -> tuple[str, ...]:
    return ("; ".join(f"{key} {value}" for key, value in layer_facts(result)) + ".", *result.notes)


def layer_facts(result: LayerResult) -> list[tuple[str, str]]:
    """What the maps were made of: what, and its value."""
    height, width = result.pixels.shape[:2]
    record = result.record
    weights = record.get("file") or {"untrained": "none, random"}.get(record["source"], f"of a {record['source']}")
    sha256 = f", sha256 {record['sha256'][:12]}" if record.get("sha256") else ""
    facts = [
        ("image", f"{result.image.file_name}, {result.image.height} × {result.image.width} (H × W)"),
        ("drawn at", f"{height} × {width}"),
        ("model", result.model),
        ("weights", f"{weights}{sha256}"),
        *([] if result.kind == "channels" else [("reduce", f"{result.options.reduce} over channels")]),
        *(("gate", f"{one.name} multiplies {one.features}") for one in result.layers if one.features is not None),
    ]
    if result.measures:
        against = "image gradients" if result.mask is None else f"mask {result.mask.file_name}"
        facts.append(("measured", f"against {against}"))
    return [*facts, ("made by", f"convneur {result.versions.convneur}, torch {result.versions.torch}")]
