"""What a study's nets keep at larger sizes: mIoU of the same photos scaled up, and amid mirrored ones.

    python examples/transfer.py STUDY DATA --preset camvid --every 5

STUDY is a folder of `convneur study`, DATA what it was trained on. Each run labels every n-th test photo three ways:

- trained: at the scale that it was validated at;
- scaled: at `--factor` times that, so that objects are larger too, which costs any net something;
- amid: at the trained scale, in the middle of a larger picture that the photo's mirror images fill. Objects, edges and
  colours are as before, only the image is larger. A net without a global path loses something too: its head's group
  norm sees the whole picture, and the net's grid falls elsewhere. What others lose beyond it is their global path's.

Photos are shown whole, never in windows. A row for each twin: means over its seeds, and the mean change from trained.
"""

import argparse
import json
import statistics
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from convneur import ConvNeur, load_checkpoint
from convneur.data.examples import find_split, read_example
from convneur.data.presets import PRESETS
from convneur.data.reading import Reading
from convneur.inference import pixel_logits
from convneur.metrics import BoundaryAccumulator, BoundarySettings, score_pair
from convneur.study.runs import StudyRun

WAYS = ("trained", "scaled", "amid")


def labelled(model: ConvNeur, pixels: NDArray[np.uint8], way: str, scale: float, factor: float) -> NDArray[np.int64]:
    """The label map of a photo, (H, W)."""
    height, width = pixels.shape[:2]
    if way == "amid":
        rows, columns = (round(side * (factor - 1) / 2) for side in (height, width))
        around = np.pad(pixels, ((rows, rows), (columns, columns), (0, 0)), mode="symmetric")
        logits = pixel_logits(model, [around], scale=scale, window=None)[0][
            :, rows : rows + height, columns : columns + width
        ]
    else:
        logits = pixel_logits(model, [pixels], scale=scale * (factor if way == "scaled" else 1), window=None)[0]
    return logits.argmax(0).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--preset", choices=sorted(PRESETS), required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--twins", help="only these, with commas")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="each N-th photo")
    parser.add_argument("--factor", type=float, default=3.0, help="on the sides of the image")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    plan = json.loads((arguments.study / "config.json").read_text(encoding="utf-8"))
    if plan.get("folds"):
        parser.error(f"{arguments.study} was tested on folds; take a study with a split to test on")
    preset = PRESETS[arguments.preset]
    reading = Reading(preset.ignore_index, preset)
    examples = find_split(arguments.data, "segmentation", arguments.split, reading).examples[:: arguments.every]
    settings = BoundarySettings(num_classes=len(preset.names), ignore_index=preset.ignore_index, metrics=("miou",))
    print(
        f"mIoU of {len(examples)} photos of {arguments.split}; image {arguments.factor:g} times as large to each side"
    )
    print("\n| twin | trained | scaled | amid | scaled - trained | amid - trained |\n|---|---:|---:|---:|---:|---:|")
    for twin in arguments.twins.split(",") if arguments.twins else plan["twins"]:
        found: dict[str, list[float]] = {way: [] for way in WAYS}
        for seed in plan["seeds"]:
            folder = StudyRun(twin, seed).folder(arguments.study)
            model, about = load_checkpoint(folder / "weights.safetensors")
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            scale = about["settings"]["eval_scale"]
            for way in WAYS:
                total = BoundaryAccumulator(settings, preset.names)
                for example in examples:
                    pixels, truth = read_example(example, reading)
                    guess = labelled(model, pixels, way, scale, arguments.factor)
                    assert not isinstance(truth, int)  # a label map
                    total.add(example.name, score_pair(guess, truth, settings))
                found[way].append(total.summary().overall["miou"])
        cells = [f"{statistics.mean(found[way]):.3f}" for way in WAYS]
        for way in WAYS[1:]:
            changes = [now - then for now, then in zip(found[way], found["trained"], strict=True)]
            spread = f" ± {statistics.stdev(changes):.3f}" if len(changes) > 1 else ""
            cells.append(f"{statistics.mean(changes):+.3f}{spread}")
        print(f"| {twin} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
