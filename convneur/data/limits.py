"""How much a file may ask for before it is refused: small files that unpack to gigabytes, numbers that name arrays."""

from convneur.errors import InputError

__all__ = ["MAX_PIXELS", "MOST_UNNAMED_CLASSES", "check_pixels"]

# Choice: 8192 x 8192. Reading an image takes about 20 bytes per pixel, scoring a label map up to 130: a file that lies
# costs a few gigabytes at most, and the largest images of the known data sets fit in.
MAX_PIXELS = 1 << 26

# Choice: where the highest number found says how many classes there are. What is kept of K classes grows with K^2, and
# a number that is higher is rarely a class: an instance, a damaged file. Named classes may be more.
MOST_UNNAMED_CLASSES = 1 << 12


def check_pixels(path: object, height: int, width: int, max_pixels: int) -> None:
    """Raise InputError for more pixels than are read; called with what a header says, before anything is decoded.

    >>> check_pixels("map.png", 9600, 9600, MAX_PIXELS)
    Traceback (most recent call last):
    convneur.errors.InputError: map.png: 9600x9600 pixels, more than 67108864; cut it into tiles, or raise `max_pixels`
    """
    if height * width > max_pixels:
        raise InputError(
            path, f"{height}x{width} pixels, more than {max_pixels}; cut it into tiles, or raise `max_pixels`"
        )
