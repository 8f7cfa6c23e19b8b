"""Counting what a module executes for an input: multiply-adds, element-wise work, launches, peak activation memory.

Any `torch.nn.Module` and any input. On the meta device nothing is computed, so a count takes no memory and about the
same time at every image size.
"""

import dataclasses
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple, Self, TypeVar

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from convneur.cost.fused import COMPLEX_PARTS, FusedLayers
from convneur.cost.operators import FFTS, Operator, WorkKind, describe_operator, fft_flops, has_floats, packed_weights
from convneur.errors import ConfigError, InputError
from convneur.module_tree import ModuleShare, ModuleTree, module_tree

__all__ = [
    "CostCount",
    "CountingError",
    "TrainingCount",
    "Uncounted",
    "Work",
    "count",
    "count_training",
    "counting_error",
    "in_eval_mode",
    "is_dense",
]

_Given = TypeVar("_Given")


class CountingError(InputError):
    """The module refused the input or failed on it. One line: where in the module, why, with what input.

    >>> try:
    ...     count(torch.nn.Linear(3, 8, device="meta"), torch.empty(5, 4, device="meta"))
    ... except CountingError as error:
    ...     print("(input 5x4)" in str(error))
    True
    """


@dataclass(frozen=True)
class Work:
    """Multiply-adds of one operator inside one module, its children's left out.

    module: dotted path, "" for the counted module itself; a shared module goes by its first name.
    operator: such as addmm or convolution. kind: what it is at heart. calls: how often it ran; None where a counter
    does not tell.
    """

    module: str
    operator: str
    kind: WorkKind
    calls: int | None
    macs: int


@dataclass(frozen=True)
class Uncounted:
    """An operator that has no formula, its work in no total: of torch's own those on real or complex numbers, of others
    any."""

    module: str
    operator: str
    calls: int


@dataclass(frozen=True)
class CostCount:
    """One forward pass, counted.

    params: parameters of the module, a shared one once. work: every entry with multiply-adds; `macs` is their sum.
    uncounted: see `Uncounted`. peak_activation_bytes: the most that tensors made during the pass held at one time,
    parameters, input and the kernels' own workspaces apart; None where a counter cannot see it. modules: every module
    in the model's order, itself first; None likewise. `launches`, `elementwise` and `moved_bytes` are their sums, and
    in no total. fft_flops: real operations of fast Fourier transforms, 5 N log2 N each and half of it for real numbers;
    in no total, and the transforms are among `uncounted`.

    >>> counted = count(torch.nn.Linear(3, 8, device="meta"), torch.empty(5, 3, device="meta"))
    >>> counted.params, counted.launches, counted.moved_bytes, counted.peak_activation_bytes
    (32, 1, 348, 160)
    """

    params: int
    work: tuple[Work, ...]
    uncounted: tuple[Uncounted, ...]
    peak_activation_bytes: int | None
    modules: tuple[ModuleShare, ...] | None
    fft_flops: int = 0

    @property
    def macs(self) -> int:
        """Multiply-adds of all work."""
        return sum(entry.macs for entry in self.work)

    @property
    def flops(self) -> int:
        """Floating-point operations: two per multiply-add."""
        return 2 * self.macs

    @property
    def launches(self) -> int | None:
        """Operators that run something: what a GPU's time is made of where maps are small."""
        return None if self.modules is None else sum(each.launches for each in self.modules)

    @property
    def elementwise(self) -> int | None:
        """Elements of all element-wise work."""
        return None if self.modules is None else sum(each.elementwise for each in self.modules)

    @property
    def moved_bytes(self) -> int | None:
        """Bytes that all operators read and write."""
        return None if self.modules is None else sum(each.moved_bytes for each in self.modules)

    @property
    def module_launches(self) -> dict[str, int] | None:
        """Launches of each module that has any, without its children."""
        return None if self.modules is None else {each.module: each.launches for each in self.modules if each.launches}

    def tree(self, depth: int, *, work: Iterable[Work] | None = None) -> ModuleTree | None:
        """The modules down to `depth` parts of their paths, each with all that it holds; None without `modules`.

        Args: work: the multiply-adds that a convention counts; all if left out.
        """
        if self.modules is None:
            return None
        macs: dict[str, int] = {}
        for entry in self.work if work is None else work:
            macs[entry.module] = macs.get(entry.module, 0) + entry.macs
        return module_tree(self.modules, macs, depth=depth)

    def uncounted_operators(self) -> dict[str, int]:
        """Calls of each operator that has no formula, over all modules."""
        return _calls_by_operator(self.uncounted)


@dataclass(frozen=True)
class TrainingCount:
    """One forward and one backward pass, counted.

    macs: multiply-adds of both; elementwise, uncounted: of both, as in `CostCount`. saved_bytes: what the forward pass
    leaves held for the backward one, the outputs included. peak_bytes: the most that tensors made during both passes
    held at one time, gradients included. Neither holds parameters or the input. parameter_bytes: of all parameters;
    a gradient takes as much again, and what an optimizer keeps is its own.
    """

    macs: int
    elementwise: int
    uncounted: tuple[Uncounted, ...]
    saved_bytes: int
    peak_bytes: int
    parameter_bytes: int

    @property
    def flops(self) -> int:
        """Floating-point operations: two per multiply-add."""
        return 2 * self.macs

    def uncounted_operators(self) -> dict[str, int]:
        """Calls of each operator that has no formula, over all modules."""
        return _calls_by_operator(self.uncounted)


def count(model: nn.Module, *inputs: Any, **named: Any) -> CostCount:
    """Run `model(*inputs, **named)` once, without gradients and in eval mode, and count what it executes.

    The model is afterwards as it was, also after an error: hooks, training flags, state.
    Choice: attention through `scaled_dot_product_attention` is one fused operator, which forms no N x N matrix, and a
    recurrent layer is one, as on the devices that nets run on; on the meta device torch itself would take them apart.
    What torch.compile has compiled runs, and is counted, as it was before that.

    Args:    model, inputs, named: all on one device; meta unless a result must be computed.
    Raises:  CountingError: the model refused the inputs or failed on them. InputError: it has lazy parameters.
        ConfigError: it is no module.

    >>> count(torch.nn.Linear(3, 8, device="meta"), torch.empty(5, 10, 3, device="meta")).macs
    1200
    """

    def forward(_: _Counting) -> None:
        with torch.no_grad():
            model(*inputs, **named)

    return _counted(model, (*inputs, named), forward)[0].result(model)


def count_training(model: nn.Module, *inputs: Any, **named: Any) -> TrainingCount:
    """Run `model(*inputs, **named)` forward, then backward from the sum of its outputs to its parameters; count both.

    The model is afterwards as it was, also after an error; no gradient is left on it.
    Choice: in eval mode, so that the forward pass is the one `count` counts; dropout and running statistics add
    element-wise work alone. A fused attention forms its scores again in the backward pass, which counts.

    Args:    model, inputs, named: as in `count`; the inputs take no gradient.
    Raises:  CountingError: as `count`, or no output depends on a parameter. InputError: it has lazy parameters.

    >>> count_training(torch.nn.Linear(3, 8, device="meta"), torch.empty(5, 10, 3, device="meta")).macs
    2400
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def forward_and_backward(counting: _Counting) -> int:
        with torch.enable_grad():
            outputs = model(*inputs, **named)
            saved = counting.held_bytes
            differentiable = [tensor for tensor in _tensors_of(outputs) if tensor.requires_grad]
            if not parameters or not differentiable:
                raise CountingError(
                    None, "no output depends on a parameter that takes a gradient: there is no backward pass"
                )
            torch.autograd.grad([tensor.sum() for tensor in differentiable], parameters, allow_unused=True)
        return saved

    counting, saved = _counted(model, (*inputs, named), forward_and_backward)
    both = counting.result(model)
    assert both.elementwise is not None  # these counts see all
    assert both.peak_activation_bytes is not None
    return TrainingCount(
        macs=both.macs,
        elementwise=both.elementwise,
        uncounted=both.uncounted,
        saved_bytes=saved,
        peak_bytes=both.peak_activation_bytes,
        parameter_bytes=sum(parameter.nbytes for parameter in model.parameters()),
    )


def _counted(
    model: nn.Module, inputs: tuple[Any, ...], run: "Callable[[_Counting], _Given]"
) -> "tuple[_Counting, _Given]":
    """A pass counted, and what it gives."""
    compiler_was_loaded = _compiler_is_loaded()
    try:
        with _counting(model, inputs) as counting:
            given = run(counting)
    except CountingError:
        if compiler_was_loaded or not _compiler_is_loaded():
            raise
        # It loaded the compiler for a part of itself, such as flex_attention, which from now on runs as it was.
        return _counted(model, inputs, run)
    return counting, given


@contextmanager
def _counting(model: nn.Module, inputs: tuple[Any, ...]) -> "Iterator[_Counting]":
    """Count what runs inside, with the model in eval mode; whatever is raised there names module and input."""
    if not isinstance(model, nn.Module):
        raise ConfigError("model", "give a torch.nn.Module", value=repr(model))
    if any(isinstance(parameter, nn.parameter.UninitializedParameter) for parameter in model.parameters()):
        raise InputError(None, "the model has lazy parameters; run it once on an input first")
    counting = _Counting()
    given = [*model.parameters(), *model.buffers(), *_tensors_of(inputs)]
    counting.ignore_storages(given)
    # Any other device shows its fused kernels itself, and a mode would keep nn.MultiheadAttention from its own.
    has_parts = any(tensor.is_meta or tensor.is_complex() for tensor in given)
    fused = FusedLayers(counting.as_parts) if has_parts else nullcontext()
    try:
        with in_eval_mode(model), _uncompiled(), counting.follow(model), fused, counting:
            yield counting
    except InputError:
        raise
    except Exception as error:
        raise counting_error(error, inputs, where=counting.where(error)) from error


def _uncompiled() -> AbstractContextManager[Any]:
    """Have compiled functions run as they were; whoever has compiled one has loaded the compiler."""
    return torch.compiler.set_stance("force_eager") if _compiler_is_loaded() else nullcontext()


def _compiler_is_loaded() -> bool:
    return "torch._dynamo" in sys.modules


def _calls_by_operator(uncounted: Iterable[Uncounted]) -> dict[str, int]:
    calls: dict[str, int] = {}
    for entry in uncounted:
        calls[entry.operator] = calls.get(entry.operator, 0) + entry.calls
    return calls


def counting_error(error: Exception, inputs: tuple[Any, ...], *, where: str = "") -> CountingError:
    """What a module raised, in one line with the module's path and the shapes it was counted on."""
    shapes = ", ".join("x".join(map(str, tensor.shape)) for tensor in _tensors_of(inputs))
    what = " ".join(str(error).split()) or type(error).__name__
    return CountingError(None, f"{f'module {where}: ' if where else ''}{what} (input {shapes})")


class _Page:
    """What has been counted of one module without its children."""

    __slots__ = ("elementwise", "launches", "macs", "moved_bytes", "unknown")

    def __init__(self) -> None:
        self.macs: dict[Any, list[int]] = {}  # by overload: [calls, macs]
        self.unknown: dict[Any, int] = {}  # by overload: calls
        self.launches = 0
        self.elementwise = 0
        self.moved_bytes = 0

    def add(self, other: "_Page") -> None:
        for func, (calls, macs) in other.macs.items():
            entry = self.macs.setdefault(func, [0, 0])
            entry[0] += calls
            entry[1] += macs
        for func, calls in other.unknown.items():
            self.unknown[func] = self.unknown.get(func, 0) + calls
        self.launches += other.launches
        self.elementwise += other.elementwise
        self.moved_bytes += other.moved_bytes


class _Tally:
    """What has been counted of a pass, or of a part of it, by module."""

    def __init__(self) -> None:
        self.pages: dict[str, _Page] = {}
        self.fft_flops = 0

    def page(self, path: str) -> _Page:
        page = self.pages.get(path)
        if page is None:
            page = self.pages[path] = _Page()
        return page

    def add(self, other: "_Tally") -> None:
        for path, page in other.pages.items():
            self.page(path).add(page)
        self.fft_flops += other.fft_flops


class _CallWork(NamedTuple):
    """What one call does: multiply-adds, element-wise results, bytes read and written."""

    macs: int
    elements: int
    moved_bytes: int


class _Call(NamedTuple):
    """A call that need not be made again for arguments of the same form.

    peak: the most that it held at one time beyond what was held before. storages: items and dtype of each that its
    results lie in. results: of each its storage, shape, stride and offset.
    """

    tally: _Tally
    peak: int
    storages: tuple[tuple[int, torch.dtype], ...]
    results: tuple[tuple[int, torch.Size, tuple[int, ...], Any], ...]

    def make_results(self) -> tuple[Tensor, ...]:
        made = [torch.empty_strided((items,), (1,), dtype=dtype, device="meta") for items, dtype in self.storages]
        return tuple(made[number].as_strided(shape, stride, offset) for number, shape, stride, offset in self.results)


class _Counting(TorchDispatchMode):
    """Sees every operator below autograd, and keeps the books."""

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()
        self.path = ""
        self._failed: tuple[BaseException, str] | None = None
        self._tally = _Tally()
        self._page = self._tally.page("")  # of the module that is running
        self._operators: dict[Any, Operator] = {}
        self._answers: dict[Any, tuple[torch.Size, tuple[int, ...], torch.dtype, _CallWork]] = {}
        self._parts = 1
        self._ignored: dict[int, Any] = {}
        self._live: dict[int, tuple[weakref.ref[Any], int]] = {}
        self._bytes = 0
        self._peak = 0

    # Modules

    @contextmanager
    def follow(self, model: nn.Module) -> Iterator[Self]:
        """Know which submodule is running, by hooks that are gone afterwards."""
        stack: list[tuple[str, BaseException | None]] = []

        def enter(path: str) -> None:
            stack.append((self.path, sys.exc_info()[1]))
            self._turn_to(path)

        def leave() -> None:
            path, handled = stack.pop()
            error = sys.exc_info()[1]
            if error is not None and error is not handled and (self._failed is None or self._failed[0] is not error):
                self._failed = (error, self.path)
            self._turn_to(path)

        handles = []
        repeated: list[tuple[nn.Module, str]] = []
        try:
            for path, module in model.named_modules():
                for name in getattr(type(module), "calls_alike", ()):
                    setattr(module, name, self._once_for_each_form(getattr(module, name)))
                    repeated.append((module, name))
                if module is model or isinstance(module, torch.jit.ScriptModule):
                    continue  # a scripted part takes no hooks; its work is that of the module around it
                handles.append(module.register_forward_pre_hook(lambda *_, path=path: enter(path), prepend=True))
                handles.append(module.register_forward_hook(lambda *_: leave(), always_call=True))
            yield self
        finally:
            for handle in handles:
                handle.remove()
            for module, name in repeated:
                delattr(module, name)

    def where(self, error: BaseException) -> str:
        """The innermost module that raised an error, "" for the counted module itself."""
        return self._failed[1] if self._failed is not None and self._failed[0] is error else self.path

    def _turn_to(self, path: str) -> None:
        self.path = path
        self._page = self._tally.page(path)

    def _once_for_each_form(self, call: Callable[..., tuple[Tensor, ...]]) -> Callable[..., tuple[Tensor, ...]]:
        """A method that is run once for arguments of one form, and counted as often as it is called."""
        known: dict[Any, _Call | None] = {}

        def called(*args: Any) -> tuple[Tensor, ...]:
            with torch._C.DisableTorchFunction():  # what is asked of tensors here is no part of the pass
                form = None if torch.is_grad_enabled() else _form(args)
            if form is None:
                return call(*args)
            if form not in known:
                results, known[form] = self._run_once(call, args)
                return results
            once = known[form]
            if once is None:
                return call(*args)
            self._tally.add(once.tally)
            self._peak = max(self._peak, self._bytes + once.peak)
            with torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch():
                results = once.make_results()
                for tensor in results:
                    self._track(tensor)
            return results

        return called

    def _run_once(
        self, call: Callable[..., tuple[Tensor, ...]], args: tuple[Any, ...]
    ) -> tuple[tuple[Tensor, ...], _Call | None]:
        outer, self._tally = self._tally, _Tally()
        held, peak = self._bytes, self._peak
        self._peak = held
        self._turn_to(self.path)
        try:
            results = call(*args)
        finally:
            own, self._tally = self._tally, outer
            outer.add(own)
            rise, self._peak = self._peak - held, max(peak, self._peak)
            self._turn_to(self.path)
        storages: dict[int, tuple[int, torch.dtype]] = {}
        forms: list[tuple[int, torch.Size, tuple[int, ...], Any]] = []
        given = {tensor.untyped_storage()._cdata for tensor in tensors_in(args)}
        for tensor in results:
            storage = tensor.untyped_storage()
            if storage._cdata in given:
                return results, None
            storages.setdefault(storage._cdata, (storage.nbytes() // tensor.itemsize, tensor.dtype))
            number = list(storages).index(storage._cdata)
            forms.append((number, tensor.shape, tensor.stride(), tensor.storage_offset()))
        return results, _Call(own, rise, tuple(storages.values()), tuple(forms))

    @contextmanager
    def as_parts(self) -> Iterator[None]:
        """Count what runs inside as parts of complex convolutions, whose multiply-adds are one each."""
        self._parts = COMPLEX_PARTS
        try:
            yield
        finally:
            self._parts = 1

    # Operators

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Keep torch from importing its compiler, and from wrapping each call in it: nothing here is compiled."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        operator = self._operators.get(func)
        if operator is None:
            operator = self._operators[func] = describe_operator(func)
        if operator.kind == "composite":
            with self:
                return func.decompose(*args, **kwargs)
        if operator.kind == "higher-order":  # such as cond, which calls the functions that it is given
            return func(*map(self._counted, args), **kwargs)
        if not operator.allocates:
            out = func(*args, **kwargs)
            if operator.launches:
                self._record(func, operator, args, _work(operator, args, kwargs, out))
            return out

        # On meta a result's form depends on the arguments' form alone, so an equal call need not be made again: most
        # of a long loop is answered from here, ten times as fast as torch works a form out.
        key = _form((func, *args, *kwargs, *kwargs.values()) if kwargs else (func, *args))
        known = None if key is None else self._answers.get(key)
        if known is not None:
            shape, stride, dtype, work = known
            out = torch.empty_strided(shape, stride, dtype=dtype, device="meta")
            self._track(out)
        else:
            out = func(*args, **kwargs)
            work = _work(operator, args, kwargs, out)
            for tensor in tensors_in(out):
                self._track(tensor)
            if key is not None and type(out) is Tensor and _is_plain(out):
                self._answers[key] = (out.shape, out.stride(), out.dtype, work)
        if operator.launches:
            self._record(func, operator, args, work)
        return out

    def _counted(self, value: Any) -> Any:
        """A function among an operator's arguments with what it runs counted; any other argument as it is."""
        if isinstance(value, nn.Module) or not callable(value):
            return value

        def counted(*args: Any, **kwargs: Any) -> Any:
            with self:
                return value(*args, **kwargs)

        return counted

    def _record(self, func: Any, operator: Operator, args: Any, work: _CallWork) -> None:
        page = self._page
        page.launches += 1
        page.elementwise += work.elements
        page.moved_bytes += work.moved_bytes
        if operator.kind == "macs":
            entry = page.macs.get(func)
            if entry is None:
                entry = page.macs[func] = [0, 0]
            entry[0] += 1
            entry[1] += work.macs // self._parts
        elif operator.kind == "unknown" and (has_floats(args) or _is_anothers(operator, args)):
            page.unknown[func] = page.unknown.get(func, 0) + 1
            if operator.name in FFTS:
                self._tally.fft_flops += fft_flops(operator.name, args)

    # Memory

    @property
    def held_bytes(self) -> int:
        """What tensors made so far hold now."""
        return self._bytes

    def ignore_storages(self, tensors: list[Tensor]) -> None:
        """Storages that are there before the pass are none of its activations."""
        for tensor in filter(is_dense, tensors):
            storage = tensor.untyped_storage()
            self._ignored[storage._cdata] = storage  # held, so that the number stays its own

    def _track(self, tensor: Tensor) -> None:
        """Count a storage until nobody holds it: its Python object lives as long as the storage itself."""
        if not is_dense(tensor):
            return
        storage = tensor.untyped_storage()
        number = storage._cdata
        if number in self._live or number in self._ignored:
            return
        size = storage.nbytes()

        def released(_: Any) -> None:
            del self._live[number]
            self._bytes -= size

        self._live[number] = (weakref.ref(storage, released), size)
        self._bytes += size
        self._peak = max(self._peak, self._bytes)

    def result(self, model: nn.Module) -> CostCount:
        """The books, closed."""
        pages = self._tally.pages
        shares = tuple(_shares(model, pages))
        merged: dict[tuple[str, str, WorkKind], list[int]] = {}  # an operator's overloads are one
        for path, page in pages.items():
            for func, (calls, macs) in page.macs.items():
                operator = self._operators[func]
                assert operator.work is not None  # it has multiply-adds
                entry = merged.setdefault((path, operator.name, operator.work), [0, 0])
                entry[0] += calls
                entry[1] += macs
        return CostCount(
            params=sum(share.params for share in shares),
            work=tuple(Work(*place, calls, macs) for place, (calls, macs) in merged.items()),
            uncounted=tuple(
                Uncounted(path, self._operators[func].name, calls)
                for path, page in pages.items()
                for func, calls in page.unknown.items()
            ),
            peak_activation_bytes=self._peak,
            modules=shares,
            fft_flops=self._tally.fft_flops,
        )


def _shares(model: nn.Module, pages: Mapping[str, _Page]) -> Iterator[ModuleShare]:
    seen: set[nn.Parameter] = set()
    nothing = _Page()
    for path, module in model.named_modules():
        own = set(module.parameters(recurse=False)) - seen
        seen |= own
        page = pages.get(path, nothing)
        packed = packed_weights(getattr(module, "_packed_params", None))  # of a quantized layer, no parameters to torch
        yield ModuleShare(
            path,
            type(module).__name__,
            sum(each.numel() for each in (*own, *packed)),
            page.launches,
            page.elementwise,
            page.moved_bytes,
        )


def _work(operator: Operator, args: Any, kwargs: Any, out: Any) -> _CallWork:
    given, made = list(tensors_in(args)), list(tensors_in(out))
    if kwargs:
        given += tensors_in(kwargs)
    if "quantized::" in operator.name:
        given += [tensor for value in args for tensor in packed_weights(value)]
    written = sum(map(_bytes_of, made[:1]))  # what kernels give beside it, such as norms, is for their gradient
    if operator.kind == "movement":
        written = sum(map(_bytes_of, made))
        sources = (tensor for tensor in given if all(tensor is not one for one in made))
        makes_new = operator.name.endswith("_like") or operator.name.startswith("new_")  # in a form alone
        read = 0 if makes_new else min(sum(map(_bytes_of, sources)), written)
    else:
        read = sum(map(_bytes_of, given))
    if operator.formula is not None:
        return _CallWork(operator.formula(args, kwargs, out), 0, read + written)
    elements = 0
    if operator.kind == "elementwise":
        elements = max((tensor.numel() for tensor in (*given, *made)), default=0)
    return _CallWork(0, elements, read + written)


def _bytes_of(tensor: Tensor) -> int:
    """Of a tensor's elements, one that an expanded tensor repeats once."""
    if is_dense(tensor) and 0 in tensor.stride():
        return tensor.itemsize * prod(size for size, step in zip(tensor.shape, tensor.stride(), strict=True) if step)
    return tensor.itemsize * tensor.numel()


def is_dense(tensor: Tensor) -> bool:
    """Whether it has strides and a storage of its own: not sparse, nested, or of another library."""
    return tensor.layout == torch.strided and not tensor.is_nested


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors in a value, in a list, tuple or dict of values."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))


def _tensors_of(value: Any, seen: frozenset[int] = frozenset()) -> Iterator[Tensor]:
    """The tensors in what a model takes or gives: also in dataclasses and other objects that hold some."""
    if isinstance(value, Tensor):
        yield value
        return
    if id(value) in seen or isinstance(value, (type, nn.Module)):
        return
    parts: Iterable[Any] = ()
    if isinstance(value, (list, tuple, set, frozenset)):
        parts = value
    elif isinstance(value, Mapping):
        parts = value.values()
    elif hasattr(value, "__dict__") or dataclasses.is_dataclass(value):
        slots = [field.name for field in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else vars(value)
        parts = [getattr(value, name, None) for name in slots]
    for part in parts:
        yield from _tensors_of(part, seen | {id(value)})


def _is_anothers(operator: Operator, args: Any) -> bool:
    """Whether an operator on tensors is not torch's own: then integers may be more than indices."""
    return "::" in operator.name and next(tensors_in(args), None) is not None


def _is_plain(tensor: Tensor) -> bool:
    """Whether shape, stride and dtype say everything about a tensor: no data, no offset, no slack, no lazy sign."""
    return (
        tensor.is_meta
        and is_dense(tensor)
        and not tensor.is_complex()
        and not tensor.is_neg()
        and tensor.storage_offset() == 0
        and tensor.untyped_storage().nbytes()
        == torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
        .untyped_storage()
        .nbytes()
    )


def _form(values: Iterable[Any]) -> tuple[Any, ...] | None:
    """What a call's result on meta depends on, hashable; None where that is not all, or not simple."""
    parts: list[Any] = []
    for value in values:
        kind = type(value)
        if kind is Tensor or kind is nn.Parameter:
            if not value.is_meta or not is_dense(value) or value.is_neg() or value.is_conj():
                return None
            parts.append((value.shape, value.stride(), value.dtype))
        elif kind is list:
            inner = _form(value)
            if inner is None:
                return None
            parts.append(inner)
        elif isinstance(value, (Tensor, tuple, dict)):
            return None
        else:
            parts.append((kind, value))  # 1, 1.0 and True are equal, their results are not
    return tuple(parts)


@contextmanager
def in_eval_mode(model: nn.Module) -> Iterator[None]:
    """Every module in eval mode; by its flag alone, since train() of some modules does more."""
    flags = [(module, module.training) for module in model.modules()]
    try:
        for module, _ in flags:
            module.training = False
        yield
    finally:
        for module, training in flags:
            module.training = training
