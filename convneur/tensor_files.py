"""safetensors files: the header is judged before a tensor is read, and equal contents give equal bytes."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from convneur.errors import InputError
from convneur.files import new_file
from convneur.stand_ins import stand_in

__all__ = ["TensorFile", "open_tensors", "write_tensors"]

_LENGTH = 8  # bytes that hold the header's length
_LONGEST = 16 << 20  # of a header; one of m4's is a hundred times shorter
_FLOATS = ("F64", "F32", "F16", "BF16")


@dataclass(frozen=True)
class TensorFile:
    """A file whose header was read. metadata: as text; shapes, types: of the tensors by name, types as F32."""

    path: Path
    metadata: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    types: Mapping[str, str]

    def misfit(self, wanted: Mapping[str, tuple[int, ...]]) -> str | None:
        """What is wrong with the first of the tensors that a model wants, by their shapes; None: nothing."""
        for name, shape in wanted.items():
            if name not in self.shapes:
                return f"tensor {name} is missing"
            if self.shapes[name] != shape:
                return f"tensor {name} is {self.shapes[name]}, not {shape}"
            if self.types[name] not in _FLOATS:
                return f"tensor {name} is of {self.types[name]}, not of floating-point numbers"
        return None

    def read(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Tensors by name. Raises: InputError: the file changed or cannot be read any more."""
        try:
            with safe_open(self.path, framework="pt") as file:
                # Cloned: on some processors a product's last bit depends on where in memory a weight begins.
                return {name: file.get_tensor(name).clone() for name in names}
        except (SafetensorError, OSError) as error:
            raise _unreadable(self.path, error) from None


def open_tensors(path: Path) -> TensorFile:
    """A safetensors file by its header alone. Raises: InputError: no such file, cut short, another format."""
    try:
        if pointer := stand_in(path):
            raise InputError(path, pointer)
        with path.open("rb") as start:
            length = int.from_bytes(start.read(_LENGTH), "little")
        if length > _LONGEST:
            raise InputError(path, "not a safetensors file; name the weights.safetensors of a training run")
        with safe_open(path, framework="pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
            shapes = {name: tuple(each.get_shape()) for name, each in slices.items()}
            types = {name: each.get_dtype() for name, each in slices.items()}
            return TensorFile(path, file.metadata() or {}, shapes, types)
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: SafetensorError | OSError) -> InputError:
    problem = (isinstance(error, OSError) and error.strerror) or str(error)
    # safetensors quotes what it did not expect, whole.
    short = problem if len(problem) <= 120 else f"{problem[:117]}..."
    return InputError(path, f"not a readable safetensors file ({short})")


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], *, force: bool) -> None:
    """Write a whole file or none. Equal tensors and metadata give equal bytes.

    Raises: InputError: it exists and `force` is off, or it cannot be written; the file before it is untouched.
    """
    # Each tensor on its own: safetensors refuses views of shared storage.
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    # As bytes: `save_file` puts a file of its own, which its owner alone may read, in the place of the locked one.
    content = memoryview(save(plain, metadata=dict(metadata)))
    del plain
    start, header = _in_order(content)
    with new_file(path, force=force) as temporary, temporary.open("wb") as file:
        file.write(header)
        file.write(content[start:])


def _in_order(content: memoryview) -> tuple[int, bytes]:
    """Where the tensors begin, and what comes before with its metadata sorted: safetensors' order is random."""
    start = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
    header = json.loads(bytes(content[_LENGTH:start]))
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    return start, bytes(content[:_LENGTH]) + text.ljust(start - _LENGTH)  # the same keys and values: never longer
