import dataclasses
import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from mcsan_jax.config import Config, flatten
from mcsan_jax.errors import InputError
from mcsan_jax.evaluation.rank_split import Evaluation
from mcsan_jax.workdir import Workdir

CONFIG = Config(name="here")


def _changed(**groups: dict[str, Any]) -> Config:
    replaced = {
        group: dataclasses.replace(getattr(CONFIG, group), **values) for group, values in groups.items()
    }
    return dataclasses.replace(CONFIG, **replaced)


def test_claims_a_new_folder_and_knows_its_own_run(tmp_path: Path) -> None:
    workdir = Workdir(tmp_path / "runs" / "one")
    workdir.claim(CONFIG, "f1")
    first = (workdir.folder / "config.json").read_bytes()
    Workdir(workdir.folder).claim(CONFIG, "f1")
    assert (workdir.folder / "config.json").read_bytes() == first
    content = json.loads(first)
    assert content["data_fingerprint"] == "f1"
    assert content["optim.learning_rate"] == CONFIG.optim.learning_rate
    assert content["versions"]["jax"] == metadata.version("jax")
    assert [path.name for path in workdir.folder.iterdir()] == ["config.json"]
    assert workdir.checkpoints == workdir.folder / "checkpoints"


def test_another_config_is_refused_by_the_fields_that_differ(tmp_path: Path) -> None:
    Workdir(tmp_path).claim(CONFIG, "f1")
    before = (tmp_path / "config.json").read_bytes()
    other = _changed(optim={"learning_rate": 0.5}, model={"levels": ("global", "entity")})
    with pytest.raises(InputError) as caught:
        Workdir(tmp_path).claim(other, "f1")
    first, *differing, last = str(caught.value).splitlines()
    assert first == f"{tmp_path} holds a run of another configuration:"
    assert differing == [
        "  model.levels: ['global', 'entity', 'action', 'relationship'] there, ['global', 'entity'] now",
        "  optim.learning_rate: 0.001 there, 0.5 now",
    ]
    assert "--workdir" in last
    assert (tmp_path / "config.json").read_bytes() == before


def test_other_data_is_refused(tmp_path: Path) -> None:
    Workdir(tmp_path).claim(CONFIG, "f1")
    with pytest.raises(InputError, match=r"configuration:\n  data_fingerprint: 'f1' there, 'f2' now\n"):
        Workdir(tmp_path).claim(CONFIG, "f2")


def test_field_of_another_version_is_named(tmp_path: Path) -> None:
    Workdir(tmp_path).claim(CONFIG, "f1")
    path = tmp_path / "config.json"
    content = json.loads(path.read_text())
    del content["loss.margin"]
    path.write_text(json.dumps({**content, "loss.gone": 3}))
    with pytest.raises(InputError) as caught:
        Workdir(tmp_path).claim(CONFIG, "f1")
    assert str(caught.value).splitlines()[1:-1] == [
        "  loss.gone: 3 there, '(absent)' now",
        "  loss.margin: '(absent)' there, 0.2 now",
    ]


@pytest.mark.parametrize(
    "groups",
    [
        {"evaluation": {"encode_batch": 3, "block_bytes": 5}},
        {"data": {"dir": "/elsewhere", "prepare_hint": "other words", "test_split": "test"}},
        {"train": {"log_every_steps": 1, "exchange": "ring"}},
        {"similarity": {"kernel": "pallas", "block_bytes": 7}},
    ],
)
def test_what_does_not_change_the_network_may_change(
    tmp_path: Path, groups: dict[str, dict[str, Any]]
) -> None:
    Workdir(tmp_path).claim(CONFIG, "f1")
    claimed = (tmp_path / "config.json").read_text()
    Workdir(tmp_path).claim(_changed(**groups), "f1")
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
    Workdir(tmp_path).claim(CONFIG, "f1")
    with pytest.raises(InputError, match=f"{group}.{next(iter(fields[group]))}: "):
        Workdir(tmp_path).claim(_changed(**{group: fields[group]}), "f1")


def test_evaluation_carries_its_origin(tmp_path: Path) -> None:
    directions = {"fused": {"t2v": {"R@1": 12.5}, "v2t": {"R@1": 25.0}, "rsum": 37.5}}
    evaluation = Evaluation(videos=4, captions=8, directions=directions, compositional={}, foils={})
    path = Workdir(tmp_path / "run").write_evaluation(
        evaluation, "test", 70, CONFIG, "f1", {"level_weights": {"global": 1.0}}
    )
    assert path == tmp_path / "run" / "eval" / "test.json"
    content = json.loads(path.read_text())
    assert (content["split"], content["step"], content["rsum"]) == ("test", 70, evaluation.rsum)
    assert content["directions"] == directions and (content["videos"], content["captions"]) == (4, 8)
    assert content["data_fingerprint"] == "f1" and content["level_weights"] == {"global": 1.0}
    assert set(content["config"]) == set(flatten(CONFIG))
    assert content["config"]["model.levels"] == list(CONFIG.model.levels)
    assert content["versions"]["flax"] == metadata.version("flax")
    assert [each.name for each in path.parent.iterdir()] == ["test.json"]


def test_the_configuration_of_a_run_is_found_again(tmp_path: Path) -> None:
    Workdir(tmp_path).claim(CONFIG, "f1")
    assert Workdir(tmp_path).stored_config() == CONFIG
    identity = tmp_path / "config.json"
    values = json.loads(identity.read_text())
    del values["evaluation.answers"]
    identity.write_text(json.dumps(values))
    assert Workdir(tmp_path).stored_config() == CONFIG
    identity.write_text(json.dumps({**values, "model.depth": 3}))
    with pytest.raises(InputError, match=r"unknown config key config\.model\.depth"):
        Workdir(tmp_path).stored_config()
    with pytest.raises(InputError, match=r"holds no run: there is no config\.json"):
        Workdir(tmp_path / "absent").stored_config()
