"""`convneur demo`: the three main commands on the packaged samples."""

import io
import shlex
import time
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer

import convneur
from convneur.errors import InputError
from convneur.files import new_file, new_folder
from convneur_cli.options.common import CommonOptions

__all__ = ["demo"]

_SAMPLES = Path(convneur.__file__).parent / "data" / "samples"


def demo(
    common: CommonOptions,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder to write to.", show_default="convneur-demo")
    ] = Path("convneur-demo"),
) -> int | None:
    """Run flops, viz-gates and eval-boundary on packaged, freely licensed samples; takes well under a minute.

    The samples are copied into the folder, each command is shown as it is run, so that it can be run again by hand.

    Example: `convneur demo -o convneur-demo`
    """
    from convneur_cli.app import app  # here: app composes this command too

    if output.is_dir() and any(output.iterdir()) and not common.force:
        raise InputError(output, "exists already and is not empty; choose another --output or add --force")
    samples = new_folder(new_folder(output) / "samples")
    for source in sorted(_SAMPLES.rglob("*")):
        target = samples / source.relative_to(_SAMPLES)
        if source.is_dir():
            new_folder(target)
        else:
            with new_file(target, force=common.force) as temporary:
                temporary.write_bytes(source.read_bytes())

    steps = _steps(output, samples)
    printer = common.printer()
    passed_on = [f"--{name}" for name in ("force", "quiet", "debug") if getattr(common, name)]
    done: list[dict[str, Any]] = []
    for what, arguments, _ in steps:
        command = shlex.join(["convneur", *arguments])
        printer.text(f"\n{what}\n$ {command}")
        begun = time.monotonic()
        with redirect_stdout(io.StringIO()) if common.json else nullcontext():
            code = app(args=[*arguments, *passed_on], prog_name="convneur", standalone_mode=False)
        if code:
            return int(code)
        done.append({"command": command, "seconds": round(time.monotonic() - begun, 1)})

    written = {str(output / name): about for _, _, files in steps for name, about in files.items()}
    written[str(samples)] = "what the commands were run on; README.md names sources and licence (CC0)"
    width = max(map(len, written))
    printer.text("\nWritten")
    for name, about in written.items():
        printer.text(f"  {name:<{width}}  {about}")
    printer.text("\nTry next")
    for line in (
        "convneur flops --model all --compare self-attention,local-only",
        "convneur viz-gates YOUR_PHOTO.jpg --row3 gated --surprise",
        "convneur eval-boundary YOUR_PREDICTIONS YOUR_GROUND_TRUTH --num-classes 21",
    ):
        printer.text(f"  {line}")
    printer.json({"schema": "convneur.demo/1", "folder": str(output), "steps": done, "written": list(written)})
    return None


def _steps(output: Path, samples: Path) -> list[tuple[str, list[str], dict[str, str]]]:
    """Per command: what it is for, its arguments, what it writes."""
    return [
        (
            "What the net costs, and whether its cost grows with the pixels or with their square",
            [
                *("flops", "--model", "m1", "--sizes", "224,512,1024", "--compare", "self-attention"),
                *("--plot", str(output / "flops.png"), "-o", str(output / "flops.json")),
            ],
            {"flops.png": "cost against image size", "flops.json": "all counts and the verdict"},
        ),
        (
            "What the gate does to local features, stage by stage",
            [
                *("viz-gates", str(samples / "chelsea.jpg"), "--save-arrays"),
                *("-o", str(output / "chelsea-gates.png")),
            ],
            {
                "chelsea-gates.png": "the maps, stage by stage",
                "chelsea-gates.json": "how they were made",
                "chelsea-gates.npz": "the maps as arrays",
            },
        ),
        (
            "How well predicted boundaries fit: three predictions of one silhouette, each with a known mistake",
            [
                *("eval-boundary", str(samples / "horse" / "predictions"), str(samples / "horse" / "gt")),
                *("--classes", str(samples / "horse" / "classes.txt")),
                *("-o", str(output / "boundary.json"), "--per-image", str(output / "boundary.csv")),
            ],
            {
                "boundary.json": "every metric, overall, by class and by image",
                "boundary.csv": "a row per image and class",
            },
        ),
    ]
