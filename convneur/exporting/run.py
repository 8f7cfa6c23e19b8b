"""`export`: one trained model, one file that other programs run."""

import copy
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from convneur.errors import ConfigError
from convneur.exporting.check import Comparison, compare
from convneur.exporting.formats import Format, check_installed, format_of, write_graph, written_with
from convneur.exporting.tracing import check_open, least_side
from convneur.files import new_file, refuse_existing
from convneur.formats import as_text
from convneur.graphs import GraphDescription, InputShape, Precision
from convneur.inference import Predictor, load_predictor
from convneur.model.folding import fold as folded
from convneur.model.network import ConvNeur
from convneur.progress import Progress, silent
from convneur.results import Result, Table
from convneur.sizes import find_size, size_name

__all__ = ["ExportReport", "export"]

# Choice: the view of a classifier whose file says nothing of its own, as `predict` has it.
_VIEW = (224, 224)


@dataclass(frozen=True, repr=False)
class ExportReport(Result):
    """What was written, and how it compares with torch.

    Args:
        model: what was exported; written: the files, none where the comparison failed; bytes: of all of them.
        input: which images the graph takes; comparison: None where it was not asked for.

    >>> from convneur.graphs import InputShape
    >>> print(ExportReport("camvid", "onnx", (), 0, InputShape((224, 224)), "fp32", folded=True).headlines()[0])
    camvid as onnx: images (any number, 3, 224, 224)
    """

    model: str
    format: Format
    written: tuple[Path, ...]
    bytes: int
    input: InputShape
    precision: Precision
    folded: bool
    channels: int = 3
    comparison: Comparison | None = None

    @property
    def passed(self) -> bool:
        """Whether the graph says what torch says, or was not compared."""
        return self.comparison is None or self.comparison.passed

    def __repr__(self) -> str:
        state = ", ".join(map(str, self.written)) or "not written"
        return f"<ExportReport {self.model} as {self.format}: {state}>"

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": "convneur.export/1",
            "model": self.model,
            "format": self.format,
            "written": [as_text(path) for path in self.written],
            "bytes": self.bytes,
            "input": {
                "size": self.input.size and list(self.input.size),
                "batch": self.input.batch,
                "least": self.input.least,
            },
            "precision": self.precision,
            "folded": self.folded,
            "comparison": self.comparison and self.comparison.to_dict(),
        }

    def headlines(self) -> Sequence[str]:
        height, width = self.input.size or ("H", "W")
        batch = self.input.batch or "any number"
        open_sides = f", sides of {self.input.least} or more" if self.input.size is None else ""
        return (f"{self.model} as {self.format}: images ({batch}, {self.channels}, {height}, {width}){open_sides}",)

    def tables(self) -> Sequence[Table]:
        if self.comparison is None:
            return ()
        seen = self.comparison
        same = "-" if seen.labels_equal is None else f"{seen.labels_equal:.3%}"
        sizes = ", ".join(size_name(*size) for size in seen.sizes)
        row = (str(seen.images), sizes, f"{seen.difference:.1e}", f"{seen.bound:g}", f"{seen.largest:.1e}", same)
        columns = ("images", "at", "difference", "bound", "largest", "labels equal")
        note = "difference: root mean square of the logits' differences over their standard deviation"
        return (Table("Beside torch", columns, (row,), left=2, notes=(note,)),)

    def sentences(self) -> Sequence[str]:
        if not self.passed:
            return ("The graph does not say what torch says, so no file was written",)
        return (f"{self.bytes / 1e6:.1f} MB in {', '.join(map(str, self.written))}",)


def export(
    weights: str | Path | Predictor,
    output: str | Path,
    *,
    size: int | str | tuple[int, int] | None = None,
    batch: int | Literal["any"] = "any",
    precision: Precision = "fp32",
    fold: bool = True,
    check: bool = True,
    force: bool = False,
    progress: Progress = silent,
) -> ExportReport:
    """Write a trained model as a graph for other programs, with what is known of it inside.

    Input `image`: (B, 3, H, W) float32, normalised by the file's mean and std. The first output is what the model's
    `forward` returns.
    Args:
        weights: as `convneur.load` takes them, or what it gave.
        output: .onnx for ONNX Runtime and many others, .xml for OpenVINO (its weights in .bin beside), .pt2 for
            torch.export. The first two run by `convneur.load` without torch.
        size: height and width in pixels that the model sees, after `scale`; or "any". By default those at which it was
            validated. Where the weights do not say them: 224 for a classifier, any for a segmentation model.
        batch: images at once; any leaves it open.
        precision: int8 rounds the weights of matrix products, and what they are multiplied with as it comes. ONNX only.
        fold: multiply constant matrices out beforehand (`convneur.fold`).
        check: compare the file with torch on the packaged images; beyond `BOUNDS` no file stays, and the report's
            `passed` is False.
    Raises: ConfigError: a setting that cannot be, for this model or format; InputError: an output that exists while
        `force` is off, a package that is not installed.

    >>> import tempfile, convneur
    >>> from convneur.variants import ConvNeurConfig
    >>> model = convneur.create(ConvNeurConfig(dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8, num_classes=3))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = export(convneur.inference.Predictor(model.eval()), f"{folder}/tiny.pt2", size=64)
    ...     report.passed, [path.name for path in report.written]
    (True, ['tiny.pt2'])
    """
    output = Path(output)
    format = format_of(output)
    if precision not in ("fp32", "int8"):
        raise ConfigError("precision", "choose fp32 or int8", value=precision)
    if precision == "int8" and format != "onnx":
        raise ConfigError("precision", "int8 is for .onnx files; choose fp32", value=precision)
    refuse_existing(*written_with(output), force=force)
    check_installed(format)
    predictor = weights if isinstance(weights, Predictor) else load_predictor(weights)
    if not isinstance(predictor.model, ConvNeur):
        raise ConfigError("weights", "is an exported graph already; name the weights", value=predictor.name)
    model = copy.deepcopy(predictor.model).cpu().float().eval()
    shape = _input_shape(predictor, model, size, batch)
    about = GraphDescription(
        config=model.config,
        input=shape,
        precision=precision,
        folded=fold,
        version=version("convneur"),
        **predictor.facts(),
    )
    comparison = None
    with tempfile.TemporaryDirectory() as folder, progress.steps("exporting", 2 if check else 1) as advance:
        made = Path(folder, f"model{output.suffix.lower()}")
        if shape.size is None:
            progress.note("a graph for any size takes a minute or two to make")
        write_graph(folded(model) if fold else model.requires_grad_(False), made, about)
        if check:
            advance("comparing with torch")
            comparison = compare(predictor, model, made, shape, precision)
        advance()
        kept = comparison is None or comparison.passed
        targets = written_with(output) if kept else ()
        size_in_bytes = sum(source.stat().st_size for source in written_with(made))
        for source, target in zip(written_with(made), targets, strict=False):
            with new_file(target, force=force) as temporary:
                shutil.copyfile(source, temporary)
    return ExportReport(
        predictor.name,
        format,
        targets,
        size_in_bytes,
        shape,
        precision,
        fold,
        channels=model.config.in_channels,
        comparison=comparison,
    )


def _input_shape(
    predictor: Predictor, model: ConvNeur, size: int | str | tuple[int, int] | None, batch: int | str
) -> InputShape:
    if size is None and predictor.task == "segmentation":
        size = predictor.validated_size or "any"
    elif size is None:
        size = predictor.size or _VIEW  # as `predict` shows it images, and as it was validated
    if batch != "any" and (not isinstance(batch, int) or batch < 1):
        raise ConfigError("batch", "give a number of images, or any", value=batch)
    images = batch if isinstance(batch, int) else None
    if size == "any":
        check_open(model.config)
        return InputShape(None, images, least_side(model.config))
    height, width = find_size(size)
    return InputShape((height, width), images)
