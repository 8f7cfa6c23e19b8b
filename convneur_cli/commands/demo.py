"""`convneur demo`: the packaged samples in a folder, and commands run on them."""

import io
import shlex
import time
from contextlib import chdir, nullcontext, redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer

from convneur.errors import OutputExistsError
from convneur.files import new_folder
from convneur.packaged import write_samples
from convneur_cli.options.common import CommonOptions

__all__ = ["demo"]

# What for, the command, the files it writes.
_STEPS: tuple[tuple[str, str, dict[str, str]], ...] = (
    (
        "What a model costs, and whether its cost grows with the pixels or with their square",
        "convneur flops --model m1 --sizes 224,512,1024 --compare self-attention --plot results/flops.png "
        "-o results/flops.json",
        {"results/flops.png": "cost against image size", "results/flops.json": "all counts and the verdict"},
    ),
    (
        "What the gate does to local features, stage by stage",
        "convneur viz-gates photo.jpg --save-arrays -o results/photo-gates.png",
        {
            "results/photo-gates.png": "the maps, stage by stage",
            "results/photo-gates.json": "how they were made",
            "results/photo-gates.npz": "the maps as arrays",
        },
    ),
    (
        "How well predicted boundaries fit the ground truth, and whether another model's fit better",
        "convneur eval-boundary predictions/ labels/ --against others/ --classes classes.txt -o results/boundary.json "
        "--per-image results/boundary.csv",
        {
            "results/boundary.json": "every metric, overall, by class and by image",
            "results/boundary.csv": "a row per image and class",
        },
    ),
    (
        "Which nuclei a trained detector finds, each with its mask",
        "convneur predict nuclei/images/val --weights nuclei --annotations instances.json --out results/nuclei "
        "--overlays results/nuclei",
        {"results/nuclei": "the nuclei as COCO results, and a picture of each image"},
    ),
    (
        "How well they are found",
        "convneur eval-detection results/nuclei/results.json instances.json -o results/nuclei.json",
        {"results/nuclei.json": "box AP, mask AP and Boundary AP"},
    ),
)
_NEXT = (
    "convneur flops --model m1,m4 --compare local-only",
    "convneur viz-gates horse.jpg --mask horse-mask.png -o horse-gates.html",
    "convneur figure boundaries predictions/ labels/ --twin others/ --images nuclei/images/val --classes classes.txt",
)


def demo(
    context: typer.Context,
    common: CommonOptions,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder to write to.", show_default="convneur-demo")
    ] = Path("convneur-demo"),
) -> int | None:
    """Write freely licensed samples into a folder and run flops, viz-gates, eval-boundary and a detector on them.

    It takes well under a minute, and shows each command as it is run. In this folder the examples of every command's
    `--help` can be pasted and run.

    Example: `convneur demo -o my-demo`
    """
    if output.is_dir() and any(output.iterdir()) and not common.force:
        raise OutputExistsError(output, "exists already and is not empty", "folder")
    write_samples(output, force=common.force)
    new_folder(output / "results")

    printer = common.printer()
    printer.text(f"$ cd {shlex.quote(str(output))}")
    passed_on = [f"--{name}" for name in ("force", "quiet", "debug") if getattr(common, name)]
    convneur: Any = context.find_root().command
    done = []
    for what, command, _ in _STEPS:
        printer.text(f"\n{what}\n$ {command}")
        begun = time.monotonic()
        with chdir(output), redirect_stdout(io.StringIO()) if common.json else nullcontext():
            code = convneur([*shlex.split(command)[1:], *passed_on], prog_name="convneur", standalone_mode=False)
        if code:
            return int(code)
        done.append({"command": command, "seconds": round(time.monotonic() - begun, 1)})

    written = {str(output / name): about for _, _, files in _STEPS for name, about in files.items()}
    written[str(output / "README.md")] = "what else is here, its sources and licence (CC0)"
    width = max(map(len, written))
    printer.text("\nWritten")
    for name, about in written.items():
        printer.text(f"  {name:<{width}}  {about}")
    printer.text("\nTry next, or the examples of any command's --help")
    for line in (f"cd {shlex.quote(str(output))}", *_NEXT):
        printer.text(f"  {line}")
    printer.json({"schema": "convneur.demo/1", "folder": str(output), "steps": done, "written": list(written)})
    return None
