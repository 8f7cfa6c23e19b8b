"""Runs that are long: over several processes or machines, stopped at any moment, and gone on with."""

import contextlib
import dataclasses
import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from PIL import Image

import convneur.evaluation.scoring as scoring
import convneur.evaluation.workers as work
from convneur.errors import InputError
from convneur.evaluation.kept_scores import as_plain, read_scores
from convneur.metrics import METRICS, BoundarySettings, score_pair

COMMAND = [sys.executable, "-c", "from convneur_cli.app import main; main()", "eval-boundary", "pred", "gt"]
BOTH = ("-o", "out.json", "--per-image", "rows.csv", "--num-classes", "3")
HELD = """
import time
from pathlib import Path

from convneur_cli.app import main
from convneur.evaluation.partial import FinishedPairs

add = FinishedPairs.add

def held(state, *finished):
    add(state, *finished)
    if len(state) == 6:
        Path("held").touch()
        while Path("held").exists():
            time.sleep(0.01)

FinishedPairs.add = held
main()
"""


def many(place: Path, count: int) -> None:
    for number in range(count):
        for folder, suffix in (("gt", "png"), ("pred", "npy")):
            os.link(place / folder / f"a.{suffix}", place / folder / f"many{number}.{suffix}")


def contents(place: Path, *names: str) -> list[bytes]:
    found = [(place / name).read_bytes() for name in names]
    for name in names:
        (place / name).unlink()
    return found


# --- going on ---


def test_an_interrupted_run_says_how_to_go_on_and_ends_as_if_it_had_not_been(
    evaluate: Any, outputs: Any, place: Path, monkeypatch: pytest.MonkeyPatch, stopped_after_three: Any
) -> None:
    whole = evaluate(*BOTH, "--json")
    expected = contents(place, "out.json", "rows.csv")
    with monkeypatch.context() as patched:
        stopped_after_three(patched)
        ran = evaluate(*BOTH)
    assert (ran.code, ran.out) == (130, "")
    assert ran.err == (
        "interrupted: 3 of 5 pairs are scored and kept in out.json.partial; --resume goes on with them\n"
    )
    assert outputs() == {"out.json.partial"}

    ran = evaluate(*BOTH)
    assert ran.code == 1
    assert ran.line == (
        "error: out.json.partial: of an interrupted run; --resume goes on with it, --force begins again"
    )
    with monkeypatch.context() as patched:
        begun = stopped_after_three(patched)
        ran = evaluate(*BOTH, "--json", "--resume")
    assert begun == ["city/d", "e"]
    assert ran.err.splitlines()[0] == "out.json.partial: 3 of 5 pairs are scored already"
    assert (ran.code, ran.out) == (0, whole.out)
    assert contents(place, "out.json", "rows.csv") == expected
    assert outputs() == set()


def test_resuming_what_was_not_begun_or_is_done(evaluate: Any, outputs: Any) -> None:
    assert evaluate(*BOTH, "--resume").code == 0
    assert outputs() == {"out.json", "rows.csv"}
    assert "exists already" in evaluate(*BOTH, "--resume").line


def test_nothing_to_resume_from(
    evaluate: Any, outputs: Any, monkeypatch: pytest.MonkeyPatch, stopped_after_three: Any
) -> None:
    assert evaluate("--resume").code == 2
    stopped_after_three(monkeypatch)
    ran = evaluate()
    assert (ran.code, ran.err) == (130, "interrupted: nothing is kept; with --output finished pairs would be\n")
    assert outputs() == set()


def test_a_run_stopped_before_its_first_pair_leaves_nothing(
    evaluate: Any, outputs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(scoring, "_score", interrupted)
    assert evaluate(*BOTH).err == "interrupted: no pair was finished\n"
    assert outputs() == set()


@pytest.fixture
def begun(evaluate: Any, place: Path, monkeypatch: pytest.MonkeyPatch, stopped_after_three: Any) -> Path:
    """The state of a run of which three pairs are finished."""
    with monkeypatch.context() as patched:
        stopped_after_three(patched)
        evaluate(*BOTH)
    return place / "out.json.partial"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tolerance", "3px"], '(tolerance was ["0.008"], is ["3px"])'),
        (["--spacing", "2,1"], "(spacing was [1.0, 1.0], is [2.0, 1.0])"),
        (["--resize", "nearest"], '(resize was null, is "nearest")'),
        (["--hd95", "pooled", "--connectivity", "8"], '(hd95 was "directed", is "pooled"; connectivity was 4, is 8)'),
    ],
)
def test_other_settings_are_refused_by_name(evaluate: Any, begun: Path, arguments: list[str], said: str) -> None:
    kept = begun.read_bytes()
    ran = evaluate(*BOTH, "--resume", *arguments)
    assert ran.code == 1
    assert ran.line == (
        f"error: out.json.partial: begun with other settings {said}; repeat them, or --force begins again"
    )
    assert begun.read_bytes() == kept
    assert evaluate(*BOTH, *arguments, "--force").code == 0


def test_other_predictions_are_refused(evaluate: Any, begun: Path, place: Path) -> None:
    (place / "pred").rename(place / "pred2")
    assert "(predictions was " in evaluate(*BOTH, "--resume", paths=("pred2", "gt")).line


def test_a_file_that_changed_is_scored_again(evaluate: Any, begun: Path, place: Path) -> None:
    np.save(place / "pred" / "b.npy", np.zeros((41, 59), np.uint8))
    evaluate(*BOTH, "--resume")
    resumed = contents(place, "out.json", "rows.csv")
    evaluate(*BOTH)
    assert contents(place, "out.json", "rows.csv") == resumed


def test_a_file_that_went_is_no_longer_asked_for(evaluate: Any, begun: Path, place: Path) -> None:
    for path in (place / "pred" / "b.npy", place / "gt" / "b.png"):
        path.unlink()
    assert [row["name"] for row in evaluate(*BOTH, "--resume", "--json").json["per_image"]] == [
        "a", "city/c", "city/d", "e"
    ]  # fmt: skip


def test_pairs_that_failed_are_tried_again(
    evaluate: Any, place: Path, monkeypatch: pytest.MonkeyPatch, stopped_after_three: Any
) -> None:
    good = (place / "gt" / "a.png").read_bytes()
    (place / "gt" / "a.png").write_bytes(b"")
    with monkeypatch.context() as patched:
        stopped_after_three(patched)
        assert evaluate(*BOTH).code == 130
    ran = evaluate(*BOTH, "--resume", "--strict")
    assert ran.code == 1
    assert ran.err.splitlines()[-2:] == [
        "warning: 2 of 5 pairs are scored and kept in out.json.partial; --resume goes on with them",
        "error: a: gt/a.png: is empty (0 bytes); write it again",
    ]
    (place / "gt" / "a.png").write_bytes(good)
    ran = evaluate(*BOTH, "--resume", "--json")
    assert (ran.code, ran.json["images"], ran.json["failed"]) == (0, 5, [])


def test_a_state_that_was_cut_anywhere(evaluate: Any, begun: Path, place: Path) -> None:
    content = begun.read_bytes()
    ends = [index + 1 for index, byte in enumerate(content) if byte == ord("\n")]
    begun.unlink()
    evaluate(*BOTH)
    expected = contents(place, "out.json", "rows.csv")
    for cut, finished in ((ends[0], 0), (ends[0] + 1, 0), (ends[1] - 1, 0), (ends[1], 1), (ends[2] + 99, 2)):
        begun.write_bytes(content[:cut])
        ran = evaluate(*BOTH, "--resume")
        assert ("are scored already" in ran.err) == (finished > 0)
        assert finished == 0 or f"{finished} of 5 pairs" in ran.err
        assert contents(place, "out.json", "rows.csv") == expected
    garbled = content[: ends[1]] + b"\0" * 50 + content[ends[1] + 50 :]
    begun.write_bytes(garbled)
    ran = evaluate(*BOTH, "--resume")
    assert ran.err.startswith("warning: out.json.partial: damaged (line 3: its checksum does not fit")
    assert "2 of 5 pairs" in ran.err  # those before and behind it
    assert contents(place, "out.json", "rows.csv") == expected


def test_a_digit_that_was_changed_is_never_scored(evaluate: Any, begun: Path, place: Path) -> None:
    content = begun.read_bytes()
    begun.unlink()
    evaluate(*BOTH)
    expected = contents(place, "out.json", "rows.csv")
    digits = [at for at, byte in enumerate(content) if chr(byte).isdigit()]
    for at in random.Random(0).sample(digits, 20):
        begun.write_bytes(content[:at] + (b"1" if content[at : at + 1] != b"1" else b"2") + content[at + 1 :])
        ran = evaluate(*BOTH, "--resume")
        assert ran.code == 0 or ran.line.startswith("error: out.json.partial: line 1: its checksum"), ran.err
        assert ran.code or contents(place, "out.json", "rows.csv") == expected
        begun.unlink(missing_ok=True)


@pytest.mark.parametrize("content", [b"", b"{}\n", b"[1]\n", b"precious text\n", b"\xff\n"])
def test_a_file_that_is_no_state_is_left_alone(evaluate: Any, place: Path, content: bytes) -> None:
    (place / "out.json.partial").write_bytes(content)
    ran = evaluate(*BOTH, "--resume")
    assert ran.code == 1
    assert ran.line == "error: out.json.partial: holds no finished pairs; --force begins again"
    assert (place / "out.json.partial").read_bytes() == content


@examples(deadline=None)
@given(st.integers(0, 2**32 - 1), st.sets(st.sampled_from(METRICS), min_size=1))
def test_scores_come_back_from_text_to_the_last_bit(seed: int, metrics: set[str]) -> None:
    rng = np.random.default_rng(seed)
    gt, pred = rng.integers(0, 5, (2, *rng.integers(1, 9, 2)))
    gt[rng.random(gt.shape) < rng.random()] = 255
    needed: dict[str, Any] = {}
    if "hd_percentile" in metrics:
        needed["hd_percentile"] = ("90", 99)
    if "boundary_f1_curve" in metrics:
        needed["tolerance_curve"] = "1:3"
    settings = BoundarySettings(
        num_classes=5, metrics=tuple(metrics), tolerance=("1px", "0.3"), spacing=(0.1, 0.7), **needed
    )
    scores = score_pair(np.where(pred == 4, 77, pred), gt, settings)
    again = read_scores(json.loads(json.dumps(as_plain(scores))), settings)
    for field in dataclasses.fields(scores):
        same_bits(getattr(scores, field.name), getattr(again, field.name))


def same_bits(ours: Any, theirs: Any) -> None:
    assert type(ours) is type(theirs)
    if isinstance(ours, np.ndarray):
        assert (ours.dtype, ours.shape, ours.tobytes()) == (theirs.dtype, theirs.shape, theirs.tobytes())
    elif isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            same_bits(value, theirs[key])
    elif isinstance(ours, tuple):
        for one, other in zip(ours, theirs, strict=True):
            same_bits(one, other)
    else:
        assert ours == theirs


# --- several processes ---


def test_workers_do_not_change_a_bit(evaluate: Any) -> None:
    alone = evaluate("--json")
    together = evaluate("--json", "--workers", "2")
    assert (together.code, together.err) == (0, alone.err)
    assert together.out == alone.out


def test_only_so_many_jobs_are_under_way() -> None:
    submitted, most = [], 0

    class Future:
        def __init__(self, job: int) -> None:
            self.job = job

        def result(self) -> int:
            return self.job * 2

    def submit(_: Any, job: int) -> Future:
        submitted.append(job)
        return Future(job)

    results = []
    for result in work._windowed(submit, 8)(None, iter(range(100))):
        most = max(most, len(submitted) - len(results))
        results.append(result)
    assert results == [2 * job for job in range(100)]
    assert most == 8


@pytest.fixture
def begin(place: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the command as a process; it has kept six pairs and keeps no more until the file `held` goes.

    Whatever becomes of the test, neither it nor its workers stay behind.
    """
    begun: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> subprocess.Popen[str]:
        started = subprocess.Popen(
            [sys.executable, "-c", HELD, *COMMAND[3:], *BOTH, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        begun.append(started)
        while not (place / "held").exists():
            assert started.poll() is None, started.communicate()
            time.sleep(0.02)
        return started

    yield begin
    for started in begun:
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGKILL)
            started.communicate(timeout=60)


@pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")
@pytest.mark.parametrize("stop", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGKILL])
def test_processes_can_be_stopped_at_any_moment(evaluate: Any, place: Path, begin: Any, stop: int) -> None:
    many(place, 200)
    started = begin("--workers", "2")
    if stop == signal.SIGINT:
        os.killpg(started.pid, stop)  # as a terminal does
        out, err = started.communicate(timeout=60)
        assert (started.returncode, out) == (130, "")
        assert err == (
            "interrupted: 6 of 205 pairs are scored and kept in out.json.partial; --resume goes on with them\n"
        )
    else:
        os.kill(started.pid, stop)
        started.communicate(timeout=60)  # ends when the last process that holds the pipes has gone
        ended = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            while time.monotonic() < ended + 30:
                os.killpg(started.pid, 0)
                time.sleep(0.05)
            pytest.fail("workers stay behind")
    ran = evaluate(*BOTH, "--resume", "--json")
    assert ran.code == 0
    assert "out.json.partial: 6 of 205 pairs are scored already\n" in ran.err
    resumed = contents(place, "out.json", "rows.csv")
    assert evaluate(*BOTH, "--json").out == ran.out
    assert contents(place, "out.json", "rows.csv") == resumed


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_the_bar_shows_rate_and_time_left(place: Path) -> None:
    many(place, 100)
    terminal, end = os.openpty()
    started = subprocess.Popen([*COMMAND, "--json"], stdout=subprocess.DEVNULL, stderr=end)
    os.close(end)
    shown = b""
    with contextlib.suppress(OSError):  # how Linux says that the other end was closed
        while part := os.read(terminal, 4096):
            shown += part
    os.close(terminal)
    assert started.wait(60) == 0
    assert b"scoring" in shown
    assert b"/105" in shown
    assert b"/s" in shown
    assert b"0:00:" in shown


# --- several machines ---


@pytest.fixture
def cluster(place: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The address of a Dask scheduler; the processes of the scheduler and of two workers."""
    dask, known = [sys.executable, "-m", "dask"], ["--scheduler-file", "scheduler.json"]
    scheduler = [*dask, "scheduler", *known, "--host", "tcp://127.0.0.1:0", "--no-dashboard", "--no-show"]
    worker = [*dask, "worker", *known, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    with (place / "dask.log").open("wb") as log:
        commands = [scheduler, worker, worker]
        processes = [subprocess.Popen(command, stdout=log, stderr=log, cwd=place) for command in commands]
        try:
            while (place / "dask.log").read_bytes().count(b"Starting established connection to tcp://127") < 2:
                assert all(process.poll() is None for process in processes), (place / "dask.log").read_text()
                time.sleep(0.05)
            yield json.loads((place / "scheduler.json").read_text())["address"], processes
        finally:
            for process in processes:
                process.kill()
                process.wait()


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_half_way_does_not_change_a_bit(
    evaluate: Any, place: Path, cluster: Any, begin: Any
) -> None:
    address, (_, worker, _) = cluster
    many(place, 200)
    everything = ["--metrics", "all,dice,objects,cldice", "--hd-percentile", "90", "--tolerance-curve", "1:3"]
    started = begin("--scheduler", address, "--json", *everything)
    worker.kill()
    (place / "held").unlink()
    out, err = started.communicate(timeout=120)
    assert started.returncode == 0, err
    assert "Traceback" not in err
    scored = contents(place, "out.json", "rows.csv")
    assert evaluate(*BOTH, "--json", *everything).out == out
    assert contents(place, "out.json", "rows.csv") == scored


@pytest.mark.slow
def test_a_cluster_that_is_lost_leaves_what_was_finished(evaluate: Any, place: Path, cluster: Any, begin: Any) -> None:
    address, (scheduler, *_) = cluster
    many(place, 200)
    started = begin("--scheduler", address, "-q")
    scheduler.kill()
    (place / "held").unlink()
    _, err = started.communicate(timeout=120)
    assert started.returncode == 1
    kept, lost = err.splitlines()
    assert kept.endswith("pairs are scored and kept in out.json.partial; --resume goes on with them")
    assert lost == f"error: --scheduler {address}: the connection was lost"
    assert evaluate(*BOTH, "--resume").code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scheduler", "nonsense:12:3"], "--scheduler nonsense:12:3: no address such as tcp://host:8786"),
        (["--scheduler", "foo://here"], "--scheduler foo://here: no address such as tcp://host:8786"),
        (["--scheduler", "tcp://127.0.0.1:1", "--workers", "2"], "--workers: the scheduler's workers do the work"),
    ],
)
def test_wrong_schedulers(evaluate: Any, arguments: list[str], said: str) -> None:
    ran = evaluate(*arguments)
    assert ran.code == 2
    assert said in ran.line


def test_what_dask_logs_of_a_lost_connection_is_left_out(evaluate: Any) -> None:
    evaluate("--scheduler", "foo://here")
    for name in ("distributed.batched", "distributed.client", "distributed.core", "tornado.application", "asyncio"):
        assert not logging.getLogger(name).isEnabledFor(logging.CRITICAL), name


def test_whatever_dask_raises_of_a_lost_connection_is_named() -> None:
    from distributed.client import ClosedClientError, FutureCancelledError
    from distributed.comm.core import CommClosedError
    from distributed.scheduler import KilledWorker

    lost = "`scheduler` tcp://here:1: the connection was lost"
    for raised, said in (
        (FutureCancelledError("_score-1", "scheduler-connection-lost"), lost),
        (ClosedClientError("Client is closed. Can't send update-graph message."), lost),
        (CommClosedError("in <TCP (closed)>: Stream is closed"), lost),
        (OSError("Timed out trying to connect to tcp://here:1 after 30 s"), lost),
        (
            KilledWorker("_score-1", SimpleNamespace(address="tcp://there:2"), 3),
            "a pair ended one worker after another",
        ),
    ):
        with pytest.raises(InputError, match=said), work._losses_named("tcp://here:1"):
            raise raised


def test_a_files_error_on_a_cluster_stays_what_it_is() -> None:
    with pytest.raises(PermissionError, match=r"gt/a\.png"), work._losses_named("tcp://here:1"):
        raise PermissionError(13, "Permission denied", "gt/a.png")


def test_dask_is_not_needed_but_named(evaluate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    ran = evaluate("--scheduler", "tcp://127.0.0.1:8786")
    assert ran.code == 2
    assert "needs Dask; pip install distributed" in ran.line


def test_label_maps_are_not_needed_in_memory_at_once(evaluate: Any, place: Path) -> None:
    """Pairs are read when it is their turn: one that is missing by then fails alone."""
    Image.new("L", (3, 3)).save(place / "gt" / "z.png")
    (place / "pred" / "z.png").symlink_to("nowhere.png")
    ran = evaluate("--json", "-q")
    assert ran.code == 1
    assert ran.json["failed"][0]["name"] == "z"
    assert ran.json["images"] == 5
