import dataclasses
import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from data_pipeline.errors import InputError
from mcsan_jax.config import Config, EvaluationConfig
from mcsan_jax.runs.folder import RunFolder, choose_split
from tests.support.fake_run import write_run

CONFIG = Config(name="here")


def _changed(**groups: dict[str, Any]) -> Config:
    replaced = {
        group: dataclasses.replace(getattr(CONFIG, group), **values) for group, values in groups.items()
    }
    return dataclasses.replace(CONFIG, **replaced)


def test_claims_a_new_folder_and_knows_its_own_run(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "runs" / "one")
    run.claim(CONFIG, "f1")
    first = (run.folder / "config.json").read_bytes()
    RunFolder(run.folder).claim(CONFIG, "f1")
    assert (run.folder / "config.json").read_bytes() == first
    content = json.loads(first)
    assert content["data_fingerprint"] == "f1"
    assert content["optim.learning_rate"] == CONFIG.optim.learning_rate
    assert content["versions"]["jax"] == metadata.version("jax")
    assert [path.name for path in run.folder.iterdir()] == ["config.json"]
    assert run.checkpoints == run.folder / "checkpoints"


def test_another_config_is_refused_by_the_fields_that_differ(tmp_path: Path) -> None:
    RunFolder(tmp_path).claim(CONFIG, "f1")
    before = (tmp_path / "config.json").read_bytes()
    other = _changed(optim={"learning_rate": 0.5}, model={"levels": ("global", "entity")})
    with pytest.raises(InputError) as caught:
        RunFolder(tmp_path).claim(other, "f1")
    first, *differing, last = str(caught.value).splitlines()
    assert first == f"{tmp_path} holds a run of another configuration:"
    assert differing == [
        "  model.levels: ['global', 'entity', 'action', 'relationship'] there, ['global', 'entity'] now",
        "  optim.learning_rate: 0.001 there, 0.5 now",
    ]
    assert "--workdir" in last
    assert (tmp_path / "config.json").read_bytes() == before


def test_other_data_is_refused(tmp_path: Path) -> None:
    RunFolder(tmp_path).claim(CONFIG, "f1")
    with pytest.raises(InputError, match=r"configuration:\n  data_fingerprint: 'f1' there, 'f2' now\n"):
        RunFolder(tmp_path).claim(CONFIG, "f2")


def test_a_run_of_an_earlier_version_is_continued(tmp_path: Path) -> None:
    """A field that is newer than the run has its default, a renamed one is found, and one that is gone is left out."""
    RunFolder(tmp_path).claim(CONFIG, "f1")
    path = tmp_path / "config.json"
    content = json.loads(path.read_text())
    del content["model.matmul_precision"], content["similarity.linear_branch"]
    content["loss.attribute_weight"] = content.pop("loss.focal_weight")
    content["train.keep_states"] = content.pop("train.token_state_cache")
    content["similarity.kernel"] = "pallas"
    content["similarity.attribute_weight"] = content.pop("similarity.attribute_share")
    path.write_text(json.dumps(content))
    RunFolder(tmp_path).claim(CONFIG, "f1")
    assert RunFolder(tmp_path).stored_config() == CONFIG
    path.write_text(json.dumps({**content, "loss.attribute_weight": 0.7}))
    with pytest.raises(InputError) as caught:
        RunFolder(tmp_path).claim(CONFIG, "f1")
    assert str(caught.value).splitlines()[1:-1] == [
        f"  loss.focal_weight: 0.7 there, {CONFIG.loss.focal_weight!r} now"
    ]


def test_a_field_that_is_gone_is_named(tmp_path: Path) -> None:
    RunFolder(tmp_path).claim(CONFIG, "f1")
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "loss.gone": 3}))
    with pytest.raises(InputError, match=r"config\.loss\.gone (.|\n)*another version of the program"):
        RunFolder(tmp_path).claim(CONFIG, "f1")


@pytest.mark.parametrize(
    "groups",
    [
        {"evaluation": {"encode_batch": 3, "encoded_bytes": 5}},
        {"data": {"dir": "/elsewhere", "prepare_hint": "other words", "test_split": "test"}},
        {"train": {"log_every_steps": 1, "exchange": "ring"}},
        {"similarity": {"cosine_bytes": 7}},
    ],
)
def test_what_does_not_change_the_network_may_change(
    tmp_path: Path, groups: dict[str, dict[str, Any]]
) -> None:
    RunFolder(tmp_path).claim(CONFIG, "f1")
    claimed = (tmp_path / "config.json").read_text()
    RunFolder(tmp_path).claim(_changed(**groups), "f1")
    assert (tmp_path / "config.json").read_text() == claimed


@pytest.mark.parametrize("group", ["data", "model", "similarity", "loss", "optim", "train"])
def test_every_group_has_fields_that_may_not_change(tmp_path: Path, group: str) -> None:
    fields: dict[str, dict[str, Any]] = {
        "data": {"max_frames": 3},
        "model": {"dropout": 0.9},
        "similarity": {"smoothing": 1.5},
        "loss": {"ranking": "triplet"},
        "optim": {"weight_decay": 0.7},
        "train": {"seed": 9},
    }
    RunFolder(tmp_path).claim(CONFIG, "f1")
    with pytest.raises(InputError, match=f"{group}.{next(iter(fields[group]))}: "):
        RunFolder(tmp_path).claim(_changed(**{group: fields[group]}), "f1")


def test_the_command_of_a_training_is_stored_once(tmp_path: Path) -> None:
    """A folder that was claimed without one, as by an earlier version, takes the command of the next training."""
    first, second = ["python", "-m", "mcsan_jax.main", "--config=a b"], ["python", "again"]
    run = RunFolder(tmp_path)
    run.claim(CONFIG, "f1")
    assert "command" not in run.identity()
    before = run.identity()
    run.claim(CONFIG, "f1", first)
    run.claim(CONFIG, "f1", second)
    run.claim(CONFIG, "f1")
    assert run.identity() == {**before, "command": first}
    assert run.stored_config() == CONFIG


def test_files_of_a_merged_evaluation_have_names_of_their_own(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for name in ("record", "queries", "scores", "report"):
        file = getattr(run, f"{name}_file")
        plain, merged = file("val"), file("val", merged=True)
        assert plain.parent == merged.parent == tmp_path / "eval"
        assert plain.name.startswith("val") and merged.name == f"val.merged{plain.name.removeprefix('val')}"
    assert run.report_file("val", True, ["b", "c"]).name == "val.merged_report_with_b_c.html"
    (tmp_path / "eval").mkdir()
    for split, merged in (("val", False), ("a.test", False), ("val", True)):
        run.record_file(split, merged).touch()
    assert (run.evaluated_splits(), run.evaluated_splits(merged=True)) == (["a.test", "val"], ["val"])


def test_a_split_is_chosen_among_evaluations_of_one_kind(tmp_path: Path) -> None:
    merging = dataclasses.replace(Config(), evaluation=EvaluationConfig(merge_duplicates=True))
    run = write_run(tmp_path / "run", split="val", config=merging)
    assert choose_split([run], merged=True) == "val"
    with pytest.raises(
        InputError,
        match=r"was never evaluated \(only val with --merge-duplicates\); do so with: mcsan eval \S+$",
    ):
        choose_split([run])
    write_run(run, split="other")
    assert (choose_split([run]), choose_split([run], merged=True)) == ("other", "val")
    with pytest.raises(
        InputError, match=r"'other' was never evaluated with --merge-duplicates \(evaluated: val\)"
    ):
        RunFolder(run).read_record("other", merged=True)


def test_the_configuration_of_a_run_is_found_again(tmp_path: Path) -> None:
    RunFolder(tmp_path).claim(CONFIG, "f1")
    assert RunFolder(tmp_path).stored_config() == CONFIG
    identity = tmp_path / "config.json"
    values = json.loads(identity.read_text())
    del values["evaluation.answers"]
    identity.write_text(json.dumps(values))
    assert RunFolder(tmp_path).stored_config() == CONFIG
    identity.write_text(json.dumps({**values, "model.depth": 3}))
    with pytest.raises(InputError, match=r"config\.model\.depth is no known key"):
        RunFolder(tmp_path).stored_config()
    with pytest.raises(InputError, match=r"holds no run: there is no config\.json"):
        RunFolder(tmp_path / "absent").stored_config()
