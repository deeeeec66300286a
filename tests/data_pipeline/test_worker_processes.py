import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from data_pipeline.errors import InputError
from data_pipeline.host.worker_processes import results_in_order, worker_processes


def added(given: int, number: int) -> tuple[int, int]:
    return given + number, os.getpid()


def refuse(given: int, number: int) -> int:
    del given
    raise InputError(f"clip {number} is damaged")


def end(given: int, number: int) -> int:
    del given
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_results_come_in_order_from_other_processes() -> None:
    taken: list[int] = []

    def works() -> Iterator[int]:
        for number in range(40):
            taken.append(number)
            yield number

    with worker_processes(2, int, (100,)) as executor:
        results = results_in_order(executor, added, works(), ahead=4)
        first = next(results)
        # What is not asked for is not made.
        assert first[0] == 100 and len(taken) <= 4
        rest = list(results)
    assert [number for number, _ in rest] == list(range(101, 140))
    assert os.getpid() not in {process for _, process in [first, *rest]}


def test_errors_reach_the_process_that_asked() -> None:
    with (
        worker_processes(1, int, (0,)) as executor,
        pytest.raises(InputError, match="clip 3 is damaged"),
    ):
        list(results_in_order(executor, refuse, [3], ahead=1))


def test_a_process_that_is_ended_from_outside_is_an_error() -> None:
    with (
        worker_processes(1, int, (0,)) as executor,
        pytest.raises(InputError, match=r"was ended from outside, most often because the memory was full"),
    ):
        list(results_in_order(executor, end, [1], ahead=1))


KILLED = """
import os, signal
from data_pipeline.host.worker_processes import worker_processes

if __name__ == "__main__":
    with worker_processes(1, print, ()) as executor:
        print(executor.submit(os.getpid).result(), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_processes_end_with_one_that_is_killed(tmp_path: pathlib.Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    # Its output ends when nobody can write there any more: neither the process nor the one that works for it.
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    worker = int(done.stdout)
    deadline = time.monotonic() + 10
    while pathlib.Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not pathlib.Path(f"/proc/{worker}").exists()
