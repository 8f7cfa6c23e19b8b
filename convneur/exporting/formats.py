"""Graphs as files: each format's writer, with the description of the model inside."""

import io
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from convneur.errors import ConfigError, InputError
from convneur.exporting.tracing import fresh_sides, quiet, traced
from convneur.graphs import KEY, GraphDescription
from convneur.model.network import ConvNeur

__all__ = ["FORMATS", "Format", "check_installed", "format_of", "write_graph", "written_with"]

Format = Literal["onnx", "openvino", "torch-export"]
FORMATS: dict[str, Format] = {".onnx": "onnx", ".xml": "openvino", ".pt2": "torch-export"}

OPSET = 20
"""Of ONNX: the first with GELU, in files that ONNX Runtime reads since 1.17."""

_NEEDS: dict[Format, dict[str, str]] = {
    "onnx": {"onnx": "export", "onnxscript": "export", "onnxruntime": "export"},
    "openvino": {"onnx": "export", "onnxscript": "export", "openvino": "openvino"},
    "torch-export": {},
}


def format_of(path: Path) -> Format:
    """By the file's suffix. Raises: ConfigError: none of the three."""
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        words = "the name must end in .onnx, .xml (OpenVINO) or .pt2 (torch.export)"
        raise ConfigError("output", words, value=path) from None


def check_installed(format: Format) -> None:
    """Raises: InputError: a package that the format needs is not installed."""
    for package in _NEEDS[format]:
        try:
            import_module(package)
        except ImportError:
            wanted = " ".join(_NEEDS[format])
            raise InputError(None, f"{format} files need {package}: `pip install {wanted}`") from None


def written_with(path: Path) -> tuple[Path, ...]:
    """The files that a format writes: OpenVINO's weights lie in one of their own."""
    return (path.with_suffix(".bin"), path) if format_of(path) == "openvino" else (path,)


def write_graph(model: ConvNeur, path: Path, about: GraphDescription) -> None:
    """Write a model as its file's suffix says."""
    writers: dict[Format, Callable[[ConvNeur, Path, GraphDescription], None]] = {
        "onnx": _write_onnx,
        "openvino": _write_openvino,
        "torch-export": _write_program,
    }
    writers[format_of(path)](model, path, about)


def _write_onnx(model: ConvNeur, path: Path, about: GraphDescription) -> None:
    import onnx

    proto = _onnx_model(model, about)
    if about.precision == "int8":
        proto = _quantised(proto)
    onnx.helper.set_model_props(proto, {KEY: about.to_json()})
    onnx.checker.check_model(proto)
    path.write_bytes(proto.SerializeToString(deterministic=True))


def _write_openvino(model: ConvNeur, path: Path, about: GraphDescription) -> None:
    import openvino

    converted = openvino.Core().read_model(_onnx_model(model, about).SerializeToString())
    converted.set_rt_info(about.to_json(), [KEY])
    openvino.save_model(converted, path, compress_to_fp16=False)


def _write_program(model: ConvNeur, path: Path, about: GraphDescription) -> None:
    program = traced(model, about.input)
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:  # where in the source each came from, with paths of this machine
                node.meta.pop("stack_trace", None)
    with quiet():
        torch.export.save(program, path, extra_files={f"{KEY}.json": about.to_json()})


def _onnx_model(model: ConvNeur, about: GraphDescription) -> Any:
    """The model as ONNX has it, an `onnx.ModelProto` without metadata."""
    from onnxscript import opset20

    program = traced(model, about.input, forget_sides=True)
    with quiet(), redirect_stdout(io.StringIO()):
        written = torch.onnx.export(
            program,
            (),
            opset_version=OPSET,
            external_data=False,
            input_names=["image"],
            output_names=["features" if about.config.head == "none" else "logits"],
            custom_translation_table={fresh_sides._opoverload: opset20.Identity},
            verbose=False,
        )
    assert written is not None
    proto = written.model_proto
    for graph in [proto.graph, *proto.functions]:
        del graph.metadata_props[:]
        for part in (*graph.node, *graph.value_info):  # where in torch's source each came from, with local paths
            part.doc_string = ""
            del part.metadata_props[:]
    for part in (*proto.graph.input, *proto.graph.output, *proto.graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]
    del proto.metadata_props[:]
    _split_weights(proto.graph)
    return proto


def _split_weights(graph: Any) -> None:
    """Make weights of what the graph splits weights into, for int8 knows those alone."""
    from onnx import helper, numpy_helper

    values = {value.name: value for value in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "Split" and {*node.input} <= values.keys()]:
        weight, sizes = (numpy_helper.to_array(values[name]) for name in node.input)
        axis = next((helper.get_attribute_value(each) for each in node.attribute if each.name == "axis"), 0)
        parts = np.split(weight, np.cumsum(sizes)[:-1], axis)
        graph.initializer.extend(
            numpy_helper.from_array(np.ascontiguousarray(part), name)
            for part, name in zip(parts, node.output, strict=True)
        )
        graph.node.remove(node)
    used = {name for node in graph.node for name in node.input}
    for value in [value for value in graph.initializer if value.name not in used]:  # ONNX Runtime warns of each
        graph.initializer.remove(value)


def _quantised(proto: Any) -> Any:
    """Matrix products with weights in int8, one scale for each; activations are rounded as they come."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder, "int8.onnx")
        quantize_dynamic(proto, path, op_types_to_quantize=["MatMul", "Gemm"], weight_type=QuantType.QInt8)
        return onnx.load(path)
