"""Fuzz the command line: N damaged inputs of every kind, each judged. Exits with 1 if one of them shows a fault.

    python benchmarks/fuzz.py 10000 --seed 7
    python benchmarks/fuzz.py 1 --kind tar --seed 7 --start 311 --keep case   # one case again, and its files

A fault is a traceback, a line that names a defect, an exit code that the contract lacks, more memory than the bound,
invalid JSON, a control character on the terminal, a line of a library beside ours, a file changed or left outside the
output, or a process started. What runs and judges is `tests/fuzz/fuzzing`, which the tests use too.
"""

import argparse
import collections
import contextlib
import json
import secrets
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "fuzz"))
from fuzzing.client import Fuzzer
from fuzzing.kinds import KINDS
from fuzzing.server import BOUND


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=int, help="how many, shared by the kinds")
    parser.add_argument("--seed", type=int, default=None, help="of the damage (a new one, which is printed)")
    parser.add_argument(
        "--kind", choices=sorted(KINDS), action="append", help="this kind of input only; may be repeated"
    )
    parser.add_argument("--start", type=int, default=0, help="the number of the first case of each kind")
    parser.add_argument("--keep", type=Path, help="a new folder that keeps the sound files and the last case")
    parser.add_argument("--log", type=Path, help="write the cases with faults there, as JSON lines")
    asked = parser.parse_args()
    kinds = asked.kind or list(KINDS)
    seed = secrets.randbelow(2**31) if asked.seed is None else asked.seed
    print(f"seed {seed}, at most {BOUND} MiB for a case")
    faults: collections.Counter[str] = collections.Counter()
    bad = 0
    with contextlib.ExitStack() as open_files, tempfile.TemporaryDirectory() as temporary:
        log = open_files.enter_context(asked.log.open("w")) if asked.log else None
        folder = asked.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        with Fuzzer(folder) as fuzzer:
            for number, kind in enumerate(kinds):
                count = asked.cases // len(kinds) + (number < asked.cases % len(kinds))
                began, codes, peak = time.monotonic(), collections.Counter[str](), 0
                slowest = 0.0
                for found in fuzzer.cases(kind, seed, count, asked.start):
                    codes[str(found["code"])] += 1
                    peak, slowest = max(peak, found["peak"]), max(slowest, found["seconds"])
                    faults.update(fault.split(":")[0] for fault in found["faults"])
                    if found["faults"]:
                        bad += 1
                        if log:
                            print(json.dumps(found), file=log, flush=True)
                        last = found["err"].strip().splitlines()[-1:] or [""]
                        words = "; ".join(found["faults"])
                        print(f"  {kind} --start {found['index']}: {words[:300]}\n      {last[0][:200]}")
                ended = ", ".join(f"{code}: {times}" for code, times in sorted(codes.items()))
                print(
                    f"{kind:12} {count:6} cases, {time.monotonic() - began:6.1f} s; exit codes {ended}; "
                    f"peak {peak} MiB, slowest {slowest:.1f} s",
                    flush=True,
                )
    print(f"{bad} cases with faults" + "".join(f"\n  {times:6} {fault}" for fault, times in faults.most_common()))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
