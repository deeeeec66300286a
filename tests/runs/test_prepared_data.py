"""Where prepared data is looked for, and what is said when there is none."""

import importlib
import shlex
from pathlib import Path
from typing import Literal

import pytest
from absl import flags
from absl.testing import flagsaver

from data_pipeline import prepare as command
from data_pipeline.annotations.sources import PROTOCOLS
from data_pipeline.errors import InputError
from data_pipeline.manifest import Manifest
from mcsan_jax.config import Config, DataConfig, from_config_dict
from mcsan_jax.configs.derived import BASES
from mcsan_jax.runs.open import find_prepared_data
from tests.support.command_line import run_prepare

NAMES = sorted(BASES)
HINTED = [name for name in NAMES if name != "demo"]
DATASETS = {
    "msrvtt": ("msrvtt", "full"),
    "msrvtt_1ka": ("msrvtt", "1k-A"),
    "vatex": ("vatex", "hgr"),
    "msvd": ("msvd", "official"),
    "custom": ("jsonl", None),
}


def _config(name: str) -> Config:
    return from_config_dict(importlib.import_module(f"mcsan_jax.configs.{name}").get_config())


def _hinted_arguments(config: Config) -> list[str]:
    """Arguments of the command in a hint, as a shell would pass them."""
    start = config.data.prepare_hint.index("python -m data_pipeline.prepare")
    return shlex.split(config.data.prepare_hint[start:].replace("\\\n", " "))[3:]


def test_every_config_has_data_or_a_hint() -> None:
    assert len(NAMES) >= 6
    assert set(HINTED) == set(DATASETS)
    assert _config("demo").data.made_from == "moving_shapes"


@pytest.mark.parametrize("name", HINTED)
def test_error_says_what_is_missing_and_how_to_make_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = _config(name)
    with pytest.raises(InputError) as caught:
        find_prepared_data(config.data)
    message = str(caught.value)
    assert f"looked for manifest.json in {tmp_path / config.data.dir}" in message
    assert config.data.prepare_hint in message and "--config.data.dir=DIR" in message
    assert all(len(line) <= 110 for line in config.data.prepare_hint.splitlines())


@pytest.mark.parametrize("name", HINTED)
def test_hinted_command_has_the_right_flags(name: str) -> None:
    config = _config(name)
    with flagsaver.flagsaver():
        rest = flags.FLAGS(["prepare", *_hinted_arguments(config)])
        values = {
            key: flags.FLAGS[key].value for key in ("dataset", "protocol", "annotations", "features", "out")
        }
    assert rest == ["prepare"]
    dataset, protocol = DATASETS[name]
    assert (values["dataset"], values["protocol"]) == (dataset, protocol)
    assert protocol is None or protocol in PROTOCOLS[dataset]
    assert values["annotations"] and values["features"]
    assert values["out"] == config.data.dir


@pytest.mark.parametrize("name", HINTED)
def test_hinted_command_fails_on_its_placeholders_only(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_prepare(_hinted_arguments(_config(name))) == 2
    said = capsys.readouterr().err
    assert said.startswith(("error: FOLDER: no such file", "error: CAPTIONS.jsonl: no such file"))


def test_empty_folder_name_is_named() -> None:
    with pytest.raises(InputError, match=r"config\.data\.dir is empty"):
        find_prepared_data(DataConfig())


def test_embedded_data_is_not_made_in_place_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    config = DataConfig(dir=str(tmp_path), made_from="moving_shapes")
    with pytest.raises(InputError, match=r"not a prepared data set; choose another --config\.data\.dir$"):
        find_prepared_data(config)
    with pytest.raises(InputError, match=r"not a prepared data set; choose another --data$"):
        find_prepared_data(config, "--data")


@pytest.mark.parametrize("name", command.EMBEDDED)
def test_embedded_data_is_made_once(
    name: Literal["moving_shapes", "crowded_shapes"],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from data_pipeline.moving_shapes import dataset

    for split in dataset.SPLITS:
        monkeypatch.setitem(dataset.SPLITS, split, 2)
    config = DataConfig(dir=str(tmp_path / "shapes"), made_from=name)
    folder = find_prepared_data(config)
    assert "making the embedded data set" in capsys.readouterr().out
    written = (folder / "manifest.json").stat().st_mtime_ns
    assert find_prepared_data(config) == folder
    assert (folder / "manifest.json").stat().st_mtime_ns == written
    assert Manifest.load(folder).dataset == name
