"""Training in several processes: the same figures as in one, and what remains when some of them go."""

import json
import pathlib
import signal
import subprocess
import threading
import time

import jax
import numpy as np
import pytest
from jax.experimental import multihost_utils

from data_pipeline.errors import InputError
from data_pipeline.manifest import MANIFEST_NAME
from mcsan_jax import processes
from mcsan_jax.processes import (
    FAILED,
    RESUME_ME,
    SUCCEEDED,
    WORKING,
    first_before_others,
    from_all_processes,
    process_address,
    share_of,
)
from mcsan_jax.retrieval.model import Mcsan
from tests.support import ROOT
from tests.support.processes import ADDRESS, MAIN, run_all, said, started

STEPS = 36
"""Of a whole run: enough to stop it and to kill it in their course."""
COMPARED = 12
"""Steps whose losses are compared; the evaluation after them is, too."""
TOLERANCE = 1e-5
"""Between losses of the same step, relative: sums over devices come in another order."""
SECONDS_TO_NOTICE = 120
"""Within which a process ends after another did."""


def flags_for(shapes: pathlib.Path, run: pathlib.Path) -> list[str]:
    """Four steps an epoch, each in the log; evaluated every twelve and saved every six."""
    return [
        f"--config={ROOT}/configs/demo.py:tiny",
        f"--config.data.dir={shapes}",
        f"--config.train.epochs={STEPS // 4}",
        "--config.train.batch_size=16",
        "--config.train.log_every_steps=1",
        f"--config.train.evaluate_every_epochs={COMPARED // 4}",
        "--config.train.checkpoint_every_steps=6",
        # Captions are ranked in several blocks, which the processes share.
        "--config.evaluation.encoded_bytes=3_000",
        # Compiles faster; what is tested here does not depend on it.
        "--config.model.levels=('entity',)",
        f"--workdir={run}",
    ]


def entries(run: pathlib.Path, kind: str) -> list[dict[str, float]]:
    """What the log says of training steps or of evaluations, without the speed; empty before it begins."""
    path = run / "metrics.jsonl"
    text = path.read_text() if path.exists() else ""
    # The last line may be in the making.
    lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return [
        {name: value for name, value in line.items() if name not in ("kind", "pairs_per_second")}
        for line in lines
        if line["kind"] == kind
    ]


@pytest.fixture(scope="module")
def runs(
    shapes_in_four_files: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[int, pathlib.Path]:
    """The same training by two processes, and up to the first evaluation by one and by four; folders by number."""
    made = {count: tmp_path_factory.mktemp("processes") / "run" for count in (1, 2, 4)}
    run_all(2, 2, [*MAIN, *flags_for(shapes_in_four_files, made[2]), *ADDRESS], made[2].parent)
    for count, devices, address in ((1, 4, ()), (4, 2, ADDRESS)):
        arguments = [*MAIN, *flags_for(shapes_in_four_files, made[count]), *address]
        with started(count, devices, arguments, made[count].parent) as (first, *_):
            while not entries(made[count], "val"):
                assert first.poll() is None, said(made[count].parent, count)
                time.sleep(0.1)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
def test_several_processes_train_and_evaluate_as_one(runs: dict[int, pathlib.Path], count: int) -> None:
    alone, together = (
        [entry["loss"] for entry in entries(runs[number], "train")[:COMPARED]] for number in (1, count)
    )
    assert len(alone) == COMPARED
    assert together == pytest.approx(alone, rel=TOLERANCE)
    first, same = (entries(runs[number], "val")[0] for number in (1, count))
    assert same.pop("step") == first.pop("step") == COMPARED
    ranked = {name for name in first if not name.startswith("loss")} - {"linear_share"}
    assert 0 < first["linear_share"] < 1
    assert {"rsum/fused", "rsum/entity", "t2v/MnR", "v2t/gmean"} <= ranked
    assert {name: same[name] for name in ranked} == {name: first[name] for name in ranked}
    assert [same[name] for name in set(first) - ranked] == pytest.approx(
        [first[name] for name in set(first) - ranked], rel=TOLERANCE
    )


@pytest.mark.slow
def test_only_the_first_process_speaks_and_writes(runs: dict[int, pathlib.Path]) -> None:
    result = json.loads((runs[2] / "eval" / "val.json").read_text())
    assert result["rsum"] == max(entry["rsum/fused"] for entry in entries(runs[2], "val"))
    first, other = said(runs[2].parent, 2)
    assert "2 process(es), 4 cpu device(s)" in first and f"step {STEPS}/{STEPS}" in first
    # Of the validation split and of the test split.
    assert first.count("Protocol: ") == 2
    assert "step" not in other and "Protocol" not in other
    assert f"model written to {runs[2]}/model" in first and "model written" not in other
    assert Mcsan.from_pretrained(runs[2]).step == result["step"]


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 4])
def test_each_process_reads_its_share_of_the_files(runs: dict[int, pathlib.Path], count: int) -> None:
    assert f"from {4 // count} of 4 file(s) of records" in said(runs[count].parent, count)[0]


RESTORE = """
import pathlib, sys
import jax, numpy as np
from mcsan_jax.processes import ProcessAddress, join
from mcsan_jax.runs.open import open_experiment
from mcsan_jax.training.checkpointing import CheckpointStore
from mcsan_jax.runs.folder import RunFolder

workdir = RunFolder(pathlib.Path(sys.argv[1]))
join(ProcessAddress(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])), discover=False)
experiment, _ = open_experiment(workdir)
with CheckpointStore(workdir.checkpoints) as checkpoints:
    state = checkpoints.restore(checkpoints.last_step, like=experiment.state_maker.abstract)
leaves = jax.device_get(jax.tree.leaves(state))
print(experiment.mesh.size, "devices:", int(state.step), *(float(leaf.astype("float64").sum()) for leaf in leaves))
"""


@pytest.mark.slow
def test_a_checkpoint_of_two_processes_is_read_by_any_number(
    runs: dict[int, pathlib.Path], tmp_path: pathlib.Path
) -> None:
    arguments = ["-c", RESTORE, str(runs[2]), "COORDINATOR", "COUNT", "INDEX"]
    found = [
        line.partition(" devices: ")
        for count, devices in ((1, 1), (2, 2), (4, 1))
        for output in run_all(count, devices, arguments, tmp_path)
        for line in output.splitlines()
        if " devices: " in line
    ]
    assert [size for size, _, _ in found] == ["1", *["4"] * 6]
    assert len({values for _, _, values in found}) == 1
    assert found[0][2].startswith(f"{STEPS} ")


def last_checkpoint(run: pathlib.Path) -> int:
    folder = run / "checkpoints"
    return max((int(path.name) for path in folder.glob("*") if path.name.isdigit()), default=0)


def wait_for_checkpoint(run: pathlib.Path, step: int, process: subprocess.Popen[str]) -> None:
    while last_checkpoint(run) < step:
        assert process.poll() is None, f"ended before it saved step {step}"
        time.sleep(0.01)


@pytest.mark.slow
def test_what_was_stopped_and_what_was_killed_goes_on_exactly(
    runs: dict[int, pathlib.Path], shapes_in_four_files: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    broken = tmp_path / "broken"
    arguments = [*MAIN, *flags_for(shapes_in_four_files, broken), "--mode=train", *ADDRESS]
    with started(2, 2, arguments, tmp_path) as processes:
        wait_for_checkpoint(broken, 6, processes[0])
        processes[1].send_signal(signal.SIGTERM)
        assert [process.wait(timeout=600) for process in processes] == [RESUME_ME] * 2, said(tmp_path, 2)
    assert all("asked to stop: the checkpoint of step " in output for output in said(tmp_path, 2))
    stopped_at = last_checkpoint(broken)
    assert 6 <= stopped_at < STEPS

    with started(2, 2, arguments, tmp_path) as processes:
        wait_for_checkpoint(broken, stopped_at + 7, processes[0])
        processes[1].kill()
        status = processes[0].wait(timeout=SECONDS_TO_NOTICE)
    first = said(tmp_path, 2)[0]
    assert f"resumed from the checkpoint at step {stopped_at} of {STEPS}" in first
    # It is a race whether a collective fails, or JAX's heartbeat is first to notice.
    if status == RESUME_ME:
        assert "error: process 0 of 2 cannot go on, most likely because another one ended: " in first
        assert "Traceback" not in first
    else:
        assert status == -signal.SIGABRT, first
        assert "This most likely indicates that another task died" in first

    run_all(2, 2, arguments, tmp_path)
    for kind in ("train", "val"):
        assert entries(broken, kind) == entries(runs[2], kind)


@pytest.mark.slow
def test_processes_lose_their_patience_together(
    shapes_in_four_files: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """Nothing is learned, so that no evaluation is better than the first."""
    still = ("--config.optim.learning_rate=1e-12", "--config.train.patience=2")
    arguments = [*MAIN, *flags_for(shapes_in_four_files, tmp_path / "run"), *still, *ADDRESS]
    stopped = "stopped after step 36 of 80: 2 evaluations without a better one\n"
    run_all(2, 2, [*arguments, "--config.train.epochs=20"], tmp_path)
    assert stopped in said(tmp_path, 2)[0]
    assert [entry["step"] for entry in entries(tmp_path / "run", "val")] == [12, 24, 36]
    run_all(2, 2, [*arguments, "--config.train.epochs=20"], tmp_path)
    assert stopped in said(tmp_path, 2)[0]
    assert last_checkpoint(tmp_path / "run") == 36


MAIN_WHERE_THE_FIRST_CANNOT_WRITE = """
import resource, runpy, sys

if "--process_index=0" in sys.argv:
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
runpy.run_module("mcsan_jax.main", run_name="__main__", alter_sys=True)
"""


@pytest.mark.slow
def test_where_the_first_cannot_make_the_data_the_others_do_not_make_it_either(
    tmp_path: pathlib.Path,
) -> None:
    data = tmp_path / "data"
    flags = [
        f"--config={ROOT}/configs/demo.py:tiny",
        f"--config.data.dir={data}",
        f"--workdir={tmp_path}/run",
    ]
    arguments = ["-c", MAIN_WHERE_THE_FIRST_CANNOT_WRITE, *flags, *ADDRESS]
    with started(2, 1, arguments, tmp_path) as processes:
        statuses = [process.wait(timeout=600) for process in processes]
    first, other = said(tmp_path, 2)
    assert statuses == [2, 2], (first, other)
    assert "error: " in first and "Traceback" not in first + other
    assert "error: process 1 of 2 ends because the first one (index 0) failed" in other
    assert not (data / MANIFEST_NAME).exists() and not (tmp_path / "run").exists()


@pytest.mark.parametrize("fails", [False, True])
def test_the_first_tells_that_it_works_and_how_it_went(monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    """One of two processes is acted out here, because real ones are dear."""
    told: list[int] = []
    told_twice = threading.Event()

    def broadcast(state: np.int32) -> np.int32:
        told.append(int(state))
        if len(told) == 2:
            told_twice.set()
        return state

    def work() -> str:
        assert told_twice.wait(60)
        if fails:
            raise OSError("disk full")
        return "done"

    monkeypatch.setattr(processes, "SECONDS_BETWEEN_WORDS", 0.001)
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(multihost_utils, "broadcast_one_to_all", broadcast)
    if fails:
        with pytest.raises(OSError, match="disk full"):
            first_before_others(work)
    else:
        assert first_before_others(work) == "done"
    assert set(told[:-1]) == {WORKING} and told[-1] == (FAILED if fails else SUCCEEDED)


@pytest.mark.parametrize("fails", [False, True])
def test_others_work_only_after_the_first_succeeded(monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    heard = iter([WORKING, WORKING, FAILED if fails else SUCCEEDED])
    worked = []
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    monkeypatch.setattr(multihost_utils, "broadcast_one_to_all", lambda _: np.int32(next(heard)))
    if fails:
        with pytest.raises(InputError, match=r"process 1 of 2 ends because the first one \(index 0\) failed"):
            first_before_others(lambda: worked.append(1))
    else:
        first_before_others(lambda: worked.append(1))
    assert worked == ([] if fails else [1]) and next(heard, None) is None


SLOW_WORK = """
import pathlib, sys, time
from mcsan_jax.processes import ProcessAddress, first_before_others, is_first, join

made = pathlib.Path(sys.argv[1])
join(ProcessAddress(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])), discover=False)

def work():
    if is_first():
        time.sleep(45)
        made.touch()
    return made.exists()

print("found it:", first_before_others(work))
"""


@pytest.mark.slow
def test_the_first_may_take_longer_than_a_collective_waits(tmp_path: pathlib.Path) -> None:
    arguments = ["-c", SLOW_WORK, str(tmp_path / "made"), "COORDINATOR", "COUNT", "INDEX"]
    assert all("found it: True" in output for output in run_all(2, 1, arguments, tmp_path))


def test_an_address_is_given_whole_or_not_at_all() -> None:
    assert process_address(None, None, None) is None
    with pytest.raises(InputError, match="belong together"):
        process_address("localhost:1", 2, None)
    for count, index in ((2, 2), (2, -1), (0, 0)):
        with pytest.raises(InputError, match=f"--process_index is {index} and --process_count {count}"):
            process_address("localhost:1", count, index)


SHARE = """
import sys, time
import numpy as np
from mcsan_jax.processes import ProcessAddress, from_all_processes, join, share_of

index = int(sys.argv[2])
join(ProcessAddress(sys.argv[1], 2, index), discover=False)
own = []
for item in share_of(range(5)):
    own.append(item)
    if index == 1:
        time.sleep(18)
print("share", own, *from_all_processes(np.array([len(own), 2**40 + index, -1])).tolist())
"""


@pytest.mark.slow
def test_a_process_waits_for_the_share_of_another(tmp_path: pathlib.Path) -> None:
    """For longer than the half minute that the first collective of some devices takes at most."""
    found = run_all(2, 2, ["-c", SHARE, "COORDINATOR", "INDEX"], tmp_path)
    both = f"[3, {2**40}, -1] [2, {2**40 + 1}, -1]"
    for output, own in zip(found, ([0, 2, 4], [1, 3]), strict=True):
        assert f"share {own} {both}" in output.splitlines()


def test_one_process_has_all_shares() -> None:
    assert list(share_of("abc")) == ["a", "b", "c"]
    array = np.arange(3)
    np.testing.assert_array_equal(from_all_processes(array), [array])
