"""Images labelled with another context: the model's memories read from other states than the image's own."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from convneur.errors import ConfigError, InputError
from convneur.inference.logits import sides_seen
from convneur.inference.prediction import Prediction
from convneur.inference.predictor import NamedImage, Predictor
from convneur.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor

    from convneur.model.states import States

__all__ = ["Context", "StateSwap", "check_context"]

Context = Literal["own", "mean", "other", "start"]

Ask = Callable[[NamedImage], Prediction]
Read = Callable[[int], NamedImage]


def check_context(predictor: Predictor, context: Context) -> None:
    """Raises: ConfigError: another word, or a model whose memories cannot be given a state."""
    if context not in get_args(Context):
        raise ConfigError("context", f"choose {', '.join(get_args(Context))}", value=context)
    if context == "own":
        return
    from convneur.inference.exported import ExportedModel

    if isinstance(predictor.model, ExportedModel):
        problem = "an exported graph takes no other state; name the weights that it was made of"
        raise ConfigError("context", problem, value=context)
    config = predictor.model.config
    if config.memory == "none" or config.global_branch != "neural-memory":
        has = "no global branch" if config.memory == "none" else f"a {config.global_branch} branch"
        problem = f"{predictor.name} has {has}, so no neural memory whose state another could take the place of"
        raise ConfigError("context", problem, value=context)


class StateSwap:
    """Gives the memories of a model other states than an image's own, at all stages at once.

    mean: of all images that can be read. other: of the image floor(n / 2) further, the list taken as a ring; where that
    cannot be read, of the next one. start: M_0, which no training has seen without the writes after it.

    Choice: an image is read again where its states are needed, so that memory does not grow with their number.
    Args:
        read: the image of a number below `count`; it raises InputError. ask: what the model says of an image.
        scale, window: as the model is asked; images that would be cut are refused, for each window has its own states
            (M_0 is the same in all).
    """

    def __init__(
        self,
        predictor: Predictor,
        context: Context,
        *,
        count: int,
        read: Read,
        ask: Ask,
        scale: float | None,
        window: tuple[int, int] | None,
    ) -> None:
        self._predictor, self._context = predictor, context
        self._count, self._read, self._ask = count, read, ask
        self._scale = scale or predictor.scale or 1.0
        self._window = window
        if context in ("mean", "other") and count < 2:
            raise ConfigError("context", "needs two images or more", value=context)
        self._mean: States | None = None
        self._without_mean = ""
        self._changed = self._compared = 0

    @property
    def changed_share(self) -> float | None:
        """Share of the labels that are not what they are with the images' own states; None before any."""
        return self._changed / self._compared if self._compared else None

    def prepare(self, progress: Progress) -> None:
        """Find the mean of all images' states, where that is what is given."""
        if self._context != "mean":
            return
        totals: dict[str, Tensor] = {}
        images = 0
        failed = ""
        with progress.steps("finding the mean state", self._count) as advance:
            for number in range(self._count):
                try:
                    image = self._read(number)
                    _, states = self._own(image)
                    self._check_alike(states, totals, image)
                except InputError as error:
                    failed = f"; {error}"
                    advance()  # said when it is labelled
                    continue
                totals = {name: totals.get(name, 0) + state.double() for name, state in states.items()}
                images += 1
                advance()
        if images < 2:
            self._without_mean = f"needs two images or more that can be read{failed}"
            return
        self._mean = {name: (total / images).float() for name, total in totals.items()}

    def predict(self, image: NamedImage, number: int) -> Prediction:
        """What the model says of an image with the other state. Raises: InputError: it cannot be asked."""
        from convneur.model.states import given_states

        own, states = self._own(image)
        given = self._given(image, number)
        self._check_alike(states, given, image)
        with given_states(self._predictor.model, given):  # type: ignore[arg-type]
            found = self._ask(image)
        if own.labels is not None and found.labels is not None:
            self._changed += int(np.count_nonzero(own.labels != found.labels))
            self._compared += own.labels.size
        elif own.top and found.top:
            self._changed += own.top[0].label != found.top[0].label
            self._compared += 1
        return found

    def _given(self, image: NamedImage, number: int) -> "States":
        from convneur.model.states import start_states

        if self._context == "start":
            return start_states(self._predictor.model)  # type: ignore[arg-type]
        if self._mean is not None:
            return self._mean
        if self._without_mean:
            raise InputError(image.path, f"`context mean` {self._without_mean}")
        failed = ""
        for donor in self._donors(number):
            try:
                return self._own(self._read(donor))[1]
            except InputError as error:
                failed = f"; {error}"
        raise InputError(image.path, f"`context other` needs another image that can be read{failed}")

    def _donors(self, number: int) -> Iterator[int]:
        first = number + self._count // 2
        yield from (each % self._count for each in range(first, first + self._count) if each % self._count != number)

    def _own(self, image: NamedImage) -> "tuple[Prediction, States]":
        from convneur.model.states import recorded_states

        height, width = image.pixels.shape[:2]
        rows, columns = sides_seen(height, width, self._scale)
        window = self._window if self._predictor.task == "segmentation" and self._context != "start" else None
        if window is not None and (rows > window[0] or columns > window[1]):
            problem = f"is seen in windows, each of which has a state of its own ({rows}x{columns} pixels)"
            raise InputError(image.path, f"{problem}; choose `window` none, or a smaller `scale`")
        with recorded_states(self._predictor.model) as states:  # type: ignore[arg-type]
            return self._ask(image), states

    def _check_alike(self, own: "States", given: "States", image: NamedImage) -> None:
        """Raises: InputError: states of other numbers of chunks."""
        for name, state in given.items():
            chunks, wanted = state.shape[1], own[name].shape[1]
            if chunks not in (1, wanted):
                problem = f"is cut into {wanted} chunks ({name}), and the other state is of {chunks}"
                raise InputError(image.path, f"{problem}; give images of one size, or set the number of `chunks`")
