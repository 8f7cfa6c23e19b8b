"""A validation set made up and scored to its end: time, and memory as the pairs go by.

    python benchmarks/long_set.py                      # 500 pairs of 1024x2048, two workers, about 100 MB of files
    python benchmarks/long_set.py --pairs 3000 --workers 4 --folder /somewhere
    python benchmarks/long_set.py --size 256x512 --metrics all,dice,objects,cldice --tolerance-curve 1:10

Options that it does not know go to `eval-boundary`.

Label maps of 19 classes: regions with wavy outlines, a small share ignored. Predictions are
the truth with outlines moved by a few pixels and some regions of another class. Memory is the resident set of the
command's process and the largest of its workers (VmHWM of /proc, so Linux only); how many pairs are done is read from
the state file that the command keeps.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

CLASSES = 19


def wavy(random: np.random.Generator, shape: tuple[int, int], smooth: float) -> np.ndarray:
    """A smooth random surface, (H, W), of unit height."""
    small = random.standard_normal((shape[0] // 16 + 2, shape[1] // 16 + 2))
    surface = ndimage.zoom(ndimage.gaussian_filter(small, smooth), 16, order=1)[: shape[0], : shape[1]]
    return np.asarray(surface / surface.std())


def make(folder: Path, pairs: int, shape: tuple[int, int]) -> None:
    """Write `gt` and `pred` under a folder."""
    random = np.random.default_rng(0)
    for name in ("gt", "pred"):
        (folder / name).mkdir(parents=True)
    heights = [wavy(random, shape, 5) for _ in range(6)]
    bend = [np.rint(3 * wavy(random, shape, 3)).astype(int) for _ in range(4)]
    rows, columns = np.indices(shape)
    for number in range(pairs):
        first, second = random.choice(6, 2, replace=False)
        level = np.roll(heights[first], random.integers(0, shape[1]), 1) + 0.5 * heights[second]
        gt = np.clip((level + 3) * CLASSES / 6, 0, CLASSES - 1).astype(np.uint8)
        pred = gt[
            np.clip(rows + bend[number % 4], 0, shape[0] - 1), np.clip(columns + bend[number % 3], 0, shape[1] - 1)
        ]
        pred = np.where(heights[second] > 2.5, (pred + 1) % CLASSES, pred).astype(np.uint8)
        gt[-shape[0] // 16 :, : shape[1] // 2] = 255
        for name, labels in (("gt", gt), ("pred", pred)):
            Image.fromarray(labels).save(folder / name / f"{number:05}.png", compress_level=1)


def peak(process: int) -> int:
    """The largest resident set that a process has had so far, MiB; 0 if it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)


def seconds_used(process: int) -> float:
    """Processor time of a process so far; 0 if it has ended."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def below(process: int) -> list[int]:
    """The processes that a process has begun, and those that they have."""
    found = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            children = task.read_text(encoding="ascii").split()
        except OSError:  # it has just ended
            continue
        for child in children:
            found += [int(child), *below(int(child))]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--size", default="1024x2048", help="HEIGHTxWIDTH")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where the set is made, or lies already (default: temporary)")
    chosen, others = parser.parse_known_args()
    height, width = map(int, chosen.size.split("x"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary) / "set"
        if not (folder / "gt").is_dir():
            make(folder, chosen.pairs, (height, width))
        output = Path(temporary) / "scores.json"
        state = output.with_name("scores.json.partial")
        command = [sys.executable, "-m", "convneur_cli", "eval-boundary", folder / "pred", folder / "gt"]
        started = time.perf_counter()
        running = subprocess.Popen(
            [*command, "--num-classes", str(CLASSES), "--workers", str(chosen.workers), *others, "-q", "-o", output],
            stdout=subprocess.DEVNULL,
        )
        marks = [chosen.pairs * share // 5 for share in (1, 2, 3, 4)]
        print(f"{'pairs':>6} {'seconds':>8} {'process MiB':>12} {'largest worker MiB':>19}")
        own, workers, used = 0, 0, dict[int, float]()
        while running.poll() is None:
            below_it = below(running.pid)
            own = max(own, peak(running.pid))
            workers = max([workers, *map(peak, below_it)])
            used |= {process: seconds for process in (running.pid, *below_it) if (seconds := seconds_used(process))}
            done = state.read_bytes().count(b"\n") - 1 if state.exists() else 0
            while marks and done >= marks[0]:
                print(f"{marks.pop(0):>6} {time.perf_counter() - started:>8.1f} {own:>12} {workers:>19}", flush=True)
            time.sleep(0.2)
        seconds = time.perf_counter() - started
        print(f"{chosen.pairs:>6} {seconds:>8.1f} {own:>12} {workers:>19}")
        each = 1000 * sum(used.values()) / chosen.pairs
        print(f"exit code {running.returncode}; {each:.0f} ms of processor time per pair, all processes together")
        sys.exit(running.returncode)


if __name__ == "__main__":
    main()
