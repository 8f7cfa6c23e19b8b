"""Plain DistributedDataParallel: every parameter is heard of in each backward pass, whatever the image size."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed, multiprocessing
from torch.nn.parallel import DistributedDataParallel

from convneur.model.network import ConvNeur
from convneur.variants import ConvNeurConfig

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="gloo's file store is not on Windows"),
    pytest.mark.filterwarnings("ignore::convneur.model.network.UnreachedParametersWarning"),
    pytest.mark.filterwarnings("ignore:Grad strides do not match bucket view strides"),  # of a depthwise convolution
]

# At 64 px 6, 2, 1 and 1 chunks: two stages leave k, v and the update generator without a reader.
TINY = ConvNeurConfig(dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8, num_classes=3, chunk_length=46)
STEPS = 3  # what the reduction misses in a step it says in the next


def trained(model: torch.nn.Module, batches: list[torch.Tensor], share: float = 1) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for x in batches:
        optimizer.zero_grad()
        (model(x).square().sum() * share).backward()
        optimizer.step()


def batches(processes: int, rank: int) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    return [torch.randn(4, 3, 64, 64, generator=random)[rank::processes] for _ in range(STEPS)]


def tiny(**settings: Any) -> ConvNeur:
    torch.manual_seed(0)
    return ConvNeur(TINY.replace(**settings))


def process(rank: int, processes: int, folder: Path) -> None:
    torch.set_num_threads(1)
    store = f"file://{folder / 'store'}"
    distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=processes)
    model = tiny()
    # The reduction takes the mean over processes; wanted is the sum.
    trained(DistributedDataParallel(model), batches(processes, rank), share=processes)
    if rank == 0:
        torch.save(model.state_dict(), folder / "weights.pt")
    distributed.destroy_process_group()


@pytest.mark.slow  # two processes that load torch
def test_two_processes_train_the_faithful_form_as_one_does(tmp_path: Path) -> None:
    multiprocessing.spawn(process, args=(2, tmp_path), nprocs=2)
    alone = tiny()
    assert TINY.read == "before"
    assert alone.chunks(64, 64) == (6, 2, 1, 1)
    trained(alone, batches(1, 0))
    together = torch.load(tmp_path / "weights.pt", weights_only=True)
    for name, tensor in alone.state_dict().items():
        torch.testing.assert_close(together[name], tensor, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.slow
def test_the_program_of_the_docs_runs_on_two_processes(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "elsewhere.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(# train\.py.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "train.py").write_text(block, encoding="utf-8")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "train.py"]
    done = subprocess.run(launch, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def one_process(tmp_path: Path) -> Any:
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"memory_layers": 2},
        {"memory": "per-layer", "order": "strided"},
        {"read": "final", "chunks": 1},
        {"global_branch": "titans", "chunks": 1},
        {"global_branch": "cbam"},
        {"global_branch": "non-local"},
        {"global_branch": "self-attention"},
        {"global_branch": "ir-rwkv"},
        {"fusion": "concat"},
        {"head": "light-fpn"},
    ],
    ids=lambda settings: ", ".join(map(str, settings.values())) or "faithful",
)
def test_no_branch_leaves_the_reduction_waiting(settings: dict[str, Any]) -> None:
    model = DistributedDataParallel(tiny(**settings))
    trained(model, batches(1, 0))  # one process alone says what it waits for too


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize("how", ["static_graph", "find_unused_parameters"])
def test_the_reduction_can_leave_what_has_no_gradient_alone(how: str) -> None:
    model = tiny()
    trained(DistributedDataParallel(model, **{how: True}), batches(1, 0))
    without = [parameter for parameter in model.parameters() if parameter.grad is None]
    assert list(map(id, without)) == list(map(id, model.unreached_parameters(64, 64)))
    assert len(without) == 4
