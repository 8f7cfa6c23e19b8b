"""An exported graph as what labels images: ONNX Runtime or OpenVINO and NumPy, without torch."""

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convneur.errors import InputError
from convneur.graphs import KEY, GraphDescription, InputShape, described
from convneur.schema import SchemaError
from convneur.variants import ConvNeurConfig

__all__ = ["ExportedModel"]

_Floats = NDArray[np.float32]
_Compute = Callable[[_Floats], _Floats]

_AGAIN = "copy it again, or write it anew with `export`"
_NO_MEMORY = ("memory", "bad_alloc", "bad allocation", "allocate")


class ExportedModel:
    """A graph that `convneur.export` wrote, in the runtime that its suffix names: .onnx in ONNX Runtime, .xml in
    OpenVINO.

    Args:
        path: the file; the .bin of an OpenVINO model lies beside it.
        threads: of the runtime; None: as many as it chooses.
    Raises: InputError: a runtime that is not installed, a file that it cannot read, or a graph that is none of
        convneur's or of another version.

    >>> ExportedModel(Path("model.onnx"))
    Traceback (most recent call last):
    convneur.errors.InputError: model.onnx: cannot be read (No such file or directory)
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        self.path = path
        opened = _opened_by_openvino if path.suffix.lower() == ".xml" else _opened_by_onnxruntime
        self._compute, text = opened(path, threads)
        if text is None:
            raise InputError(path, "says nothing of a ConvNeur: not a graph that `export` wrote; write one with it")
        try:
            self.description: GraphDescription = described(text)
        except SchemaError as error:
            raise InputError(path, f"what it says of its model is broken ({error}); export it again") from None

    @property
    def config(self) -> ConvNeurConfig:
        return self.description.config

    @property
    def shape(self) -> InputShape:
        return self.description.input

    def load(self, images: Sequence[_Floats]) -> _Floats:
        return np.stack(images)

    def run(self, x: _Floats) -> _Floats:
        """(B, 3, H, W) -> what the model's `forward` gives, for any B: a fixed batch is filled up with zeros."""
        at_once = self.shape.batch
        if at_once is None or len(x) == at_once:
            return self._computed(x)
        parts = []
        for start in range(0, len(x), at_once):
            part = x[start : start + at_once]
            padded = np.zeros((at_once, *x.shape[1:]), np.float32)
            padded[: len(part)] = part
            parts.append(self._computed(padded)[: len(part)])
        return np.concatenate(parts)

    def _computed(self, x: _Floats) -> _Floats:
        try:
            return self._compute(np.ascontiguousarray(x, np.float32))
        except Exception as error:  # each runtime has errors of its own
            if any(word in str(error) for word in _NO_MEMORY):
                raise MemoryError(str(error)) from None
            raise InputError(self.path, f"did not compute ({_first_line(error)}); export it again") from None

    def zeros(self, *shape: int) -> _Floats:
        return np.zeros(shape, np.float32)

    def resized(self, logits: _Floats, height: int, width: int) -> _Floats:
        for axis, side in ((2, height), (3, width)):
            have = logits.shape[axis]
            place = ((np.arange(side, dtype=np.float32) + 0.5) * np.float32(have / side) - 0.5).clip(min=0)
            low = place.astype(np.int64)
            share = (place - low)[:, None] if axis == 2 else place - low
            below, above = (logits.take(at, axis) for at in (low, np.minimum(low + 1, have - 1)))
            logits = below + share * (above - below)
        return logits

    def softmax(self, logits: _Floats) -> _Floats:
        powers = np.exp(logits - logits.max(axis=0))
        return powers / powers.sum(axis=0)

    def labels(self, logits: _Floats) -> NDArray[np.int64]:
        return logits.argmax(axis=0)


def _opened_by_onnxruntime(path: Path, threads: int | None) -> tuple[_Compute, str | None]:
    runtime = _runtime("onnxruntime", path)
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised as well
    options.intra_op_num_threads = threads or 0
    try:
        session = runtime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except OSError as error:
        raise InputError.unreadable(path, error) from None
    except Exception as error:  # of the runtime's many kinds
        raise InputError(path, f"not a readable ONNX model ({_first_line(error)}); {_AGAIN}") from None
    (given, *_) = session.get_inputs()

    def compute(x: _Floats) -> _Floats:
        return session.run(None, {given.name: x})[0]

    return compute, session.get_modelmeta().custom_metadata_map.get(KEY)


def _opened_by_openvino(path: Path, threads: int | None) -> tuple[_Compute, str | None]:
    openvino = _runtime("openvino", path)
    weights = path.with_suffix(".bin")
    if not weights.is_file():
        raise InputError(path, f"its weights, {weights.name}, are not beside it; keep the two files together")
    # As exported: by itself OpenVINO rounds to bfloat16 where the processor has it.
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads
    core = openvino.Core()
    try:
        model = core.read_model(path)
        text = model.get_rt_info([KEY]).astype(str) if model.has_rt_info([KEY]) else None
        compiled = core.compile_model(model, "CPU", settings)
    except Exception as error:
        raise InputError(path, f"not a readable OpenVINO model ({_first_line(error)}); {_AGAIN}") from None

    def compute(x: _Floats) -> _Floats:
        return compiled([x])[0]

    return compute, text


def _runtime(name: str, path: Path) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise InputError(path, f"needs a runtime that is not installed: `pip install {name}`") from None


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
