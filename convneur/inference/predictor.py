"""A trained model with what its file says of it, ready to be asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

import numpy as np
from numpy.typing import NDArray

from convneur.data.class_colours import class_colours
from convneur.data.examples import Task
from convneur.data.images import ImageInput, read_photo
from convneur.data.limits import MAX_PIXELS
from convneur.data.normalisation import Normalisation
from convneur.data.presets import PRESETS
from convneur.errors import ConfigError, InputError
from convneur.graphs import GRAPH_SUFFIXES, WeightsFacts
from convneur.inference.logits import image_logits, sides_seen, view_logits
from convneur.inference.prediction import ClassProbability, Prediction
from convneur.inference.windows import STRIDE, WINDOW, window_size
from convneur.packaged import find_weights
from convneur.progress import silent
from convneur.schema import SchemaError, typed
from convneur.variants import DENSE_HEADS

if TYPE_CHECKING:
    from convneur.inference.exported import ExportedModel
    from convneur.inference.objects import ObjectPredictor
    from convneur.inference.runner import Runner
    from convneur.model.network import ConvNeur

__all__ = ["TOP", "NamedImage", "Predictor", "holds_detector", "load", "load_predictor", "predict_together"]

_Channels = tuple[float, float, float]

# Choice: the view of a classifier whose file says nothing of its own.
_VIEW = (224, 224)
TOP = 5
"""Classes that a classifier ranks by default."""
# Choice: as far as `TrainSettings` goes; a file of a few bytes must not fill the memory with views.
_LARGEST_VIEW, _LARGEST_SCALE = 4096, 16.0
_CHANNELS = 3  # of RGB
_MOST_THREADS = 1024


@dataclass(frozen=True)
class NamedImage:
    """pixels: (H, W, 3) uint8; path: of its file, None where it came from memory."""

    name: str | None
    pixels: NDArray[np.uint8]
    path: Path | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Predictor(WeightsFacts):
    """A trained model and what its file says of it; None is what the file does not say.

    `load` makes one of packaged weights or a file; `Predictor(model, classes=("cat", "dog"))` of a model in memory.
    Args:
        model: in eval mode; on the CPU when it was loaded, `model.to(...)` moves it. Or an exported graph, which needs
            no torch and takes the images that `model.shape` says.
        name: of the packaged weights, or the file.
        threads: of one operator; None: as many as the runtime chooses.
        classes, size, validated_size, scale, mean, std, preset, palette, provenance: see `WeightsFacts`.
    Raises: ConfigError: not one name for each class.

    >>> import convneur
    >>> predictor = convneur.load("camvid")
    >>> predictor.task, len(predictor.classes), predictor.size, predictor.scale
    ('segmentation', 11, (256, 320), 1.25)
    >>> convneur.load("photos").classes is None
    True
    """

    model: "ConvNeur | ExportedModel"
    name: str = "model"
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.classes is not None and len(self.classes) != self.model.config.num_classes:
            raise ConfigError("classes", f"{len(self.classes)} names for a model of {self.model.config.num_classes}")

    @property
    def runner(self) -> "Runner":
        """What runs the model: torch, or the runtime of an exported graph."""
        from convneur.inference.exported import ExportedModel

        if isinstance(self.model, ExportedModel):
            return self.model
        from convneur.inference.modules import ModuleRunner

        return ModuleRunner(self.model, self.threads)

    @property
    def task(self) -> Task | None:
        """segmentation or classification, by the model's head; None without one."""
        head = self.model.config.head
        return "segmentation" if head in DENSE_HEADS else "classification" if head == "classifier" else None

    def predict(
        self,
        image: ImageInput,
        *,
        scale: float | None = None,
        window: int | tuple[int, int] | None = WINDOW,
        probabilities: bool = False,
        top: int = TOP,
        max_pixels: int = MAX_PIXELS,
    ) -> Prediction:
        """Label an image's pixels, or rank its classes.

        Args:
            image: a file, a Pillow image, or an array (H, W, 3) uint8 in RGB.
            scale: of a segmentation model: factor on the image's sides before the model; `self.scale` by default.
            window: of a segmentation model: larger images are cut into windows of this size (a side, or height and
                width), whose logits are averaged; None shows them whole. Those of an exported graph of a fixed size
                have its size.
            probabilities: whether the prediction holds those of all classes.
            top: of a classifier: so many classes.
            max_pixels: an image file of more is refused by its header.
        Warns:  how the image was read, where it could be read otherwise: one frame of several, 12 bits of 16.
        Raises: InputError: an image that cannot be read, or is too large for the memory; ConfigError: a setting that
            cannot be, a model without a head or in training mode.

        >>> import convneur, numpy as np
        >>> prediction = convneur.load("photos").predict(np.zeros((90, 120, 3), np.uint8), top=3)
        >>> [isinstance(label, int) for label, _ in prediction.top]
        [True, True, True]
        """
        cut = check_settings(self, scale=scale, window=window, top=top)
        path = Path(image) if isinstance(image, (str, Path)) else None
        photo = read_photo(image, long_side=None, max_pixels=max_pixels)
        for note in photo.notes:
            silent.warn(f"{path}: {note}" if path else note)
        named = NamedImage(None if path is None else path.stem, photo.pixels, path)
        check_image(self, named, scale=scale)
        (prediction,) = predict_together(self, [named], scale=scale, window=cut, probabilities=probabilities, top=top)
        return prediction

    def __repr__(self) -> str:
        return f"<Predictor {self.name}: {'; '.join(f'{key} {value}' for key, value in self._facts())}>"

    def __str__(self) -> str:
        return "\n".join([f"Predictor {self.name}", *(f"  {key:<8} {value}" for key, value in self._facts())])

    def _facts(self) -> list[tuple[str, str]]:
        facts = {
            "task": self.task,
            "classes": self.classes and f"{len(self.classes)} ({', '.join(self.classes)})",
            "size": self.size and f"{self.size[0]}x{self.size[1]}",
            "scale": self.scale and f"{self.scale:g}",
            "mean": self.mean and ", ".join(map(str, self.mean)),
            "std": self.std and ", ".join(map(str, self.std)),
            "preset": self.preset,
        }
        return [(key, value or "not stated") for key, value in facts.items()]


@overload
def load(weights: Literal["nuclei"], *, threads: None = None) -> "ObjectPredictor": ...  # type: ignore[overload-overlap]
@overload
def load(weights: str | Path, *, threads: int | None = None) -> Predictor: ...
def load(weights: str | Path, *, threads: int | None = None) -> "Predictor | ObjectPredictor":
    """A trained model with what its file says of it: a `Predictor`, or an `ObjectPredictor` of a detector's file.

    For a type checker `load_objects` is what says that a file is a detector's.
    Args: weights, threads: as of `load_predictor`.
    Raises: ConfigError: `threads` of a detector; else as `load_predictor`.

    >>> import convneur
    >>> convneur.load("camvid").task, convneur.load("nuclei").task
    ('segmentation', 'detection')
    """
    if not holds_detector(find_weights(weights)):
        return load_predictor(weights, threads=threads)
    if threads is not None:
        raise ConfigError("threads", f"is not for {weights}, a detector; leave it out")
    from convneur.inference.objects import load_objects

    return load_objects(weights)


def holds_detector(path: Path) -> bool:
    """Whether a file is a detector's. What is no file of weights is none; what is wrong with it, loading says."""
    if path.suffix.lower() in GRAPH_SUFFIXES:
        return False
    try:
        from convneur.detection import is_detector

        return is_detector(path)
    except (ImportError, InputError):  # no torch, no file, another format
        return False


def load_predictor(weights: str | Path, *, threads: int | None = None) -> Predictor:
    """A trained model that labels pixels or ranks classes, with what its file says of it.

    Args:
        weights: packaged weights by name in any case, such as camvid or photos; a file that `train` or
            `save_checkpoint` wrote; or a graph that `convneur.export` wrote (.onnx, .xml), which runs without torch.
        threads: of one operator; None: as many as the runtime chooses.
    Raises: ConfigError: neither a file nor a name of packaged weights; InputError: a file that is no model's, or whose
        weights are NaN or infinite, a detector, or a graph whose runtime is not installed.

    >>> print(load_predictor("photos"))
    Predictor photos
      task     classification
      classes  not stated
      size     not stated
      scale    not stated
      mean     not stated
      std      not stated
      preset   not stated
    """
    if threads is not None and not 1 <= threads <= _MOST_THREADS:
        raise ConfigError("threads", f"must be 1 to {_MOST_THREADS}", value=threads)
    path = find_weights(weights)
    if path.suffix.lower() in GRAPH_SUFFIXES:
        return _load_exported(path, str(weights), threads)
    try:
        import torch
    except ImportError:
        problem = f"needs torch, which is not installed; exported graphs ({', '.join(GRAPH_SUFFIXES)}) do without"
        raise InputError(path, problem) from None

    from convneur.checkpoints import check_finite, load_checkpoint

    if holds_detector(path):
        problem = "holds a detector, which `convneur predict` alone takes; name a classifier, or what labels pixels"
        raise InputError(path, problem)
    model, about = load_checkpoint(path)
    check_finite(model, str(path))
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    try:
        said = typed(about, _Said, "provenance", strict=False)
        dense = model.config.head in DENSE_HEADS
        return Predictor(
            model,
            name=str(weights),
            classes=tuple(map(str, said.classes)) if said.classes else None,
            size=said.settings.crop if said.settings else None,
            validated_size=said.validated_size,
            scale=said.settings.eval_scale if said.settings and dense else None,
            mean=said.mean,
            std=said.std,
            preset=said.preset,
            palette=PRESETS[said.preset].palette if said.preset and said.preset in PRESETS else None,
            provenance=about,
            threads=threads,
        )
    except (SchemaError, ConfigError) as error:
        raise InputError(path, f"what it says of its training is not as `convneur train` writes it ({error})") from None


def _load_exported(path: Path, name: str, threads: int | None) -> Predictor:
    from convneur.inference.exported import ExportedModel

    model = ExportedModel(path, threads=threads)
    said = model.description
    try:
        settings = _SaidSettings(said.size, said.scale)
        _Said(settings=settings, mean=said.mean, std=said.std, validated_size=said.validated_size)
    except ConfigError as error:
        raise InputError(path, f"what it says of its model is broken ({error}); export it again") from None
    return Predictor(model, name, threads, **said.facts())


@dataclass(frozen=True)
class _SaidSettings:
    crop: tuple[int, int] | None = None
    eval_scale: float | None = None

    def __post_init__(self) -> None:
        _check_view("crop", self.crop)
        if self.eval_scale is not None and not 0 < self.eval_scale <= _LARGEST_SCALE:
            raise ConfigError("eval_scale", f"must be above 0 and at most {_LARGEST_SCALE:g}", value=self.eval_scale)


@dataclass(frozen=True)
class _Said(Normalisation):
    """What a file of weights may say of its training that its model is asked by; the rest is kept as it is."""

    classes: tuple[str | int, ...] | None = None
    settings: _SaidSettings | None = None
    validated_size: tuple[int, int] | None = None
    preset: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_view("validated_size", self.validated_size)


def _check_view(name: str, sides: tuple[int, int] | None) -> None:
    if sides is not None and not 32 <= min(sides) <= max(sides) <= _LARGEST_VIEW:
        raise ConfigError(name, f"must be 32 to {_LARGEST_VIEW} pixels a side", value=sides)


def check_settings(
    predictor: Predictor, *, scale: float | None, window: int | tuple[int, int] | None, top: int
) -> tuple[int, int] | None:
    """Height and width of the windows, None for none.

    Raises: ConfigError: a setting that cannot be, or that this model has no use for.
    """
    if getattr(predictor.model, "training", False):
        raise ConfigError("weights", "the model is in training mode; call its eval()", value=predictor.name)
    if predictor.task is None:
        raise ConfigError("weights", "the model has no head, so it labels nothing", value=predictor.name)
    if predictor.model.config.in_channels != _CHANNELS:
        channels = predictor.model.config.in_channels
        raise ConfigError("weights", f"the model takes {channels} channels, not RGB images", value=predictor.name)
    if scale is not None and not 0 < scale <= _LARGEST_SCALE:
        raise ConfigError("scale", f"must be above 0 and at most {_LARGEST_SCALE:g}", value=scale)
    if top < 1:
        raise ConfigError("top", "must be at least 1", value=top)
    cut, shape = window_size(window), predictor.runner.shape
    if predictor.task == "classification":
        for setting, changed in (("scale", scale is not None), ("window", cut != WINDOW)):
            if changed:
                raise ConfigError(setting, f"is for segmentation, and {predictor.name} is a classifier; leave it out")
    elif top != TOP:
        raise ConfigError("top", f"is for classifiers, and {predictor.name} labels pixels; leave it out", value=top)
    if predictor.task == "segmentation" and shape.size is not None:
        if cut not in (WINDOW, shape.size):
            height, width = shape.size
            raise ConfigError("window", f"{predictor.name} takes images of {height}x{width} alone; leave it out")
        return shape.size
    if cut is not None and min(cut) < shape.least and shape.least > STRIDE:
        raise ConfigError("window", f"{predictor.name} takes no side below {shape.least} pixels", value=min(cut))
    return cut


def check_image(predictor: Predictor, image: NamedImage, *, scale: float | None) -> None:
    """Raises: InputError: an image that an exported graph does not take."""
    shape = predictor.runner.shape
    if predictor.task == "segmentation":
        height, width = image.pixels.shape[:2]
        sides = sides_seen(height, width, scale or predictor.scale or 1.0)
    else:
        sides = _view(predictor)
    least = shape.size or (shape.least, shape.least)
    if any(side < few for side, few in zip(sides, least, strict=True)) and max(least) > STRIDE:
        problem = f"{sides[0]}x{sides[1]} pixels as the model sees it, and {predictor.name} takes"
        problem += f" {least[0]}x{least[1]} or more; choose a larger `scale`, or export for another size"
        raise InputError(image.path, problem)


def _view(predictor: Predictor) -> tuple[int, int]:
    return predictor.runner.shape.size or predictor.size or _VIEW


def predict_together(
    predictor: Predictor,
    images: Sequence[NamedImage],
    *,
    scale: float | None,
    window: tuple[int, int] | None,
    probabilities: bool,
    top: int,
) -> list[Prediction]:
    """What a predictor says of images, which for a segmentation model must be of one size.

    Raises: InputError: too little memory.
    """
    pixels = [each.pixels for each in images]
    mean, std = Normalisation(predictor.mean, predictor.std).values
    dense, runner = predictor.task == "segmentation", predictor.runner
    try:
        if dense:
            scale = scale or predictor.scale or 1.0
            logits = image_logits(runner, pixels, scale=scale, window=window, mean=mean, std=std)
        else:
            logits = view_logits(runner, pixels, _view(predictor), mean=mean, std=std)
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, MemoryError) and "memory" not in str(error) and "allocate" not in str(error):
            raise
        height, width = pixels[0].shape[:2]
        smaller = "`batch`, `window` or `scale`" if len(images) > 1 else "`window` or `scale`"
        problem = f"not enough memory for {len(images)} of {height}x{width} pixels; choose a smaller {smaller}"
        raise InputError(images[0].path, problem) from None
    palette = class_colours(predictor.model.config.num_classes, predictor.palette)
    predictions = []
    for each, scores in zip(images, logits, strict=True):
        shares = runner.softmax(scores) if probabilities or not dense else None
        predictions.append(
            Prediction(
                each.name,
                each.pixels,
                "segmentation" if dense else "classification",
                predictor.classes,
                palette,
                labels=runner.labels(scores) if dense else None,
                top=None if dense or shares is None else _likeliest(shares, predictor.classes, top),
                probabilities=shares if probabilities else None,
            )
        )
    return predictions


def _likeliest(shares: NDArray[np.float32], classes: tuple[str, ...] | None, top: int) -> tuple[ClassProbability, ...]:
    ranks = np.argsort(-shares, kind="stable")[:top].tolist()
    return tuple(ClassProbability(classes[k] if classes else k, float(shares[k])) for k in ranks)
