import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from data_pipeline.batches.pipeline import TrainBatches
from data_pipeline.errors import InputError
from mcsan_jax.sharding import make_mesh, put_batch, replicated
from mcsan_jax.training.checkpointing import CheckpointStore
from tests.support.disks import python_on_a_disk
from tests.training.runs import MakeExperiment


def test_the_best_and_the_last_checkpoint_are_kept(tmp_path: Path) -> None:
    state = {"weight": jax.numpy.arange(4.0)}
    with CheckpointStore(tmp_path / "checkpoints") as store:
        assert store.last_step is None
        assert store.best_step is None
        for step, rsum in [(1, 10.0), (2, 30.0), (3, 20.0), (4, None), (5, None)]:
            store.save(step, {"weight": state["weight"] + step}, rsum)
            store.wait()
        assert (store.best_step, store.last_step) == (2, 5)
    kept = sorted(
        int(folder.name) for folder in (tmp_path / "checkpoints").iterdir() if folder.name.isdigit()
    )
    assert kept == [2, 5]
    with CheckpointStore(tmp_path / "checkpoints") as store:
        np.testing.assert_array_equal(store.restore(2, like=state)["weight"], np.arange(4.0) + 2)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    """As one is that lacks a parameter that came later, or has it in another shape."""
    with CheckpointStore(tmp_path / "checkpoints") as store:
        store.save(1, {"weight": jax.numpy.ones(2)}, 10.0)
        store.wait()
        others = (
            {"weight": jax.numpy.ones(2), "modifier_kinds": jax.numpy.ones(3)},
            {"weight": jax.numpy.ones(3)},
        )
        for like in others:
            with pytest.raises(
                InputError, match=r"step 1 does not hold .* another version of this program wrote it"
            ):
                store.restore(1, like=like)


@pytest.mark.parametrize(("first", "second", "best"), [(30.0, 10.0, 1), (10.0, 30.0, 2), (20.0, 20.0, 2)])
def test_of_two_evaluated_checkpoints_the_better_or_the_later_is_the_best(
    tmp_path: Path, first: float, second: float, best: int
) -> None:
    with CheckpointStore(tmp_path / "checkpoints") as store:
        for step, rsum in ((1, first), (2, second)):
            store.save(step, {"weight": jax.numpy.ones(2)}, rsum)
            store.wait()
        assert (store.best_step, store.last_step) == (best, 2)


def test_the_best_is_as_old_as_the_first_evaluation_with_its_figure(tmp_path: Path) -> None:
    state = {"weight": jax.numpy.ones(2)}
    rsums = {1: 10.0, 2: 30.0, 3: 20.0, 4: 30.0, 5: 30.0, 6: None, 7: 40.0, 8: 30.0}
    since = {1: 1, 2: 2, 3: 2, 4: 2, 5: 2, 6: 2, 7: 7, 8: 7}
    for step, rsum in rsums.items():
        # Opened anew every time, as after an interruption.
        with CheckpointStore(tmp_path / "checkpoints") as store:
            store.save(step, state, rsum)
            assert store.best_since == since[step], step


def test_a_checkpoint_holds_the_state_it_was_given_although_training_goes_on(
    make_experiment: MakeExperiment, batches: TrainBatches, tmp_path: Path
) -> None:
    experiment = make_experiment(1)
    state = experiment.initial_state()
    stream = batches.from_step(0)
    with CheckpointStore(tmp_path / "checkpoints") as store:
        for step in range(1, 5):
            state, _ = experiment.train_step(state, put_batch(next(stream), experiment.mesh))
            if step == 2:
                expected = jax.tree.map(np.copy, jax.device_get(state))
                store.save(step, state)
        store.wait()
        restored = store.restore(2, like=experiment.state_maker.abstract)
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(restored), expected)


def test_a_checkpoint_restores_onto_another_mesh(make_experiment: MakeExperiment, tmp_path: Path) -> None:
    state = jax.device_put(make_experiment(1).initial_state(), replicated(make_mesh(jax.devices()[:2])))
    with CheckpointStore(tmp_path / "checkpoints") as store:
        store.save(1, state)
        store.wait()
        like = make_experiment(8).state_maker.abstract
        restored = store.restore(1, like=like)
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(restored), jax.device_get(state))
    assert len(restored.params["log_temperature"].sharding.device_set) == 8


def test_an_unfinished_checkpoint_is_not_seen(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    state = {"weight": jax.numpy.arange(4.0)}
    with CheckpointStore(folder) as store:
        store.save(1, state)
        store.wait()
    # What a process that is killed while it writes leaves behind: some files, one of them cut.
    cut = folder / "2.orbax-checkpoint-tmp"
    shutil.copytree(folder / "1", cut)
    (cut / "_CHECKPOINT_METADATA").unlink()
    largest = max((path for path in cut.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-10])
    with CheckpointStore(folder) as store:
        assert store.last_step == 1
        np.testing.assert_array_equal(store.restore(1, like=state)["weight"], np.arange(4.0))


FILL = """
import pathlib, sys
import jax, numpy as np
from data_pipeline.errors import InputError
from mcsan_jax.training.checkpointing import CheckpointStore

folder = pathlib.Path(sys.argv[1])
states = [{"weight": jax.random.normal(jax.random.key(step), (200_000,))} for step in range(4)]
with CheckpointStore(folder) as store:
    for step in (1, 2):
        store.save(step, states[step], rsum=-step)
        store.wait()
    try:
        store.save(3, states[3], rsum=-3)
        store.wait()
    except InputError as error:
        print(error)
with CheckpointStore(folder) as store:
    assert (store.best_step, store.last_step) == (1, 2)
    for step in (1, 2):
        np.testing.assert_array_equal(store.restore(step, like=states[0])["weight"], states[step]["weight"])
print("both whole")
"""


def test_a_full_disk_is_told_and_takes_no_earlier_checkpoint(tmp_path: Path) -> None:
    small = tmp_path / "small"
    # Two megabytes for checkpoints of 0.8.
    done = python_on_a_disk(small, "2m", ["-c", FILL, str(small / "checkpoints")])
    assert f"{small / 'checkpoints'}: the disk is too full for another checkpoint" in done.stdout, done.stderr
    assert "free some of it, and start the same command again" in done.stdout
    assert done.stdout.endswith("both whole\n"), done.stderr
    assert "Traceback" not in done.stderr
