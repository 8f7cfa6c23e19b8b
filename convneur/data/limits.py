"""How much a file may ask for before it is refused: small files that unpack to gigabytes, numbers that name arrays."""

from convneur.errors import InputError

__all__ = ["MAX_PIXELS", "MOST_BORDER", "MOST_UNNAMED_CLASSES", "check_pixels"]

# Choice: 8192 x 8192. Reading an image takes about 16 bytes per pixel, scoring a pair of label maps 15, and 600 more
# for each that borders on another class: a file that lies costs a few gigabytes, and known data sets' images fit in.
MAX_PIXELS = 1 << 26

# Choice: what share of that many pixels may border on another class. Objects have borders of a few percent; a chequered
# map of a few kilobytes has nothing else.
MOST_BORDER = 1 / 8

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
