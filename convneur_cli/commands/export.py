"""`convneur export`: a trained model as a file that other programs run."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from convneur_cli.errors import CHECK_FAILED, UsageError
from convneur_cli.options.common import CommonOptions

__all__ = ["export"]


def export(
    common: CommonOptions,
    weights: Annotated[
        str,
        typer.Argument(metavar="WEIGHTS|NAME", help="weights.safetensors of a training run, or packaged weights."),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="File to write: .onnx, .xml (OpenVINO) or .pt2.", metavar="FILE"),
    ],
    size: Annotated[
        str | None,
        typer.Option(
            help="Height and width that the model sees, after --scale of `predict`; any leaves them open.",
            metavar="SIZE|any",
            show_default="as it was validated",
        ),
    ] = None,
    batch: Annotated[str, typer.Option(help="Images at once; any leaves it open.", metavar="N|any")] = "any",
    precision: Annotated[
        Literal["fp32", "int8"], typer.Option(help="int8 rounds the weights of matrix products (.onnx only).")
    ] = "fp32",
    fold: Annotated[bool, typer.Option("--fold/--no-fold", help="Multiply constant matrices out beforehand.")] = True,
    check: Annotated[
        bool,
        typer.Option(
            "--check/--no-check", help="Compare with torch on real images; exit 3 and write nothing if they differ."
        ),
    ] = True,
) -> int | None:
    """Write a trained model as a graph that runs without torch: ONNX, OpenVINO, or torch.export.

    The graph takes images (B, 3, H, W), float32, normalised. Classes, mean, std, scale, colours and the weights' origin
    are in the file, so that `predict --weights model.onnx` needs nothing else.

    Needs `pip install onnx onnxscript onnxruntime`, and OpenVINO `pip install openvino` too.

    Example, for images of one size: `convneur export camvid -o camvid.onnx --size 360x480`
    """
    if batch != "any" and not batch.isdecimal():
        raise UsageError(f"--batch {batch}: give a number of images, or any")

    import convneur

    printer = common.printer()
    report = convneur.export(
        weights,
        output,
        size=size,
        batch="any" if batch == "any" else int(batch),
        precision=precision,
        fold=fold,
        check=check,
        force=common.force,
        progress=printer,
    )
    printer.show(report)
    return None if report.passed else CHECK_FAILED
