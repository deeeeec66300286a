import itertools
import pathlib
from collections.abc import Iterator

import jax
import numpy as np
import pytest

from data_pipeline.batches.batch import PairBatch
from data_pipeline.batches.pipeline import SplitReader, TrainBatches
from mcsan_jax.sharding import make_mesh, on_devices, split_rows
from mcsan_jax.training.checkpointing import CheckpointStore
from tests.support.prepared_data import Prepared
from tests.support.processes import run_all
from tests.training.runs import FinishedRun, MakeExperiment, run, with_same_programs


@pytest.fixture(scope="module")
def five(batches: TrainBatches) -> list[PairBatch]:
    """The first batches."""
    return list(itertools.islice(batches.from_step(0), 5))


def _assert_same(first: PairBatch, second: PairBatch) -> None:
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(first), second)


@pytest.mark.parametrize("devices", [1, 8])
@pytest.mark.parametrize("ahead", [0, 1, 2, 9])
def test_the_next_batches_are_on_the_devices(five: list[PairBatch], devices: int, ahead: int) -> None:
    mesh = make_mesh(jax.devices()[:devices])
    asked = 0

    def counted() -> Iterator[PairBatch]:
        nonlocal asked
        for batch in five:
            asked += 1
            yield batch

    handed_out = zip(on_devices(counted(), mesh, ahead), five, strict=True)
    for number, (batch, expected) in enumerate(handed_out, 1):
        assert asked == min(number + ahead, 5)
        _assert_same(batch, expected)
        assert all(leaf.sharding == split_rows(mesh) for leaf in jax.tree.leaves(batch))


@pytest.mark.parametrize("ahead", [0, 2, 9])
def test_an_error_comes_after_the_batches_before_it(five: list[PairBatch], ahead: int) -> None:
    def broken() -> Iterator[PairBatch]:
        yield from five
        raise OSError("the disk is gone")

    stream = on_devices(broken(), make_mesh(jax.devices()[:1]), ahead)
    for expected in five:
        _assert_same(next(stream), expected)
    with pytest.raises(OSError, match="the disk is gone"):
        next(stream)


def test_batches_held_on_the_devices_change_nothing_and_are_not_saved(
    make_experiment: MakeExperiment,
    batches: TrainBatches,
    reader: SplitReader,
    whole: FinishedRun,
    workdir: pathlib.Path,
) -> None:
    experiment = make_experiment(1)
    assert experiment.config.data.prefetch == 2
    held_none = run(with_same_programs(experiment, data={"prefetch": 0}), batches, reader, workdir)
    jax.tree.map(np.testing.assert_array_equal, held_none, whole.state)

    like = experiment.state_maker.abstract
    with CheckpointStore(whole.folder / "checkpoints") as checkpoints:
        step = checkpoints.last_step
        assert step == experiment.total_steps
        restored = checkpoints.restore(step, like)
    # Of the order of the batches, a checkpoint holds two integers: the step and the seed.
    learned = jax.tree.leaves((like.params, like.statistics, like.opt_state))
    assert len(jax.tree.leaves(restored)) == len(learned) + 2
    assert (restored.step.shape, restored.step.dtype, int(restored.step)) == ((), np.int32, step)


TWO_PROCESSES = """
import itertools, pathlib, sys
import jax, numpy as np
from data_pipeline.batches.pipeline import SplitReader, TrainBatches
from data_pipeline.manifest import Manifest
from mcsan_jax.config import DataConfig
from mcsan_jax.data_sizes import batch_limits
from mcsan_jax.sharding import make_mesh, on_devices

folder, address, index = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
jax.distributed.initialize(address, num_processes=2, process_id=index)
mesh = make_mesh()
assert (jax.process_count(), mesh.size) == (2, 4)
def batches(*process):
    limits = batch_limits(DataConfig())
    return TrainBatches(folder, Manifest.load(folder), "train", 8, limits, 0, 4096, *process).from_step(2)
own = on_devices(itertools.islice(batches(index, 2), 4), mesh, 2)
total = jax.jit(lambda batch: jax.tree.map(lambda leaf: leaf.astype("float32").sum(), batch))
for part, whole in zip(own, batches(), strict=False):
    assert part.videos.frames.shape == whole.videos.frames.shape
    jax.tree.map(
        lambda got, rows: np.testing.assert_allclose(got, rows.astype("float32").sum(), rtol=1e-4, atol=1e-2),
        jax.device_get(total(part)),
        whole,
    )
    print("same")
"""


@pytest.mark.slow
def test_two_processes_put_their_own_rows(prepared: Prepared, tmp_path: pathlib.Path) -> None:
    program = ["-c", TWO_PROCESSES, str(prepared.folder), "COORDINATOR", "INDEX"]
    for output in run_all(2, 2, program, tmp_path):
        # The library of the collectives prints lines of its own.
        assert output.splitlines().count("same") == 4
