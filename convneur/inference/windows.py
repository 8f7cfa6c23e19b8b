"""Windows over large images: how large, and where they lie."""

from convneur.errors import ConfigError

__all__ = ["STRIDE", "WINDOW", "window_size", "window_spans"]

# Choice: the largest side of an image that a model sees whole by default.
WINDOW = (1024, 1024)

STRIDE = 32
"""The model's: the smallest side it takes, and the step of its coarsest grid."""


def window_size(window: int | tuple[int, int] | None) -> tuple[int, int] | None:
    """Height and width of a window, given as a side or as both. Raises: ConfigError: neither, or a side below 1."""
    if window is None:
        return None
    sides = (window, window) if isinstance(window, int) else window
    if not isinstance(sides, (tuple, list)) or len(sides) != 2 or not all(isinstance(side, int) for side in sides):
        raise ConfigError("window", "give a side in pixels, or (height, width); None shows images whole", value=window)
    height, width = sides
    if min(height, width) < 1:
        raise ConfigError("window", "needs sides of at least 1 pixel", value=f"{height}x{width}")
    return height, width


def window_spans(side: int, window: int, *, exact: bool = False) -> list[tuple[int, int]]:
    """Where windows that cover a side begin and end, with an overlap of a fourth of a window at least.

    They begin at multiples of 32, the model's stride, so that its grid is that of the whole image; the last one
    reaches to the side's end, up to 31 pixels longer, or begins where it must with `exact`, which holds all to the
    window's size. Windows below 43 pixels cannot do both and begin anywhere.

    >>> window_spans(100, 64)
    [(0, 64), (32, 100)]
    >>> window_spans(100, 64, exact=True)
    [(0, 64), (36, 100)]
    """
    if side <= window:
        return [(0, side)]
    longest = step = max(window * 3 // 4, 1)
    last = side - window
    if step >= STRIDE:
        step, last = step - step % STRIDE, last - (0 if exact else last % STRIDE)
    starts = (start for start in range(0, last, step) if not start or last - (start - step) > longest)
    return [*((start, start + window) for start in starts), (last, side)]
