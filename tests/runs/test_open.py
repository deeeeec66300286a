import json
import pathlib

import jax
import numpy as np
import pytest

from data_pipeline.errors import InputError
from mcsan_jax.runs.folder import RunFolder
from mcsan_jax.runs.open import best_checkpoint, check_split, open_experiment, open_run
from mcsan_jax.training.checkpointing import NOT_READ, CheckpointStore
from mcsan_jax.training.experiment import variables_of


def test_a_run_is_opened_with_its_best_checkpoint_and_data(
    finished_run: pathlib.Path, shapes: pathlib.Path
) -> None:
    run = open_run(finished_run)
    assert run.data == shapes
    with CheckpointStore(run.folder.checkpoints) as checkpoints:
        assert run.step == checkpoints.best_step
        whole = checkpoints.restore(run.step, like=run.experiment.state_maker.abstract)
    jax.tree.map(np.testing.assert_array_equal, run.variables, variables_of(whole))
    # The average of the parameters, not the last ones.
    assert whole.average is not None
    same = [
        np.array_equal(a, b)
        for a, b in zip(*map(jax.tree.leaves, (whole.params, whole.average)), strict=True)
    ]
    assert not all(same)


def test_only_what_encodes_is_read_of_a_checkpoint(
    finished_run: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder(finished_run)
    experiment, _ = open_experiment(run)
    restored = []
    with CheckpointStore(run.checkpoints) as checkpoints:
        restore = checkpoints.restore

        def watched(step: int, like: object) -> object:
            restored.append(restore(step, like))
            return restored[-1]

        monkeypatch.setattr(checkpoints, "restore", watched)
        _, variables = best_checkpoint(experiment, checkpoints)
    [state] = restored
    read = [leaf for leaf in jax.tree.leaves(state) if leaf is not NOT_READ]
    assert sum(leaf.nbytes for leaf in read) == sum(leaf.nbytes for leaf in jax.tree.leaves(variables))
    assert set(jax.tree.leaves((state.opt_state, state.params, state.step))) == {NOT_READ}


def test_what_cannot_be_opened_is_named(finished_run: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError, match=r"absent holds no run: there is no config\.json"):
        open_run(tmp_path / "absent")
    (tmp_path / "config.json").write_bytes((finished_run / "config.json").read_bytes())
    with pytest.raises(InputError, match="holds no evaluated checkpoint; train first"):
        open_run(tmp_path)
    experiment, _ = open_experiment(RunFolder(finished_run))
    with pytest.raises(InputError, match="no split 'dev' in the prepared data; it has test, train, val"):
        check_split(experiment.manifest, "dev")
    with pytest.raises(
        InputError, match=r"no split 'validation' .*; did you mean 'val'\? it has test, train, val"
    ):
        check_split(experiment.manifest, "validation")


def copy_with(finished_run: pathlib.Path, folder: pathlib.Path, **fields: object) -> RunFolder:
    """A copy of the run's configuration, without its checkpoints, with other values of some fields."""
    identity = json.loads((finished_run / "config.json").read_text())
    changed = {key.replace("__", "."): value for key, value in fields.items()}
    (folder / "config.json").write_text(json.dumps({**identity, **changed}))
    return RunFolder(folder)


def test_the_remedy_is_a_flag_of_what_opens_a_run(finished_run: pathlib.Path, tmp_path: pathlib.Path) -> None:
    run = copy_with(
        finished_run, tmp_path, data__dir="gone", data__made_from="", data__prepare_hint="Write captions"
    )
    with pytest.raises(
        InputError, match=r"looked for manifest\.json in .*gone, .*with --data=DIR$"
    ) as caught:
        open_experiment(run)
    assert "--config" not in str(caught.value) and "Write captions" not in str(caught.value)
    with pytest.raises(InputError, match=r"No prepared data set in .*elsewhere: the folder does not exist"):
        open_experiment(run, tmp_path / "elsewhere")


def test_no_embedded_data_is_made_where_data_was_named(
    finished_run: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(InputError, match="the folder does not exist"):
        open_experiment(RunFolder(finished_run), tmp_path / "misspelled")
    assert not list(tmp_path.iterdir())


def test_other_data_is_refused_with_the_flag_that_helps(
    finished_run: pathlib.Path, shapes_in_four_files: pathlib.Path
) -> None:
    with pytest.raises(InputError, match=r"is not the data that .* was trained on: .* with --data=DIR$"):
        open_experiment(RunFolder(finished_run), shapes_in_four_files)
