"""Draws the pictures of docs/gallery.md by the commands that stand below them there.

    python docs/tools/gallery.py

Needs convneur with the extra `train`, and Chromium for what is a page. Pictures become WebP of 1000 pixels at most.
"""

import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from convneur.data.images import read_photo
from convneur.packaged import write_samples

DOCS = Path(__file__).parents[1]
WIDEST, QUALITY = 1000, 80
FAILED = 3  # a claim does not hold, which its page shows
_PICTURE = re.compile(r"!\[[^]]*\]\(images/gallery/([\w-]+)\.webp\)\n\n {4}\$ (convneur [^#\n]+?)(?: +# (\S+))?\n")


class Drawn(NamedTuple):
    """A picture of the page: its name, the command that draws it, the file it lies in, of a page behind # where."""

    name: str
    command: str
    file: str


def drawn(page: str) -> list[Drawn]:
    """A command's picture is named in a comment behind it, or is its argument that ends as pictures and pages do."""
    found = []
    for name, command, file in _PICTURE.findall(page):
        written = [
            word for word in shlex.split(command) if Path(word).stem == name and Path(word).suffix in (".png", ".html")
        ]
        found.append(Drawn(name, command, file or written[0]))
    return found


def photographed(page: Path, part: str) -> Path:
    """A page as a browser shows it. part: the section that is shown, "" for all."""
    if part:
        alone = f"<style>section:not(#{part}) {{ display: none; }}</style></head>"
        page.write_text(page.read_text(encoding="utf-8").replace("</head>", alone, 1), encoding="utf-8")
    picture = page.with_suffix(".page.png")
    options = [
        "--headless",
        "--no-sandbox",
        "--hide-scrollbars",
        "--window-size=1200,1100",
        "--virtual-time-budget=3000",
    ]
    subprocess.run(["chromium", *options, f"--screenshot={picture}", page.as_uri()], check=True, capture_output=True)
    return picture


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "demo"
        write_samples(folder)
        for each in drawn((DOCS / "gallery.md").read_text(encoding="utf-8")):
            print(f"$ {each.command}", flush=True)
            arguments = shlex.split(each.command)[1:]
            run = subprocess.run(
                [sys.executable, "-m", "convneur", *arguments], cwd=folder, check=False, stdout=subprocess.DEVNULL
            )
            if run.returncode not in (0, FAILED):
                sys.exit(run.returncode)
            name, _, part = each.file.partition("#")
            file = folder / name
            pixels = read_photo(photographed(file, part) if file.suffix == ".html" else file, long_side=None).pixels
            picture = Image.fromarray(pixels)
            picture.thumbnail((WIDEST, 4 * WIDEST), Image.Resampling.LANCZOS)
            out = DOCS / "images" / "gallery" / f"{each.name}.webp"
            out.parent.mkdir(exist_ok=True)
            picture.save(out, quality=QUALITY, method=6)
            print(f"  {out.relative_to(DOCS)}: {picture.width}x{picture.height}, {out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
