"""Kinds of input: sound files of each, and cases that damage one of them and give it to a command."""

import contextlib
import io
import json
import os
import random
import shutil
import signal
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors.numpy import load

from . import mutations as hurt

__all__ = ["KILLED", "KINDS", "Case", "make_corpus", "outcome", "timeless"]

RECIPE = {
    "epochs": 2, "batch": 2, "accumulate": 1, "crop": [32, 32], "scale": [0.5, 1.0], "eval_scale": 1.0, "flip": 0.5,
    "colour": {"value": 0.2, "source": "a test"}, "rand_augment": 0.0, "erase": 0.0, "mixup": 0.0, "cutmix": 0.0,
    "label_smoothing": 0.0, "class_weights": "sqrt", "drop_path": 0.1, "lr": 0.01, "backbone_lr": 1.0,
    "weight_decay": 0.05, "warmup": 0.1, "min_lr": 0.0, "clip": 1.0, "ema": 0.9,
}  # fmt: skip
C = "../corpus"  # cases run in a folder beside it
_TRAIN = ["--model", f"{C}/tiny.json", "--recipe", f"{C}/quick.json", "--workers", "0", "--precision", "fp32",
          "--device", "cpu"]  # fmt: skip
_SIZE = (24, 32)


@dataclass
class Case:
    """A command with the files it is given, relative to the folder it runs in.

    folders: those of the corpus that are copied there first. outputs: what it may write; empty: any new name there.
    equal: what it writes if it ends well, by the file of the corpus that this must equal but for times.
    """

    arguments: list[str]
    files: dict[str, bytes] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    outputs: tuple[str, ...] = ("out",)
    equal: dict[str, str] = field(default_factory=dict)


Random = random.Random
_IMAGES = ("png", "jpg", "webp", "tif", "bmp", "gif", "ppm", "jp2", "avif", "tga")
_MAPS = ("palette.png", "grey.png", "wide.png", "rgb.png")
_TIFFS = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd")


def _image(rng: Random, corpus: Path) -> Case:
    name = rng.choice(sorted(path.name for path in (corpus / "images").iterdir()))
    data = (corpus / "images" / name).read_bytes()
    data = hurt.damaged_png(rng, data) if name.endswith(".png") and rng.random() < 0.7 else hurt.damaged(rng, data)
    if rng.random() < 0.1:
        name = name.split(".")[0] + "." + rng.choice(sorted(_IMAGES))
    weights = rng.choice(("tiny", "cls"))
    arguments = [name, "--weights", f"{C}/{weights}.safetensors", "--out", "out", "--json"]
    if rng.random() < 0.05:
        return Case(["viz-gates", name, *arguments[1:3], "-o", "out.png", "--size", "64"], {name: data})
    return Case(["predict", *arguments], {name: data})


def _scored(rng: Random, name: str, data: bytes) -> Case:
    """A label map as prediction or ground truth, beside a sound one."""
    pair = ["bad/" + name, f"{C}/maps/grey.png"]
    if rng.random() < 0.5:
        pair.reverse()
    more = hurt.words(rng, (lambda _: [], lambda _: ["--num-classes", "3"], lambda _: ["--ignore-index", "none"],
                            lambda _: ["--preset", "camvid"], lambda _: ["-o", "out.json"],
                            lambda _: ["--resize", "nearest"]), 2)  # fmt: skip
    return Case(["eval-boundary", *pair, "--json", *more], {"bad/" + name: data})


def _label_map(rng: Random, corpus: Path) -> Case:
    name = rng.choice(_MAPS)
    data = (corpus / "maps" / name).read_bytes()
    return _scored(rng, name, hurt.damaged_png(rng, data) if rng.random() < 0.7 else hurt.damaged(rng, data))


def _array(rng: Random, corpus: Path) -> Case:
    if rng.random() < 0.7:
        return _scored(rng, "a.npy", hurt.damaged_npy(rng, (corpus / "maps" / "a.npy").read_bytes()))
    data = (corpus / "maps" / "a.npz").read_bytes()
    if rng.random() < 0.5:
        packed = io.BytesIO()
        arrays = [np.zeros((rng.choice((1, 24)), 32), rng.choice(("u1", "f4", "i8"))) for _ in range(rng.randrange(4))]
        np.savez_compressed(packed, *arrays)
        data = packed.getvalue()
    return _scored(rng, "a.npz", hurt.damaged(rng, data))


def _tiff(rng: Random, corpus: Path) -> Case:
    data = hurt.damaged(rng, (corpus / "tiffs" / f"{rng.choice(_TIFFS)}.tif").read_bytes())
    if rng.random() < 0.3:
        return Case(
            ["predict", "a.tif", "--weights", f"{C}/tiny.safetensors", "--out", "out", "--json"], {"a.tif": data}
        )
    return _scored(rng, "a.tif", data)


def _checkpoint(rng: Random, corpus: Path) -> Case:
    data = hurt.damaged_safetensors(rng, (corpus / f"{rng.choice(('tiny', 'cls'))}.safetensors").read_bytes())
    if rng.random() < 0.1:
        arguments = ["train", f"{C}/seg", *_TRAIN, "--epochs", "1", "--out", "out", "--init", "w.safetensors"]
    elif rng.random() < 0.1:
        arguments = ["viz-gates", f"{C}/images/a.png", "--weights", "w.safetensors", "-o", "out.png", "--size", "64"]
    else:
        arguments = ["predict", f"{C}/images/a.png", "--weights", "w.safetensors", "--out", "out", "--json"]
    return Case(arguments, {"w.safetensors": data})


def _model(rng: Random, corpus: Path) -> Case:
    """Not given to `flops`, which rightly takes minutes for a model of very short chunks."""
    data = hurt.damaged_json(rng, (corpus / "tiny.json").read_bytes())
    if rng.random() < 0.1:
        arguments = ["viz-gates", f"{C}/images/a.png", "--weights", "none", "--size", "64", "-o", "out.png"]
    else:
        arguments = ["train", f"{C}/seg", *_TRAIN[2:], "--epochs", "1", "--out", "out", "--json"]
    return Case([*arguments, "--model", "net.json"], {"net.json": data})


def _recipe(rng: Random, corpus: Path) -> Case:
    data = hurt.damaged_json(rng, (corpus / "quick.json").read_bytes())
    train = [word if word != f"{C}/quick.json" else "r.json" for word in _TRAIN]
    return Case(["train", f"{C}/seg", *train, "--epochs", "1", "--out", "out", "--json"], {"r.json": data})


def _list(rng: Random, corpus: Path) -> Case:
    kind = rng.choice(("names.txt", "names.csv", "colours.csv", "pairs.txt", "pairs.csv"))
    data = hurt.damaged_text(rng, (corpus / "lists" / kind).read_bytes())
    if kind.startswith("pairs"):
        return Case(["eval-boundary", f"{C}/pred", f"{C}/gt", "--list", kind, "--json"], {kind: data})
    option = rng.choice(("--classes", "--classes", "--colours")) if kind.startswith("colours") else "--classes"
    return Case(["eval-boundary", f"{C}/pred", f"{C}/gt", option, kind, "--json", "-o", "out.csv"], {kind: data})


def _partial(rng: Random, corpus: Path) -> Case:
    data = hurt.damaged_json_lines(rng, (corpus / "partial").read_bytes())
    arguments = ["eval-boundary", f"{C}/pred", f"{C}/gt", "-o", "out.json", "--resume", "--json"]
    outputs = ("out.json", "out.json.partial")
    return Case(arguments, {"out.json.partial": data}, outputs=outputs, equal={"out.json": "scores.json"})


def _train_state(rng: Random, corpus: Path) -> Case:
    name = rng.choice(("config.json", "config.json", "metrics.jsonl", "state.safetensors", "weights.safetensors"))
    data = (corpus / "run" / name).read_bytes()
    damage = {"json": hurt.damaged_json, "jsonl": hurt.damaged_json_lines, "safetensors": hurt.damaged_safetensors}
    data = damage[name.split(".")[1]](rng, data)
    arguments = ["train", f"{C}/seg", *_TRAIN, "--out", "run", "--resume", "--json"]
    return Case(arguments, {f"run/{name}": data}, {"run": "run"}, outputs=("run",))


def _study_state(rng: Random, corpus: Path) -> Case:
    names = sorted(str(path.relative_to(corpus)) for path in (corpus / "study").rglob("*.json*"))
    name = rng.choice([name for name in names if "study.json" not in name])
    data = (corpus / name).read_bytes()
    data = hurt.damaged_json_lines(rng, data) if name.endswith("l") else hurt.damaged_json(rng, data)
    return Case([*_STUDY, "--resume", "--json"], {name: data}, {"study": "study"}, outputs=("study",))


def _tar(rng: Random, corpus: Path) -> Case:
    task = rng.choice(("seg", "cls"))
    files = {f"data/{split}.tar": (corpus / f"{task}-{split}.tar").read_bytes() for split in ("train", "val")}
    bad = rng.choice(sorted(files))
    files[bad] = hurt.repacked_tar(rng, files[bad])
    task = {"seg": "segmentation", "cls": "classification"}[task]
    return Case(["train", "data", "--task", task, *_TRAIN, "--epochs", "1", "--out", "out", "--json"], files)


def _folder(rng: Random, corpus: Path) -> Case:
    """A model as a folder, of the form that the Hugging Face Hub has."""
    name = rng.choice(("config.json", "config.json", "model.safetensors"))
    data = (corpus / "hub" / name).read_bytes()
    data = hurt.damaged_json(rng, data) if name.endswith(".json") else hurt.damaged_safetensors(rng, data)
    arguments = ["predict", f"{C}/images/a.png", "--weights", "hub", "--out", "out", "--json"]
    return Case(arguments, {f"hub/{name}": data}, {"hub": "hub"})


def _detection(rng: Random, corpus: Path) -> Case:
    """COCO results and ground truth, one of them damaged."""
    pair = ["results.json", rng.choice(("truth.json", "truth.json", "truth.json", "polygons.json"))]
    bad = rng.choice(pair)
    given = [name if name == bad else f"{C}/coco/{name}" for name in pair]
    more = rng.choice(([], [], ["-o", "out.csv"], ["-o", "out.md"], ["--metrics", "mask_ap"]))
    data = hurt.damaged_json(rng, (corpus / "coco" / bad).read_bytes())
    return Case(["eval-detection", *given, "--json", *more], {bad: data}, outputs=("out.csv", "out.md"))


def _panoptic(rng: Random, corpus: Path) -> Case:
    """A side of a panoptic set with a damaged JSON or a damaged PNG."""
    side = rng.choice(("pred", "gt"))
    name = rng.choice((f"{side}.json", f"{side}/0.png"))
    data = (corpus / "panoptic" / name).read_bytes()
    data = hurt.damaged_json(rng, data) if name.endswith("json") else hurt.damaged_png(rng, data)
    arguments = ["eval-boundary", "panoptic/pred.json", "panoptic/gt.json", "--panoptic", "--json"]
    return Case(arguments, {f"panoptic/{name}": data}, {"panoptic": "panoptic"})


def _sequences(rng: Random, corpus: Path) -> Case:
    """A folder of sequences with a frame that is damaged, too many, or under a hostile name."""
    side = rng.choice(("pred", "gt"))
    data = (corpus / "sequences" / side / "walk/00001.png").read_bytes()
    name = rng.choice(("walk/00001.png", "walk/00001.png", "walk/00001.png", "walk/x.png", "run/00000.png", "0.png"))
    if rng.random() < 0.1:
        name = f"walk/{hurt.hostile_name(rng).replace('/', '_').strip('.') or 'x'}"[:200] + ".png"
    data = hurt.damaged_png(rng, data) if rng.random() < 0.7 else hurt.damaged(rng, data)
    arguments = ["eval-boundary", "sequences/pred", "sequences/gt", "--sequences", "--json"]
    more = rng.choice(([], ["--davis", "unsupervised"]))
    return Case([*arguments, *more], {f"sequences/{side}/{name}": data}, {"sequences": "sequences"})


def _probability(rng: Random, corpus: Path) -> Case:
    name = rng.choice(("one.npy", "one.npy", "several.npy", "packed.npz", "grey.png"))
    data = (corpus / "probabilities" / name).read_bytes()
    if name.endswith("npy"):
        data = hurt.damaged_npy(rng, data)
    else:
        data = hurt.damaged_png(rng, data) if name.endswith("png") else hurt.damaged(rng, data)
    more = rng.choice(([], ["--threshold", "0.3"], ["--threshold", "0.3,0.5", "--best-by", "miou"]))
    arguments = ["eval-boundary", name, f"{C}/maps/grey.png", "--probabilities", "--json"]
    return Case([*arguments, *more], {name: data})


_HOSTILE = (
    "", "0", "-1", "1", "nan", "inf", "1e999", "9" * 400, "1,", ",", "a", "1:2", "\x1b[31m", "../case/up", "x" * 300,
    "--", "é",
)  # fmt: skip


def _choices(**values: tuple[str, ...]) -> list[Callable[[Random], list[str]]]:
    """Options, each with a value that suits it or one that suits none."""

    def choice(name: str) -> Callable[[Random], list[str]]:
        option = f"--{name.replace('_', '-')}"
        return lambda rng: [option, rng.choice(values[name]) if rng.random() < 0.4 else rng.choice(_HOSTILE)]

    return [choice(name) for name in values]


_EVAL = _choices(
    num_classes=("2", "3"), ignore_index=("255", "none"), tolerance=("3px", "0.008"), trimap_width=("1,3",),
    trimap_seed=("void",), missing=("skip",), preset=("camvid", "voc"), hd95=("pooled",), connectivity=("8",),
    surface_dice_tau=("1,2.5",), spacing=("0.5,2",), metrics=("miou", "hd95,assd"), aggregate=("pooled",),
    per_image=("out.csv",), against=(f"{C}/gt",), resize=("nearest",), gt_name=("{stem}",), pred_name=("{stem}",),
    resamples=("20",), seed=("3",), classes=(f"{C}/lists/names.txt",), output=("out.json", "out.md"),
    list=(f"{C}/lists/pairs.txt",), boundary_iou_ratio=("0.1",), figures_count=("1",),
)  # fmt: skip
_FLOPS = _choices(
    model=(f"{C}/wide.json",), sizes=("64", "64x96"), memory=("none",), global_branch=("self-attention",),
    fusion=("concat",), mem_dim=("16",), chunk_length=("2048",), min_chunks=("2",), chunks=("2",), by=("branch",),
    read=("before", "after"), order=("strided",), head=("light-fpn",), convention=("paper",), memory_layers=("2",),
    compare=("local-only",), output=("out.md",),
)  # fmt: skip
_PREDICT = _choices(
    weights=(f"{C}/cls.safetensors",), top=("2",), batch=("2",), window=("32",), scale=("0.5",), output=("out",),
)  # fmt: skip
_TRAINING = _choices(
    epochs=("1",), minutes=("0.001",), batch=("1",), accumulate=("2",), crop=("16", "16x32"), scale=("0.5,1",),
    flip=("0.5",), lr=("0.1",), clip=("0",), ema=("0",), warmup=("0",), seed=("1",), init=(f"{C}/cls.safetensors",),
    classes=(f"{C}/lists/names.txt",), preset=("camvid",), ignore_index=("none",), drop_path=("0",), mem_dim=("16",),
    eval_scale=("2",), validate_every=("1",), save_every=("1",), class_weights=("none",), label_smoothing=("0.1",),
)  # fmt: skip


def _options(rng: Random, corpus: Path) -> Case:
    kind = rng.randrange(10)
    if kind < 5:
        arguments = ["eval-boundary", f"{C}/pred", f"{C}/gt", "--json", *hurt.words(rng, _EVAL, 3)]
    elif kind < 7:
        arguments = ["flops", "--model", f"{C}/wide.json", "--sizes", "64", "--json", *hurt.words(rng, _FLOPS, 2)]
    elif kind < 9:
        given = ["--weights", f"{C}/tiny.safetensors", "--out", "out", "--json"]
        arguments = ["predict", f"{C}/images/a.png", *given, *hurt.words(rng, _PREDICT, 2)]
    else:
        given = ["--epochs", "1", "--out", "out", "--json"]
        arguments = ["train", f"{C}/seg", *_TRAIN, *given, *hurt.words(rng, _TRAINING, 2)]
    return Case(arguments, outputs=())


def _names(rng: Random, corpus: Path) -> Case:
    """Sound files under hostile names: images, label maps, folders."""
    name = hurt.hostile_name(rng).replace("/", "_").replace("\0", "_")[:240].strip(".") or "x"
    raw = os.fsencode(name) + (b"\xff" if rng.random() < 0.2 else b"")
    name = os.fsdecode(raw[:250])
    if rng.random() < 0.5:
        files = {f"in/{name}.png": (corpus / "images/a.png").read_bytes(), "in/b.png": b"no image"}
        return Case(["predict", "in", "--weights", f"{C}/tiny.safetensors", "--out", "out", "--json"], files)
    files = {f"{side}/{name}.png": (corpus / "maps/grey.png").read_bytes() for side in ("p", "g")}
    more = rng.choice(([], ["--json"], ["-o", "out.csv"], ["-o", "out.md"], ["--per-image", "out.csv"]))
    return Case(["eval-boundary", "p", "g", *more], files)


_STUDY = ["study", f"{C}/seg", "--twins", "none,per-stage", "--seeds", "1", *_TRAIN, "--epochs", "1", "--out", "study"]
_GATES = ["viz-gates", f"{C}/scenes", "--batch", "--weights", f"{C}/tiny.safetensors", "--size", "64",
          "-o", "out.csv"]  # fmt: skip
_RUN = ["train", f"{C}/seg", *_TRAIN, "--save-every", "1", "--out", "out"]
_SCORE = ["eval-boundary", f"{C}/pred", f"{C}/gt", "-o", "out.json", "--per-image", "out.csv"]
_LABEL = ["predict", f"{C}/seg/images", "--weights", f"{C}/tiny.safetensors", "--out", "out"]
# A command and what is typed after it was killed.
KILLED: dict[str, tuple[list[str], list[str]]] = {
    "train": (_RUN, [*_RUN, "--resume"]),
    "study": (_STUDY, [*_STUDY, "--resume"]),
    "eval-boundary": (_SCORE, [*_SCORE, "--resume"]),
    "predict": (_LABEL, [*_LABEL, "--force"]),
    "viz-gates": (_GATES, _GATES),
}


def outcome(place: Path) -> dict[str, Any]:
    """What a command wrote, but for times: tensors, records, scores, labels.

    A study's plan and finished pairs hold when files were written and how long steps took; study.json is made of them.
    """
    found: dict[str, Any] = {}
    for path in sorted(path for path in place.rglob("*") if path.is_file()):
        name, data = str(path.relative_to(place)), path.read_bytes()
        if name == "study/config.json" or path.name == "scores.jsonl":
            continue
        if path.suffix == ".safetensors":
            found[name] = {key: tensor.tobytes() for key, tensor in load(data).items()}
        elif path.suffix in (".json", ".jsonl"):
            found[name] = [timeless(line) for line in (data.splitlines() if name[-1] == "l" else [data])]
        elif path.suffix not in (".html", ".md") and path.name != "training.png":
            found[name] = data
    return found


def timeless(text: bytes) -> Any:
    """The value of a JSON text without what differs from run to run."""
    return _timeless(json.loads(text))


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _timeless(item) for key, item in value.items() if not key.endswith(("second", "seconds", "minutes"))
        }
    return [_timeless(item) for item in value] if isinstance(value, list) else value


KINDS: dict[str, Callable[[Random, Path], Case]] = {
    "image": _image,
    "label map": _label_map,
    "array": _array,
    "tiff": _tiff,
    "checkpoint": _checkpoint,
    "model": _model,
    "recipe": _recipe,
    "list": _list,
    "partial": _partial,
    "train state": _train_state,
    "study state": _study_state,
    "tar": _tar,
    "folder": _folder,
    "detection": _detection,
    "panoptic": _panoptic,
    "sequences": _sequences,
    "probability": _probability,
    "options": _options,
    "names": _names,
}


def make_corpus(folder: Path) -> None:
    """The sound files, in folder/corpus; commands that leave states behind run in folder/case, as every case does."""
    corpus, case = folder / "corpus", folder / "case"
    corpus.mkdir()
    case.mkdir()
    os.chdir(case)
    random = np.random.default_rng(0)
    labels = np.zeros(_SIZE, np.uint8)
    labels[6:18, 8:24] = 1
    labels[:2] = 255
    pixels = (random.integers(0, 60, (*_SIZE, 3)) + 150 * (labels[..., None] == 1)).astype(np.uint8)
    scene = np.pad(pixels, ((8, 8), (8, 8), (0, 0)))
    (corpus / "images").mkdir()
    for suffix in _IMAGES:
        with contextlib.suppress(KeyError, OSError):  # a Pillow built without the format
            Image.fromarray(scene).save(corpus / "images" / f"a.{suffix}")
    for name in ("maps", "tiffs", "lists", "pred", "gt", "scenes"):
        (corpus / name).mkdir()
    Image.fromarray(labels).save(corpus / "maps/grey.png")
    Image.fromarray(labels.astype(np.uint16)).save(corpus / "maps/wide.png")
    Image.fromarray(pixels).save(corpus / "maps/rgb.png")
    palette = Image.fromarray(labels, mode="P")
    palette.putpalette([0, 0, 0, 255, 0, 0] + [7] * 762)
    palette.save(corpus / "maps/palette.png")
    np.save(corpus / "maps/a.npy", labels)
    np.savez_compressed(corpus / "maps/a.npz", labels)
    for kind in _TIFFS:
        Image.fromarray(labels).save(corpus / f"tiffs/{kind}.tif", compression=kind)
    for number in range(4):
        Image.fromarray(np.roll(labels, number, 1)).save(corpus / f"pred/{number}.png")
        Image.fromarray(labels).save(corpus / f"gt/{number}.png")
        Image.fromarray(np.roll(scene, number, 1)).save(corpus / f"scenes/{number}.png")
    (corpus / "lists/names.txt").write_text("ground\nbox\n")
    (corpus / "lists/names.csv").write_text("id,name\n0,ground\n1,box\n")
    (corpus / "lists/colours.csv").write_text("name,r,g,b\nground,0,0,0\nbox,255,0,0\n")
    (corpus / "lists/pairs.txt").write_text("0.png 0.png\n1.png 2.png\n".replace(" ", "\t"))
    (corpus / "lists/pairs.csv").write_text("0.png,0.png\n1.png,2.png\n")
    _make_objects(corpus, labels)
    _make_models(corpus)
    _make_sets(corpus, pixels, labels)
    _make_states(corpus, case)
    shutil.rmtree(case)
    os.chdir(folder)


def _make_objects(corpus: Path, labels: Any) -> None:
    """Detections, panoptic maps, sequences and probability maps."""
    for name in ("coco", "probabilities", "panoptic/pred", "panoptic/gt", "sequences/pred/walk", "sequences/gt/walk"):
        (corpus / name).mkdir(parents=True)
    box = labels == 1
    size, (y, x) = list(_SIZE), np.nonzero(box)
    edges = np.flatnonzero(np.diff(box.T.ravel().astype(int))) + 1
    counts = np.diff([0, *edges, box.size]).tolist()
    corners = [float(each) for each in (x.min(), y.min(), x.max(), y.min(), x.max(), y.max(), x.min(), y.max())]
    for name, last in (("truth", {"size": size, "counts": counts}), ("polygons", [corners])):
        masks = [{"size": size, "counts": "V6<<00000000000000000000000000000j5"}, last]  # compressed, and as numbers
        found = [{"image_id": each + 1, "category_id": 7, "segmentation": mask} for each, mask in enumerate(masks)]
        truth = {
            "info": {"year": 2026}, "categories": [{"id": 7, "name": "box"}],
            "images": [{"id": each + 1, "height": size[0], "width": size[1], "file_name": "a.png"} for each in (0, 1)],
            "annotations": [{"id": each, "area": 192.0, "iscrowd": 0, **about} for each, about in enumerate(found)],
        }  # fmt: skip
        (corpus / f"coco/{name}.json").write_text(json.dumps(truth))
        if name == "truth":
            (corpus / "coco/results.json").write_text(json.dumps([{"score": 0.5, **each} for each in found]))
    for number, side in enumerate(("pred", "gt")):
        ids = np.roll(np.where(box, 300, 1), number, 1)
        colours = np.stack([ids % 256, ids // 256, 0 * ids], axis=-1).astype(np.uint8)
        segments = [{"id": each, "category_id": each % 7, "iscrowd": 0} for each in (1, 300)]
        entries = [{"image_id": each, "file_name": f"{each}.png", "segments_info": segments} for each in range(2)]
        categories = [{"id": each % 7, "name": str(each), "isthing": each % 2} for each in (1, 300)]
        (corpus / f"panoptic/{side}.json").write_text(json.dumps({"annotations": entries, "categories": categories}))
        for each in range(3):
            if each < 2:
                Image.fromarray(colours).save(corpus / f"panoptic/{side}/{each}.png")
            frame = np.roll(box.astype(np.uint8), number + each, 1)
            Image.fromarray(frame).save(corpus / f"sequences/{side}/walk/{each:05}.png")
    share = (box * 0.75).astype(np.float32)
    np.save(corpus / "probabilities/one.npy", share)
    np.save(corpus / "probabilities/several.npy", np.stack([1 - share, share]))
    np.savez_compressed(corpus / "probabilities/packed.npz", share)
    Image.fromarray((255 * share).astype(np.uint8)).save(corpus / "probabilities/grey.png")


def _make_models(corpus: Path) -> None:
    from convneur.checkpoints import save_checkpoint, save_folder
    from convneur.model.network import ConvNeur
    from convneur.variants import ConvNeurConfig

    tiny = ConvNeurConfig(dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8, chunk_length=8)
    (corpus / "tiny.json").write_text(json.dumps(tiny.to_dict()))
    # Of long chunks, which are counted quickly.
    (corpus / "wide.json").write_text(json.dumps(tiny.replace(chunk_length=1024).to_dict()))
    (corpus / "quick.json").write_text(json.dumps(RECIPE))
    for name, task, head in (("tiny", "segmentation", "light-fpn"), ("cls", "classification", "classifier")):
        about = {"task": task, "classes": ["ground", "box"], "preset": None, "ignore_index": 255,
                 "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "crop": [32, 32], "eval_scale": 1.0}  # fmt: skip
        model = ConvNeur(tiny.replace(head=head, num_classes=2))
        save_checkpoint(model, corpus / f"{name}.safetensors", provenance=about)
        if name == "tiny":
            save_folder(model, corpus / "hub", provenance=about)


def _make_sets(corpus: Path, pixels: Any, labels: Any) -> None:
    for split, count in (("train", 4), ("val", 2), ("test", 2)):
        for number in range(count):
            for kind, data in (("images", pixels), ("masks", labels)):
                path = corpus / "seg" / kind / split / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.roll(data, number, 1)).save(path)
        seg = (corpus / "seg" / "images" / split, corpus / "seg" / "masks" / split)
        with tarfile.open(corpus / f"seg-{split}.tar", "w") as tar:
            for number in range(count):
                _add(tar, f"{number}.jpg", _jpeg(seg[0] / f"{number}.png"))
                _add(tar, f"{number}.png", (seg[1] / f"{number}.png").read_bytes())
        with tarfile.open(corpus / f"cls-{split}.tar", "w") as tar:
            for number in range(count):
                _add(tar, f"{number}.jpg", _jpeg(seg[0] / f"{number}.png"))
                _add(tar, f"{number}.cls", str(number % 2).encode())


def _jpeg(path: Path) -> bytes:
    packed = io.BytesIO()
    Image.open(path).save(packed, "JPEG")
    return packed.getvalue()


def _add(tar: tarfile.TarFile, name: str, body: bytes) -> None:
    about = tarfile.TarInfo(name)
    about.size = len(body)
    tar.addfile(about, io.BytesIO(body))


@contextlib.contextmanager
def _interrupted(owner: Any, name: str, after: int) -> Iterator[None]:
    """Ctrl-C once a method was called some times."""
    method, calls = getattr(owner, name), 0

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        value = method(*args, **kwargs)
        if calls == after:
            os.kill(os.getpid(), signal.SIGINT)
        return value

    setattr(owner, name, counted)
    try:
        yield
    finally:
        setattr(owner, name, method)


def _make_states(corpus: Path, case: Path) -> None:
    """What interrupted runs leave behind."""
    from convneur.evaluation.partial import FinishedPairs
    from convneur.training.trainer import Trainer

    with _interrupted(FinishedPairs, "add", after=3):
        _run(["eval-boundary", f"{C}/pred", f"{C}/gt", "-o", "out.json"], 130)
    shutil.copy2(case / "out.json.partial", corpus / "partial")
    _run(["eval-boundary", f"{C}/pred", f"{C}/gt", "-o", "out.json", "--resume"], 0)
    shutil.move(case / "out.json", corpus / "scores.json")
    with _interrupted(Trainer, "_save", after=1):
        _run(["train", f"{C}/seg", *_TRAIN, "--save-every", "1", "--out", "run"], 130)
    shutil.copytree(case / "run", corpus / "run")
    _run(_STUDY, 0)
    shutil.copytree(case / "study", corpus / "study")
    # Nothing of these is kept.
    given = ["--weights", f"{C}/tiny.safetensors"]
    _run(["predict", f"{C}/images/a.png", *given, "--out", "out"], 0)
    _run(["viz-gates", f"{C}/images/a.png", *given, "--size", "64", "-o", "out.png"], 0)
    _run(["flops", "--model", f"{C}/wide.json", "--sizes", "64"], 0)


def _run(arguments: list[str], wanted: int) -> None:
    from convneur_cli.app import main

    try:
        main(arguments)
    except SystemExit as end:
        if (end.code or 0) != wanted:
            raise RuntimeError(f"{arguments} ended with {end.code}, not {wanted}") from None
