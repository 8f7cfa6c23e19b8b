"""Runs cases in forked children of bounded memory and judges what they did.

A process that has loaded the package once forks a child for each batch of cases, so a case takes milliseconds. A child
that dies or hangs is the fault of the case it was at; the rest goes on in a new one.

`python server.py FOLDER` reads requests as JSON lines, `{"kind", "seed", "start", "count"}`, and writes a line per case
and `{"done": true}` after each request. A case depends on its kind, seed and number alone. The kind `kill train` and
its like kill a command before a random change of a file, go on with it, and compare with an undisturbed run.
"""

import contextlib
import hashlib
import json
import os
import random
import re
import resource
import select
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BOUND = 1024  # MiB that a case may take beside what the program itself holds
LARGEST_FILE = 64  # MiB
LONGEST = 30  # seconds of a processor
_SILENT = 600  # seconds of the clock, where a case waits for something
_BATCH = 40

_CODES = {0, 1, 2, 3}
_ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
# Lines of libraries or of Python, which stand beside the one line that is ours.
_FOREIGN = re.compile(
    r"\.py:\d+: \w*Warning|TIFF\w*:|^(libpng|Corrupt JPEG|Premature end|LZW|ZIP|Old-style|Exception ignored)|\[W\d"
)
_STARTS = {"subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system"}
_CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"}


class Watch:
    """What Python reports of files that are changed outside a folder and of programs that are started."""

    def __init__(self, inside: Path, *, kill_at: int | None = None) -> None:
        """kill_at: the process is killed before this change, counted from 1."""
        self._kill_at, self.changes = kill_at, 0
        self._inside, self.on, self.seen = os.fspath(inside) + os.sep, False, []  # type: ignore[var-annotated]
        sys.addaudithook(self._hook)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event in _STARTS:
            self.seen.append(f"started a process: {event} {str(args)[:200]}")
        elif event == "open" and (args[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
            self._changed(event, args[0])
        elif event in _CHANGES:
            self._changed(event, args[0])
            if event in ("os.rename", "os.link", "os.symlink"):
                self._changed(event, args[1])

    def _changed(self, event: str, path: Any) -> None:
        if isinstance(path, int):
            return
        self.changes += 1
        if self.changes == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        full = os.path.abspath(os.fsdecode(path))  # noqa: PTH100  (links are not followed)
        # Python and Numba keep what they compiled beside the source.
        known = full == os.devnull or "__pycache__" in Path(full).parts
        if not known and not (full + os.sep).startswith(self._inside):
            self.seen.append(f"changed a file elsewhere: {event} {full!r}")


def _tree(folder: Path) -> dict[str, str]:
    """Relative path -> hash of a file's bytes, or what it is otherwise."""
    found = {}
    for place, folders, names in os.walk(folder):
        for name in folders:
            found[os.path.relpath(Path(place, name), folder)] = "folder"
        for name in names:
            path = Path(place, name)
            whole = path.is_file() and not path.is_symlink()
            found[os.path.relpath(path, folder)] = hashlib.sha256(path.read_bytes()).hexdigest() if whole else "special"
    return found


def _peak() -> int:
    """MiB that this process has held at most since `_reset_peak`."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) // 1024  # type: ignore[index]


def _reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _invalid_json(text: str) -> str | None:
    def refuse(name: str) -> None:
        raise ValueError(f"{name} is no JSON")

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError as error:
        return str(error)
    return None


def _faults(case: Any, code: Any, out: str, err: str, before: dict[str, str], after: dict[str, str]) -> Iterator[str]:
    if "Traceback (most recent call last)" in err + out:
        yield "traceback"
    if "a defect of convneur" in err:
        yield "defect line"
    if code not in _CODES:
        yield f"exit code {code}"
    if code in (1, 2) and not re.search(r"^error: \S", err, re.MULTILINE):
        yield "failed without an error line"
    if "out of memory" in err or "MemoryError" in err or "allocate memory" in err:
        yield f"more than {BOUND} MiB"
    if "--json" in case.arguments and out and (why := _invalid_json(out)):
        yield f"invalid JSON: {why}"
    if "--json" in case.arguments and code == 0 and not out:
        yield "no JSON"
    if acts := _ACTS.search(out + err):
        yield f"prints {acts[0]!r}"
    if foreign := next((line for line in err.splitlines() if _FOREIGN.search(line)), None):
        yield f"a line of others: {foreign[:160]}"
    given = set(case.files)
    for name in sorted(before.keys() | after.keys()):
        mine = any(name == output or name.startswith((f"{output}.", f"{output}/")) for output in case.outputs)
        mine |= not case.outputs and name not in before
        temporary = Path(name).name.startswith(".") and Path(name).name not in (".convneur.lock", *case.arguments)
        if before.get(name) == after.get(name) or (mine and not temporary):
            continue
        if name not in after and mine and name in given:
            continue
        yield f"{'left behind' if name not in before else 'lost' if name not in after else 'changed'}: {name!r}"


def _other_values(case: Any, place: Path, corpus: Path) -> Iterator[str]:
    """A damaged state may cost work, never a value."""
    from fuzzing.kinds import timeless

    for name, whole in case.equal.items():
        if timeless((place / name).read_bytes()) != timeless((corpus / whole).read_bytes()):
            yield f"other values in {name} than without the damage"


def _names(folder: Path) -> set[str]:
    """What lies beside the folder that cases run in, and in the folder for temporary files."""
    return {str(path.relative_to(folder)) for path in (*folder.iterdir(), *(folder / "tmp").iterdir())}


def _run(arguments: list[str], folder: Path, watch: Watch) -> tuple[Any, str, str]:
    """Exit code, stdout and stderr, all that came through the descriptors included."""
    from convneur_cli.app import main
    from convneur_cli.process import open_streams

    with Path(folder, "out.log").open("w+b") as out_file, Path(folder, "err.log").open("w+b") as err_file:
        os.dup2(out_file.fileno(), 1)
        os.dup2(err_file.fileno(), 2)
        sys.stdout, sys.stderr = (os.fdopen(fd, "w", 1, encoding="utf-8", closefd=False) for fd in (1, 2))
        open_streams()
        watch.seen.clear()
        watch.on = True
        try:
            main(arguments)
        except SystemExit as end:
            code: Any = end.code or 0
        except BaseException:
            code = "exception"
            traceback.print_exc()
        finally:
            watch.on = False
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        out, err = (Path(folder, name).read_bytes().decode("utf-8", "replace") for name in ("out.log", "err.log"))
    return code, out, err


def _emptied(folder: Path) -> Path:
    """The folder that cases run in."""
    place = folder / "case"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    return place


def _run_case(case: Any, folder: Path, watch: Watch) -> dict[str, Any]:
    place = _emptied(folder)
    for name, source in case.folders.items():
        shutil.copytree(folder / "corpus" / source, place / name)
    for name, data in case.files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    os.chdir(place)
    before, around = _tree(place), _names(folder)
    _reset_peak()
    start, held = time.monotonic(), _peak()
    code, out, err = _run(case.arguments, folder, watch)
    seconds, peak = time.monotonic() - start, _peak() - held
    os.chdir(folder)
    faults = [*_faults(case, code, out, err, before, _tree(place)), *dict.fromkeys(watch.seen)]
    if code == 0:
        faults += _other_values(case, place, folder / "corpus")
    faults += [f"left behind outside: {name!r}" for name in sorted(_names(folder) - around)]
    if peak > BOUND:
        faults.append(f"took {peak} MiB")
    return {"code": code, "faults": faults, "arguments": case.arguments, "err": err[-2000:], "peak": peak,
            "seconds": round(seconds, 3)}  # fmt: skip


def case_of(kind: str, seed: int, index: int, folder: Path) -> Any:
    from fuzzing.kinds import KINDS

    return KINDS[kind](random.Random(f"{kind} {seed} {index}"), folder / "corpus")


def _child(kind: str, seed: int, indices: range, folder: Path, pipe: int) -> None:
    """Runs cases and reports each, its number when it begins and its outcome when it ends."""
    held = int(re.search(r"VmSize:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024  # type: ignore[index]
    most = held + BOUND * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE * 2**20, LARGEST_FILE * 2**20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    watch = Watch(folder)
    for index in indices:
        os.write(pipe, f"{index}\n".encode())
        signal.setitimer(signal.ITIMER_PROF, LONGEST)  # its signal ends the process
        case = case_of(kind, seed, index, folder)
        found = _run_case(case, folder, watch)
        os.write(pipe, json.dumps({"kind": kind, "seed": seed, "index": index, **found}).encode() + b"\n")


def _forked(run: Any, *args: Any) -> tuple[int, int]:
    """(process, end of a pipe that it writes to) of a forked child."""
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        return process, reading
    os.close(reading)
    code = 1
    try:
        run(*args, writing)
        code = 0
    except BaseException:
        os.write(writing, json.dumps({"broken": traceback.format_exc()}).encode() + b"\n")
    finally:
        os._exit(code)


def _lines(reading: int, process: int) -> Iterator[str]:
    """What a child reports; it is killed when it says nothing for too long."""
    rest = b""
    while True:
        if not select.select([reading], [], [], _SILENT)[0]:
            os.kill(process, signal.SIGKILL)
            yield "hangs"
        data = os.read(reading, 1 << 16)
        if not data:
            return
        *whole, rest = (rest + data).split(b"\n")
        yield from (line.decode() for line in whole)


def serve(kind: str, seed: int, start: int, count: int, folder: Path) -> Iterator[dict[str, Any]]:
    """The outcome of each case."""
    index = start
    while index < start + count:
        batch = range(index, min(index + _BATCH, start + count))
        process, reading = _forked(_child, kind, seed, batch, folder)
        at, why = None, "died"
        for line in _lines(reading, process):
            if line == "hangs":
                why = f"no end after {_SILENT} s"
            elif line.startswith("{"):
                found = json.loads(line)
                if "broken" in found:
                    raise RuntimeError(found["broken"])
                at, index = None, found["index"] + 1
                yield found
            else:
                at = int(line)
        os.close(reading)
        _, status = os.waitpid(process, 0)
        if at is not None:
            number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            if number == signal.SIGPROF:
                why = f"no end after {LONGEST} s of a processor"
            signalled = f" of signal {number}" if why == "died" else ""
            err = Path(folder, "err.log").read_bytes().decode("utf-8", "replace")[-2000:]
            arguments = case_of(kind, seed, at, folder).arguments
            yield {"kind": kind, "seed": seed, "index": at, "code": None, "faults": [why + signalled],
                   "arguments": arguments, "err": err, "peak": 0, "seconds": 0}  # fmt: skip
            index = at + 1


def _whole_run(arguments: list[str], kill_at: int | None, folder: Path, pipe: int) -> None:
    watch = Watch(folder, kill_at=kill_at)
    os.chdir(folder / "case")
    code, _, err = _run(arguments, folder, watch)
    os.write(pipe, json.dumps({"code": code, "changes": watch.changes, "err": err[-2000:]}).encode() + b"\n")


def _ended(arguments: list[str], folder: Path, kill_at: int | None = None) -> dict[str, Any]:
    """How a command ended that ran in a child; code None: it was killed."""
    process, reading = _forked(_whole_run, arguments, kill_at, folder)
    said = [json.loads(line) for line in _lines(reading, process) if line.startswith("{")]
    os.close(reading)
    os.waitpid(process, 0)
    if said and "broken" in said[0]:
        raise RuntimeError(said[0]["broken"])
    return said[0] if said else {"code": None, "err": ""}


def kill(name: str, seed: int, count: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Kill a command before random changes of files, go on, and compare with an undisturbed run."""
    from fuzzing.kinds import KILLED, outcome

    arguments, resumed = KILLED[name]
    place = _emptied(folder)
    whole = _ended(arguments, folder)
    if whole["code"] != 0:
        raise RuntimeError(f"{arguments}: {whole}")
    wanted, names = outcome(place), set(_tree(place))
    rng = random.Random(f"{name} {seed}")
    for index in range(count):
        at = rng.randrange(1, whole["changes"] + 1)
        _emptied(folder)
        first = _ended(arguments, folder, at)
        again = _ended(resumed, folder)
        if again["code"] in (1, 2):  # it was killed before there was anything to go on with, or after the end
            again = _ended([*arguments, "--force"], folder)
        faults = [] if first["code"] is None or at > whole["changes"] else ["was not killed"]
        if again["code"] != 0:
            faults.append(f"exit code {again['code']} after the kill")
        else:
            found = outcome(place)
            faults += [f"another {name} after the kill" for name in wanted if found.get(name) != wanted[name]]
        faults += [f"left behind: {name!r}" for name in sorted(set(_tree(place)) - names)]
        yield {"kind": f"kill {name}", "seed": seed, "index": index, "code": again["code"], "faults": faults,
               "arguments": [*resumed, f"killed before change {at} of {whole['changes']}"], "err": again["err"],
               "peak": 0, "seconds": 0}  # fmt: skip


def _prepare(folder: Path) -> None:
    """Make the sound files by running the commands, which loads and compiles what cases need, for their children."""
    import functools

    import torch
    import typer.main

    from fuzzing.kinds import make_corpus

    torch.set_num_threads(1)
    typer.main.get_command = functools.cache(typer.main.get_command)  # the same command line, built once
    said = os.dup(1), os.dup(2)
    for name, mode in (("out.log", 1), ("err.log", 2)):
        with Path(folder, name).open("wb") as file:
            os.dup2(file.fileno(), mode)
    try:
        make_corpus(folder)
    finally:
        sys.stdout.flush()
        for mode, before in zip((1, 2), said, strict=True):
            os.dup2(before, mode)


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has it ignored
    (folder / "tmp").mkdir()
    os.environ["TMPDIR"] = str(folder / "tmp")
    answers = os.fdopen(os.dup(1), "w")
    _prepare(folder)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["kind"].startswith("kill "):
            answered = kill(asked["kind"].removeprefix("kill "), asked["seed"], asked["count"], folder)
        else:
            answered = serve(asked["kind"], asked["seed"], asked["start"], asked["count"], folder)
        for found in answered:
            print(json.dumps(found), file=answers, flush=True)
        print(json.dumps({"done": True}), file=answers, flush=True)
    os._exit(0)  # libraries take seconds to tidy up


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
