"""Means over seeds, their intervals and tests, on runs made up from drawn ranks."""

import dataclasses
import pathlib
import statistics

import pytest

from benchmarks.quality.seed_statistics import paired_tests, summarize
from benchmarks.quality.trained_runs import ModelRuns
from data_pipeline.errors import InputError
from mcsan_jax.report.results import read_runs
from tests.benchmarks.small_comparison import finish

# ml_collections loads config files in a way that Python is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")


@pytest.fixture
def made(shapes: pathlib.Path, tmp_path: pathlib.Path) -> list[ModelRuns]:
    """Two seeds of a good model, and of a bad one."""
    flags = ["--config=configs/demo.py:tiny", f"--config.data.dir={shapes}"]
    models = []
    for name, better in (("good", 9), ("bad", 0)):
        folders = [tmp_path / name / f"seed{seed}" for seed in (0, 1)]
        for seed, folder in enumerate(folders):
            finish(folder, flags, shapes, seed, better)
        models.append(ModelRuns(name, "", read_runs(folders, "val"), 1.0))
    return models


def only(model: ModelRuns, *seeds: int) -> ModelRuns:
    return ModelRuns(model.name, "", [model.runs[seed] for seed in seeds], 1.0)


def test_the_mean_over_seeds_and_its_interval(made: list[ModelRuns]) -> None:
    for model in made:
        both, single = summarize(model), summarize(only(model, 0))
        assert both.rsum == pytest.approx(statistics.fmean(model.rsums))
        assert both.deviation == pytest.approx(statistics.stdev(model.rsums))
        assert single.rsum == pytest.approx(model.rsums[0]) and single.deviation is None
        twice = ModelRuns(model.name, "", [model.runs[0]] * 2, 1.0)
        assert summarize(twice).interval == pytest.approx(single.interval)


def test_a_test_pairs_all_seeds_of_a_video(made: list[ModelRuns]) -> None:
    good, bad = made
    [test, same] = paired_tests([(good, bad), (good, good)])
    expected = statistics.fmean(good.rsums) - statistics.fmean(bad.rsums)
    assert test.difference == pytest.approx(expected)
    assert 0 < test.low <= test.difference <= test.high
    # Six videos can be swapped in 64 ways, two of which are as far from zero as what was seen.
    assert 0.02 < test.p < 0.06 and test.p_holm == pytest.approx(2 * test.p)
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)
    [against_one] = paired_tests([(good, only(bad, 0))])
    assert against_one.difference == pytest.approx(statistics.fmean(good.rsums) - bad.rsums[0])


def test_runs_that_answered_other_queries_are_not_compared(made: list[ModelRuns]) -> None:
    good, bad = made
    run = bad.runs[0]
    fewer = {way: table.take(table["video"] != table["video"][0]) for way, table in run.queries.items()}
    cut = ModelRuns("cut", "", [dataclasses.replace(run, queries=fewer)], 1.0)
    with pytest.raises(InputError, match="answered different queries of t2v"):
        paired_tests([(good, cut)])
    with pytest.raises(InputError, match="good has 2 seeds, another model has 3"):
        paired_tests([(good, ModelRuns("three", "", [run] * 3, 1.0))])
