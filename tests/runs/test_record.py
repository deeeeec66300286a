import json
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from data_pipeline.errors import InputError
from mcsan_jax.config import Config
from mcsan_jax.runs.folder import RunFolder
from mcsan_jax.runs.record import EvaluationRecord
from mcsan_jax.runs.record_fields import Variant
from mcsan_jax.runs.stored_config import flatten
from tests.support.fake_run import write_run


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The text of an evaluation record with all that it may hold."""
    run = write_run(tmp_path_factory.mktemp("record") / "run")
    found = sorted(path.name for path in (run / "eval").iterdir())
    assert found == ["test.json", "test_foils.parquet", "test_queries.parquet"]
    return (run / "eval" / "test.json").read_text(encoding="utf-8")


def with_text(folder: Path, text: str) -> RunFolder:
    (folder / "eval").mkdir()
    (folder / "eval" / "test.json").write_text(text, encoding="utf-8")
    return RunFolder(folder)


def test_a_record_says_how_it_came_about(written: str) -> None:
    content = json.loads(written)
    assert (content["schema_version"], content["split"], content["merged_duplicates"]) == (2, "test", False)
    assert content["rsum"] == content["directions"]["fused"]["rsum"]
    assert set(content["config"]) == set(flatten(Config()))
    assert content["config"]["model.levels"] == list(Config().model.levels)
    assert content["versions"]["flax"] == metadata.version("flax")
    assert content["data_fingerprint"] == "ab" * 32 and content["ties"] == "counted by expectation"


def test_a_record_is_read_as_it_was_written(written: str, tmp_path: Path) -> None:
    run = with_text(tmp_path, written)
    record = run.read_record("test")
    assert run.write_record(record) == tmp_path / "eval" / "test.json"
    assert (tmp_path / "eval" / "test.json").read_text(encoding="utf-8") == written
    assert isinstance(record.ablation[0], Variant) and record.hubness[-1].transductive
    assert (
        record.hubness[0].hubs.of("v2t").skewness
        == json.loads(written)["hubness"][0]["hubs"]["v2t"]["skewness"]
    )


def test_a_skewness_that_is_no_number_is_kept(written: str, tmp_path: Path) -> None:
    content = json.loads(written)
    content["hubs"]["t2v"]["skewness"] = float("nan")
    run = with_text(tmp_path, json.dumps(content))
    run.write_record(run.read_record("test"))
    hubs = run.read_record("test").hubs
    assert hubs is not None and hubs.t2v.skewness != hubs.t2v.skewness


def without(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.pop(key)


def put(value: Any, *keys: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: Any) -> None:
        *way, last = keys
        for key in way:
            content = content[key]
        content[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("schema_version"), r"has no schema version, this program reads version 2: another version"),
        (put(1, "schema_version"), r"has schema version 1, this program reads version 2: another version"),
        (without("step"), "is damaged: key step is missing"),
        (without("protocol"), "is damaged: key protocol is missing"),
        (
            put("last", "failure_cases", 0, "rank"),
            r"failure_cases\.0\.rank is 'last': Input should be a valid number",
        ),
        (put(True, "rsum"), "rsum is True: Input should be a valid number"),
        (put([1.0], "intervals", "rsum"), "intervals.rsum is .1.0.: List should have at least 2 items"),
        (put(1, "gone"), "gone is 1: Extra inputs are not permitted"),
        (put({}, "directions"), "directions is {}: .* no figures of the score 'fused'"),
        (put("val", "split"), "should hold split 'test', found 'val'"),
        (put(True, "merged_duplicates"), "should hold split 'test', found 'test' with --merge-duplicates"),
    ],
)
def test_what_no_evaluation_wrote_is_refused(
    written: str, tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    content = json.loads(written)
    change(content)
    run = with_text(tmp_path, json.dumps(content))
    with pytest.raises(InputError, match=message) as caught:
        run.read_record("test")
    assert str(caught.value).startswith(str(tmp_path / "eval" / "test.json"))
    assert f"mcsan eval {tmp_path} --split=test" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"), [('{"split": "te', "is damaged"), ("[1]", r"expected an object, found \[1\]")]
)
def test_a_file_that_is_no_object_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        with_text(tmp_path, text).read_record("test")


def test_a_record_lacks_nothing_that_its_class_names(written: str) -> None:
    """So that tests of readers see every section."""
    record = EvaluationRecord.model_validate_json(written)
    assert record.model_fields_set == set(EvaluationRecord.model_fields)
