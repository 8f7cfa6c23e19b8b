"""What comes with the package: trained weights, safetensors in float16 with a model card beside each, and samples."""

from pathlib import Path

from convneur.errors import ConfigError, InputError, OutputExistsError
from convneur.files import new_file, new_folder
from convneur.stand_ins import stand_in

__all__ = [
    "FOLDER_CONFIG",
    "FOLDER_WEIGHTS",
    "find_weights",
    "local_twin",
    "packaged_weights",
    "sample_images",
    "weights_path",
    "write_samples",
]

FOLDER_CONFIG, FOLDER_WEIGHTS = "config.json", "model.safetensors"
"""Of a folder that holds a model, as the Hugging Face Hub has them; it counts only with both."""

_FOLDER = Path(__file__).parent / "weights"
_SAMPLES = Path(__file__).parent / "data" / "samples"


def packaged_weights() -> tuple[str, ...]:
    """Names of the weights that are there, such as photos."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.safetensors")))


def weights_path(weights: str | Path) -> Path:
    """The file of packaged weights by their name in any case, or of a folder that holds a model.

    Anything else is a path already. A file of that name goes first, and so does a folder if it holds a model.

    >>> weights_path("runs/mine/weights.safetensors").as_posix()
    'runs/mine/weights.safetensors'
    >>> weights_path("Photos").name
    'photos.safetensors'
    """
    path, name = Path(weights), str(weights).lower()
    if (path / FOLDER_CONFIG).is_file() and (path / FOLDER_WEIGHTS).is_file():
        return path / FOLDER_WEIGHTS
    if name in packaged_weights() and not path.is_file():
        return _FOLDER / f"{name}.safetensors"
    if problem := stand_in(path):
        raise InputError(path, problem)
    return path


def find_weights(weights: str | Path, *, setting: str = "weights") -> Path:
    """The file of weights that a person names: packaged ones by name, or a path of a file or a model's folder.

    Args:   setting: whose value this is, for the error.
    Raises: ConfigError: neither.

    >>> find_weights("CamVid").name
    'camvid.safetensors'
    >>> find_weights("foto")
    Traceback (most recent call last):
    ...
    convneur.errors.ConfigError: weights foto: no such file; packaged weights are camvid, camvid-local, nuclei, ...
    """
    path = weights_path(weights)
    if not path.exists():
        raise ConfigError(setting, f"no such file; packaged weights are {', '.join(packaged_weights())}", value=weights)
    return path


def local_twin(name: str) -> str | None:
    """Packaged weights of the same model without a global path, trained in the same way; None where there are none.

    >>> local_twin("photos")
    'photos-local'
    """
    twin = f"{name.lower()}-local"
    return twin if twin in packaged_weights() and weights_path(name).parent == _FOLDER else None


def sample_images() -> tuple[Path, ...]:
    """Images among the samples: an animal, a building and cells.

    >>> [path.name for path in sample_images()][:2]
    ['horse.jpg', 'photo.jpg']
    """
    cells = sorted((_SAMPLES / "nuclei" / "images").rglob("*.jpg"))
    return (_SAMPLES / "horse.jpg", _SAMPLES / "photo.jpg", *cells[:2])


def write_samples(folder: str | Path, *, force: bool = False) -> None:
    """Write the freely licensed samples into a folder: images, label maps of two models, and a set to train on.

    README.md there says what each is, its source and its licence.

    Raises: OutputExistsError: a file exists and `force` is off; InputError: the folder cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_samples(folder)
    ...     sorted(path.name for path in Path(folder).iterdir())[:3]
    ['README.md', 'classes.txt', 'detections.json']
    """
    targets = {source: Path(folder) / source.relative_to(_SAMPLES) for source in sorted(_SAMPLES.rglob("*"))}
    for source, target in targets.items():
        if source.is_file() and target.exists() and not force:  # before anything is written
            raise OutputExistsError(target)
    new_folder(Path(folder))
    for source, target in targets.items():
        if source.is_dir():
            new_folder(target)
        else:
            with new_file(target, force=force) as temporary:
                temporary.write_bytes(source.read_bytes())
