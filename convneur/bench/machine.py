"""The machine that a result was measured on."""

import os
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from convneur.bench.memory import kilobytes
from convneur.cores import usable_cores
from convneur.results import ReadOnly

__all__ = ["Machine", "describe_machine"]

# What decides how fast a dtype is on a processor, of all that /proc/cpuinfo lists.
_INSTRUCTIONS = (
    *("avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
    *("amx_tile", "amx_bf16", "amx_fp16", "amx_int8"),
    *("asimd", "asimdhp", "sve", "sve2", "bf16", "svebf16", "i8mm"),
)
_BF16_INSTRUCTIONS = frozenset({"avx512_bf16", "amx_bf16", "bf16", "svebf16"})


@dataclass(frozen=True)
class Machine:
    """Where it ran. None for what the system does not tell.

    instructions: those of the processor that matter to a dtype's speed; bfloat16: whether the device has instructions
    for it, without which it is no faster. torch_capability: the instructions that torch's own kernels use. cores: that
    this process may run on, of all_cores. memory_bytes: of the device, in all. threads: of torch, for one operator.

    >>> {"convneur", "python", "torch"} <= set(describe_machine().versions)
    True
    """

    system: str
    processor: str | None
    instructions: tuple[str, ...] | None
    torch_capability: str
    cores: int
    all_cores: int
    threads: int
    accelerator: str | None
    memory_bytes: int | None
    bfloat16: bool | None
    float32_precision: str
    versions: Mapping[str, str]


def describe_machine(device: str = "cpu", *, packages: Iterable[str] = ("timm",)) -> Machine:
    """The machine as this process sees it now. packages: whose versions are told too, where they were imported.

    >>> describe_machine("cpu").cores >= 1
    True
    """
    facts = _processor_facts()
    flags = facts.get("flags", facts.get("Features"))
    instructions = None if flags is None else tuple(name for name in _INSTRUCTIONS if name in flags.split())
    total = kilobytes("/proc/meminfo", "MemTotal")
    memory = None if total is None else 1024 * total
    accelerator = None
    bfloat16 = None if instructions is None else bool(_BF16_INSTRUCTIONS & set(instructions))
    versions = {"convneur": version("convneur"), "torch": torch.__version__, "python": platform.python_version()}
    for package in packages:
        if package in sys.modules:
            versions[package] = str(getattr(sys.modules[package], "__version__", "unknown"))
    if device.startswith("cuda"):
        properties = torch.cuda.get_device_properties(device)
        accelerator, memory = properties.name, properties.total_memory
        bfloat16 = properties.major >= 8
        versions |= {"cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}
    return Machine(
        system=platform.platform(),
        processor=facts.get("model name") or platform.processor() or None,
        instructions=instructions,
        torch_capability=torch.backends.cpu.get_cpu_capability(),
        cores=usable_cores(),
        all_cores=os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        accelerator=accelerator,
        memory_bytes=memory,
        bfloat16=bfloat16,
        float32_precision=torch.get_float32_matmul_precision(),
        versions=ReadOnly(versions),
    )


def _processor_facts() -> dict[str, str]:
    """The first processor of /proc/cpuinfo; empty where there is none."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    first = text.split("\n\n")[0]
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first.splitlines())}
