"""Trained weights that come with the package: safetensors in float16, each with a model card beside it."""

from pathlib import Path

__all__ = ["local_twin", "packaged_weights", "weights_path"]

_FOLDER = Path(__file__).parent / "weights"


def packaged_weights() -> tuple[str, ...]:
    """Names of the weights that are there, such as photos."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.safetensors")))


def weights_path(name: str | Path) -> Path:
    """The file of packaged weights by their name; anything else is a path already. A file of that name goes first.

    >>> weights_path("runs/mine/weights.safetensors").as_posix()
    'runs/mine/weights.safetensors'
    """
    path = Path(name)
    return _FOLDER / f"{name}.safetensors" if str(name) in packaged_weights() and not path.is_file() else path


def local_twin(name: str) -> str | None:
    """Packaged weights of the same net without a global path, trained in the same way; None where there are none.

    >>> local_twin("photos")
    'photos-local'
    """
    twin = f"{name}-local"
    return twin if twin in packaged_weights() and not Path(name).is_file() else None
