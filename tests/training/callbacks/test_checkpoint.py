import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from nca.errors import FailedError, InputError
from nca.system.signals import Terminated, raise_on_termination
from nca.training.callback import Callback
from nca.training.callbacks import Checkpoint, load_checkpoint, save_checkpoint
from nca.training.learner import Learner
from tests.helpers.killed_training import make as make_large
from tests.helpers.training_jobs import JOBS, StopAt, differences, image_job

ROOT = Path(__file__).parents[3]
KILLS = 50


def test_a_training_killed_again_and_again_gives_the_same_bits(tmp_path: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.killed_training", str(tmp_path)], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert server.stdin is not None
    assert server.stdout is not None
    moments = random.Random(0)
    reached, in_writing = 0, 0
    with server:
        for _ in range(KILLS):
            server.stdin.write("train\n")
            server.stdin.flush()
            word, pid = server.stdout.readline().split()
            assert word == "begins"
            time.sleep(moments.uniform(0, 0.15))
            in_writing += bool(list(tmp_path.glob(".checkpoint.*")))
            os.kill(int(pid), signal.SIGKILL)
            assert server.stdout.readline().split() == ["ended", str(-signal.SIGKILL)]
            if (tmp_path / "checkpoint").exists():
                iteration = load_checkpoint(tmp_path / "checkpoint")["counts"]["iteration"]
                assert iteration >= reached
                reached = iteration
        server.stdin.close()
    assert in_writing > KILLS // 10, "the kills did not meet the writing"
    assert reached > KILLS // 5, "the training did not get on"

    resumed = make_large(tmp_path)
    resumed.load_state_dict(load_checkpoint(tmp_path / "checkpoint"))
    resumed.fit(iterations=reached + 1)
    assert not list(tmp_path.glob(".checkpoint.*")), "what killed processes left was not swept up"
    (tmp_path / "whole").mkdir()
    whole = make_large(tmp_path / "whole", every_seconds=1e9)
    torch.manual_seed(5)
    whole.fit(iterations=reached + 1)
    assert differences(whole.state_dict(), resumed.state_dict()) == []


class Interrupt(Callback):
    """Raise a signal, Ctrl-C by default, in the middle of a batch, a given number of times."""

    def __init__(
        self, iteration: int, times: int = 1, number: signal.Signals = signal.SIGINT
    ) -> None:
        self.iteration, self.times, self.number = iteration, times, number

    def after_predict(self, learner: Learner) -> None:
        if learner.iteration == self.iteration:
            for _ in range(self.times):
                signal.raise_signal(self.number)


@pytest.mark.parametrize("job", JOBS)
def test_ctrl_c_saves_a_whole_batch_and_resume_gives_the_same_bits(
    tmp_path: Path, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nca.texture.callbacks.keep_best.STOPS", (5,))
    path, before = tmp_path / "saved", signal.getsignal(signal.SIGINT)
    torch.manual_seed(5)
    learner = JOBS[job](tmp_path, [Interrupt(4)])
    others = [c for c in learner.callbacks if not isinstance(c, Checkpoint)]
    learner.use_callbacks([*others, Checkpoint(path, 1e9)])
    with pytest.raises(KeyboardInterrupt):
        learner.fit(iterations=7)
    assert signal.getsignal(signal.SIGINT) is before
    assert learner.iteration == 4
    assert load_checkpoint(path)["counts"]["iteration"] == 4

    again = JOBS[job](tmp_path)
    again.load_state_dict(load_checkpoint(path))
    again.fit(iterations=7)
    torch.manual_seed(5)
    whole = JOBS[job](tmp_path)
    whole.fit(iterations=7)
    assert differences(whole.state_dict(), again.state_dict()) == []


@pytest.fixture
def termination() -> Iterator[None]:
    """SIGTERM and SIGHUP as in the command line, restored afterwards."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    for number in numbers:
        signal.signal(number, signal.SIG_DFL)
    raise_on_termination()
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("termination")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_termination_saves_as_ctrl_c_does_however_often_it_comes(
    tmp_path: Path, number: signal.Signals
) -> None:
    learner = image_job(tmp_path, [Interrupt(3, 2, number), Checkpoint(tmp_path / "saved", 1e9)])
    with pytest.raises(Terminated) as stop:
        learner.fit(iterations=7)
    assert stop.value.signum == number
    assert load_checkpoint(tmp_path / "saved")["counts"]["iteration"] == 3
    for again in (signal.SIGTERM, signal.SIGHUP):
        signal.raise_signal(again)  # what follows, such as writing the picture, is not disturbed


@pytest.mark.usefixtures("termination")
def test_ctrl_c_after_termination_takes_effect_at_once(tmp_path: Path) -> None:
    twice = [Interrupt(3, 1, signal.SIGTERM), Interrupt(3)]
    learner = image_job(tmp_path, [*twice, Checkpoint(tmp_path / "saved", 1e9)])
    with pytest.raises(KeyboardInterrupt):
        learner.fit(iterations=7)
    assert load_checkpoint(tmp_path / "saved")["counts"]["iteration"] == 1


@pytest.mark.usefixtures("termination")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("event", ["after_fit", "cleanup_fit"])
def test_a_signal_after_the_last_batch_is_not_lost(
    tmp_path: Path, number: signal.Signals, event: str
) -> None:
    late = Callback()
    vars(late)[event] = lambda _: signal.raise_signal(number)
    learner = image_job(tmp_path, [late, Checkpoint(tmp_path / "saved", 1e9)])
    with pytest.raises(KeyboardInterrupt):
        learner.fit(iterations=7)
    assert load_checkpoint(tmp_path / "saved")["counts"]["iteration"] == 7


@pytest.mark.usefixtures("termination")
def test_termination_raises_once_and_leaves_alone_what_is_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    raise_on_termination()
    signal.raise_signal(signal.SIGHUP)
    with pytest.raises(Terminated, match="SIGTERM"):
        signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)


def test_a_second_ctrl_c_takes_effect_at_once(tmp_path: Path) -> None:
    learner = image_job(tmp_path, [Interrupt(3, times=2), Checkpoint(tmp_path / "saved", 1e9)])
    learner.fit(iterations=2)
    with pytest.raises(KeyboardInterrupt):
        learner.fit(iterations=7)
    assert load_checkpoint(tmp_path / "saved")["counts"]["iteration"] == 2


def test_ctrl_c_while_validating_is_not_lost(tmp_path: Path) -> None:
    class Late(Callback):
        def after_predict(self, learner: Learner) -> None:
            if not learner.training and learner.iteration == 5:
                signal.raise_signal(signal.SIGINT)

    def make(*more: Callback) -> Learner:
        torch.manual_seed(5)
        return JOBS["unet"](tmp_path, more)

    learner = make(Late(), Checkpoint(tmp_path / "saved", 1e9))
    with pytest.raises(KeyboardInterrupt):
        learner.fit(2)
    again = make()
    again.load_state_dict(load_checkpoint(tmp_path / "saved"))
    again.fit(2)
    whole = make()
    whole.fit(2)
    a, b = whole.state_dict(), again.state_dict()
    for state in (a, b):
        del state["callbacks"]["Metrics"]  # the validation was cut short, and came again
    assert differences(a, b) == []


def test_checkpoints_are_written_now_and_then_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    monkeypatch.setattr(
        "nca.training.callbacks.checkpoint.save_checkpoint",
        lambda _, state: written.append(state["counts"]["iteration"]),
    )
    now = iter(range(1000))
    monkeypatch.setattr("nca.training.learner.time.monotonic", lambda: float(next(now)))
    image_job(tmp_path, [Checkpoint(tmp_path / "saved", every_seconds=4)]).fit(iterations=11)
    assert written == [1, 5, 9, 11]


class LimitFiles(Callback):
    """Limit the size of files between two iterations, like a full disk."""

    def __init__(self, first: int, last: int, size: int) -> None:
        self.first, self.last, self.size = first, last, size
        self.before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def before_batch(self, learner: Learner) -> None:
        limit = self.size if self.first <= learner.iteration < self.last else self.before[0]
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, self.before[1]))

    def cleanup_fit(self, _: Learner) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self.before)


class CopyAt(Callback):
    """Read the checkpoint after an iteration."""

    order = 150

    def __init__(self, path: Path, iteration: int) -> None:
        self.path, self.iteration, self.found = path, iteration, -1

    def after_batch(self, learner: Learner) -> None:
        if learner.iteration == self.iteration:
            self.found = load_checkpoint(self.path)["counts"]["iteration"]


def test_a_full_disk_is_one_warning_and_the_last_good_checkpoint_stays(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    look = CopyAt(tmp_path / "checkpoint", 5)
    learner = make_large(tmp_path)
    learner.use_callbacks([*learner.callbacks, LimitFiles(2, 5, 100_000), look])
    learner.fit(iterations=8)
    said = capfd.readouterr().err
    assert said.count("warning: cannot write") == 1
    assert "checkpoint: File too large; continuing" in said
    assert look.found == 2
    assert load_checkpoint(tmp_path / "checkpoint")["counts"]["iteration"] == 8
    learner.write_failures.check()
    assert not list(tmp_path.glob(".checkpoint.*"))


def test_a_disk_that_is_full_at_the_end_is_an_error(tmp_path: Path) -> None:
    learner = make_large(tmp_path)
    learner.use_callbacks([*learner.callbacks, LimitFiles(2, 100, 100_000)])
    learner.fit(iterations=4)
    with pytest.raises(
        FailedError, match=r"^not written: checkpoint \(.*checkpoint: File too large"
    ):
        learner.write_failures.check()
    assert load_checkpoint(tmp_path / "checkpoint")["counts"]["iteration"] == 2


def test_a_folder_that_vanished_is_a_warning_in_training_and_an_error_at_the_end(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()

    class Remove(Callback):
        def before_batch(self, learner: Learner) -> None:
            if learner.iteration == 2:
                shutil.rmtree(folder)

    learner = make_large(folder)
    learner.use_callbacks([*learner.callbacks, Remove()])
    learner.fit(iterations=5)
    with pytest.raises(FailedError, match=r"cannot write .*run/checkpoint: No such file"):
        learner.write_failures.check()
    assert learner.iteration == 5
    assert "warning: cannot write" in capfd.readouterr().err


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("good")
    learner = image_job(folder, [StopAt(3)])
    learner.fit(iterations=9)
    save_checkpoint(folder / "good", learner.state_dict())
    return (folder / "good").read_bytes()


def test_one_byte_flipped_anywhere_is_noticed(tmp_path: Path, good: bytes) -> None:
    path, places = tmp_path / "bad", random.Random(0)
    for place in [*range(24), len(good) - 1, *places.sample(range(len(good)), 300)]:
        bad = bytearray(good)
        bad[place] ^= 1 << places.randrange(8)
        path.write_bytes(bad)
        with pytest.raises(InputError) as caught:
            load_checkpoint(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("length", [0, 5, 17, 20, 30, 1000, -1])
def test_a_file_that_ends_too_early_is_noticed(tmp_path: Path, good: bytes, length: int) -> None:
    (tmp_path / "bad").write_bytes(good[:length])
    with pytest.raises(InputError, match=r"is not a checkpoint of nca|is damaged"):
        load_checkpoint(tmp_path / "bad")


@pytest.mark.parametrize(("version", "advice"), [(3, "update nca"), (1, "train again")])
def test_another_version_is_named(tmp_path: Path, good: bytes, version: int, advice: str) -> None:
    (tmp_path / "bad").write_bytes(good.replace(b"checkpoint 2", b"checkpoint %d" % version, 1))
    said = rf"is of version {version}, this program reads version 2; {advice}"
    with pytest.raises(InputError, match=said):
        load_checkpoint(tmp_path / "bad")


def test_a_checkpoint_is_written_without_a_copy_in_memory(tmp_path: Path) -> None:
    state = {"states": torch.rand(2**20)}
    tracemalloc.start()
    try:
        save_checkpoint(tmp_path / "checkpoint.pt", state)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**20
    assert torch.equal(load_checkpoint(tmp_path / "checkpoint.pt")["states"], state["states"])


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*none: No such file"):
        load_checkpoint(tmp_path / "none")


def test_nothing_in_a_checkpoint_can_run(tmp_path: Path) -> None:
    class Bad:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, ("touch " + str(tmp_path / "ran"),)

    save_checkpoint(tmp_path / "bad", {"model": Bad()})
    with pytest.raises(InputError, match="cannot be loaded"):
        load_checkpoint(tmp_path / "bad")
    assert not (tmp_path / "ran").exists()


def with_checksum(data: bytes) -> bytes:
    return b"nca-checkpoint 2\n" + zlib.crc32(data).to_bytes(4, "big") + data


def test_damage_under_a_right_checksum_is_an_input_error(tmp_path: Path, good: bytes) -> None:
    path, places = tmp_path / "bad", random.Random(1)
    data = good[good.index(b"\n") + 5 :]
    begin = data.index(b"data.pkl")
    read = 0
    for _ in range(200):
        bad = bytearray(data)
        for _ in range(places.randrange(1, 4)):
            bad[places.randrange(begin, begin + 3000)] = places.randrange(256)
        path.write_bytes(with_checksum(bad))
        with suppress(InputError):
            state = load_checkpoint(path)
            read += 1
            image_job(tmp_path).load_state_dict(state)
    assert read, "no damage reached the parts of the state"


@pytest.mark.parametrize("content", [[1, 2], 5, None, "text"])
def test_a_checkpoint_that_holds_no_state_is_refused(tmp_path: Path, content: object) -> None:
    save_checkpoint(tmp_path / "bad", content)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"cannot be loaded: it holds .*, not a state"):
        load_checkpoint(tmp_path / "bad")


@pytest.mark.parametrize("value", ["5", -1, True, None, [3]])
def test_counts_must_be_numbers(tmp_path: Path, value: object) -> None:
    state = image_job(tmp_path).state_dict()
    state["counts"]["iteration"] = value
    with pytest.raises(InputError, match=r"its iteration is .*, but must be a number"):
        image_job(tmp_path).load_state_dict(state)
