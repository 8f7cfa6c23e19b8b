"""What a figure or page of gates says of itself, and the colours of its rows."""

from collections.abc import Sequence

from convneur.gates import Contrast, GateResult, Row, StageMap, StageMeasures, WeightsSource

__all__ = ["about_lines", "map_colours", "measure_lines", "measured_lines", "row_names"]

_FEATURES, _OUTPUT, _SIGNED = "viridis", "magma", "RdBu_r"


def about_lines(result: GateResult) -> list[tuple[str, str]]:
    """What a picture was made of, in short lines: what, and its value."""
    image, config, options = result.image, result.config, result.options
    height, width = result.pixels.shape[:2]
    if result.local_only is None:
        off = "memory off" if config.global_branch == "neural-memory" else "global path off"
        local_only = [("local only", f"same weights, {off}")]
    else:
        local_only = _weights("local only", result.local_only)
    lines = [
        ("image", image.file_name),
        ("pixels", f"{image.height} × {image.width} (H × W)"),
        ("drawn at", f"{height} × {width}"),
        *([("", "as the weights were validated")] if result.at_validation_size else []),
        ("model", result.weights.model),
        ("global", f"{config.global_branch}, {config.memory}"),
        ("fusion", config.fusion),
    ]
    if config.global_branch == "neural-memory":
        lines.append(("memory", f"read {config.read}, {config.order} order"))
    lines += [
        *_weights("weights", result.weights),
        *(local_only if options.local_only else []),
        *([] if result.against is None else _weights("against", result.against.weights)),
        ("block", f"{result.block} of each stage"),
        ("reduce", f"{options.reduce} over channels"),
        ("scale", _limits(options.scale)),
    ]
    if options.gate_limits not in ("own", options.scale):
        lines.append(("gate", f"scale {_limits(options.gate_limits)}"))
    if options.chunk_borders:
        lines.append(("lines", "borders of chunks"))
    if options.overlay:
        lines.append(("overlay", "maps over the image in grey"))
    if result.measures:
        against = "image gradients" if result.mask is None else f"mask {result.mask.file_name}"
        lines.append(("measured", f"against {against}"))
        if result.mask is not None and result.mask.object_share is not None:
            lines.append(("object", f"{result.mask.object_share:.1%} of the image{', soft' * result.mask.soft}"))
    return [*lines, ("made by", f"convneur {result.versions.convneur}"), ("", f"torch {result.versions.torch}")]


def _limits(scale: str | tuple[float, float]) -> str:
    return scale if isinstance(scale, str) else f"{scale[0]:g} to {scale[1]:g}"


def _weights(what: str, source: WeightsSource) -> list[tuple[str, str]]:
    if source.seed is not None:
        return [(what, f"none, random, seed {source.seed}")]
    if source.file is None:
        return [(what, "of a module")]
    return [(what, source.file), ("", f"sha256 {source.sha256[:12]}")] if source.sha256 else [(what, source.file)]


def measure_lines(result: GateResult) -> list[tuple[str, list[str]]]:
    """What stands under the maps: a name and a text for each stage, line by line."""
    reads = _reads_lines(result)
    return [*measured_lines(result.measures), *reads] if result.measures else reads


def measured_lines(measures: Sequence[StageMeasures]) -> list[tuple[str, list[str]]]:
    """What was measured of gates: a name and a text for each of them, line by line."""
    by_mask = measures[0].against == "mask"
    return [
        (
            f"gate < {measures[0].CLOSED_BELOW:g} | > {measures[0].OPEN_ABOVE:g}",
            [f"{one.closed:.1%} | {one.open:.1%}" for one in measures],
        ),
        ("background suppression", [_change(one.background_suppression) for one in measures]),
        (
            "object : background" if by_mask else "steep : flat half",
            [_levels(one.background_suppression) for one in measures],
        ),
        *_parts([one.background_suppression for one in measures]),
        ("edge contrast", [_change(one.edge_contrast) for one in measures]),
        ("edge : rest", [_levels(one.edge_contrast) for one in measures]),
        *_parts([one.edge_contrast for one in measures]),
    ]


def _reads_lines(result: GateResult) -> list[tuple[str, list[str]]]:
    found = [stage.reads for stage in result.stages if stage.reads is not None]
    if not found:
        return []
    name = "read of " + " · ".join(part for part, _ in found[0].parts)
    return [(name, [" · ".join(share for _, share in reads.shown) for reads in found])]


def _change(contrast: Contrast) -> str:
    return _times(contrast.change)


def _parts(contrasts: list[Contrast]) -> list[tuple[str, list[str]]]:
    """What of a factor is of the channels, what of places, and what places chosen by chance would give."""
    return [
        ("by channels · by place", [f"{_part(one.channels)} · {_part(one.place)}" for one in contrasts]),
        ("place by chance", ["–" if one.null is None else "{:.3f} to {:.3f}".format(*one.null) for one in contrasts]),
    ]


def _part(value: float | None) -> str:
    """With as many digits as the interval it is held against."""
    return "–" if value is None else f"×{value:.3f}"


def _times(value: float | None) -> str:
    return "–" if value is None else f"×{value:#.3g}".rstrip(".")


def _levels(contrast: Contrast) -> str:
    before, after = (
        "–" if value is None else f"{value:#.3g}".rstrip(".") for value in (contrast.before, contrast.after)
    )
    return f"{before} → {after}"


def map_colours(row: Row, panel: StageMap, result: GateResult) -> str:
    """A perceptually uniform colour map; one of its own says that a row is another quantity on another scale.

    Values of both signs diverge from a pale 0: blue below, red above.
    """
    if panel.colour_scale == "diverging":
        return _SIGNED
    if row == "f_out" and result.options.scale in ("paired", "map"):
        return _OUTPUT
    return {"gate": "cividis", "surprise": "inferno", "reads": _SIGNED}.get(row, _FEATURES)


def row_names(row: Row, result: GateResult) -> tuple[str, str, str]:
    """A row's name, its formula in mathematical type, and what to know of it."""
    gating = result.config.fusion == "gating"
    scale = _scale_words(row, result)
    if row == "local_only":
        off = "global path off" if result.stages[0].chunks is None else "memory off"
        whose = f"same weights,\n{off}" if result.same_weights else "a separate model"
        return "Local only", r"$F_{loc}$, no global path", f"{whose}\n{scale}"
    if row == "f_loc":
        return "Before the gate" if gating else "Before fusion", r"$F_{loc}$", scale
    if row == "gate":
        return "Gate", r"$A = \sigma(G)$", scale
    if row == "gated":
        return "After the gate", r"$A \odot F_{loc}$", scale
    if row == "surprise":
        return "Surprise", r"$\Vert k\,M_{t-1} - v \Vert^2$", scale
    if row == "reads":
        attention = any(stage.reads is not None and stage.reads.kind == "attention" for stage in result.stages)
        formula = "attention" if attention else r"shares of $W_e\,y$"
        return "Reads", formula, "at the ringed position\nown scale about 0"
    formula = {
        "gating": r"$F_{out} = X + A \odot F_{loc}$",
        "addition": r"$F_{out} = X + F_{loc} + G$",
        "concat": r"$F_{out} = X + W[F_{loc}; G]$",
    }[result.config.fusion]
    return "After the gate" if gating else "After fusion", formula, f"contains X\n{scale}"


def _scale_words(row: Row, result: GateResult) -> str:
    scale = result.options.scale
    if row == "surprise":
        return "own scale, logarithmic"
    if row == "gate":
        limits = result.options.gate_limits
        return {"own": "own scale", "shared": "scale shared by\nall stages"}.get(
            str(limits), f"scale {_limits(limits)}"
        )
    if scale == "map":
        return "own scale"
    if scale == "column":
        return "scale shared by the\nstage's feature rows"
    if not isinstance(scale, str):
        return f"scale {_limits(scale)}"
    if result.options.row3 == "gated" and row in ("f_loc", "gated"):
        return "scale shared with\n" + ("after the gate" if row == "f_loc" else "before the gate")
    return "own scale"
