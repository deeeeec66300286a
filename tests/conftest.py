"""Strict settings for every test: they catch most mistakes with JAX before a test asserts anything.

``--jaxtyping-packages`` in pyproject.toml adds run-time checks of all annotated shapes and types.
"""

import os
import pathlib

import jax
import pytest

from tests.support import ROOT
from tests.support.compilation_cache import remove_unread_entries, use_compilation_cache
from tests.support.made_once import made_once

pytest_plugins = ["tests.support.processor_time"]

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Tests spend their time in compiling, not in computing. Older emitters, which a newer XLA lacks, compile twice as fast.
_OLDER_EMITTERS = " --xla_cpu_use_fusion_emitters=false" if jax.__version_info__ < (0, 11) else ""
os.environ.setdefault(
    "XLA_FLAGS",
    f"--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true{_OLDER_EMITTERS}",
)
use_compilation_cache()
jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

_DEAREST = (
    "test_processes.py",
    "test_paper_scale.py",
    "test_controls.py",
    "test_main.py",
    "test_beam.py",
    "test_configs.py",
    "test_notebook.py",
    "test_preparation_benchmarks.py",
    "test_network.py",
    "test_micro_batches.py",
    "test_trained_runs.py",
    "test_train_step.py",
    "test_objective.py",
)
"""Files that take longest, in this order: no worker is left alone with one of them in the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(_DEAREST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


def pytest_sessionstart(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):
        remove_unread_entries()


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """Folder with the real MSR-VTT annotations and features; tests that need it skip where it is absent."""
    folder = pathlib.Path(os.environ.get("MCSAN_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set MCSAN_SHARED_DATA to a folder that holds it")
    return folder


def _prepare_shapes(folder: pathlib.Path, **options: int) -> None:
    from data_pipeline.moving_shapes.dataset import prepare_moving_shapes
    from data_pipeline.preparation.prepare_folder import Options
    from data_pipeline.text.vocabulary import TokenizerOptions

    tokenizer = TokenizerOptions(vocabulary_size=200)
    prepare_moving_shapes(
        folder,
        share=0.02,
        options=Options(tokenizer=tokenizer, attribute_minimum_videos=2, foils=1, **options),
    )


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A fiftieth of the embedded data set: 60, 6 and 10 clips; not to be changed."""
    return made_once(tmp_path_factory, "shapes", _prepare_shapes)


@pytest.fixture(scope="session")
def shapes_in_four_files(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The same, with the 60 clips to train on in four files."""
    return made_once(
        tmp_path_factory, "shapes_in_four_files", lambda folder: _prepare_shapes(folder, shard_bytes=150_000)
    )


@pytest.fixture(scope="session")
def zero_shot_data(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Folder with a small image-text encoder and data that it made (tests/support/zero_shot_data.py); not to be
    changed."""
    from tests.support.zero_shot_data import make_zero_shot_data

    return made_once(tmp_path_factory, "zero_shot", make_zero_shot_data)


@pytest.fixture(scope="session")
def finished_run(shapes: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Folder of a run that was trained on `shapes` and evaluated (tests/support/finished_run.py); not to be changed."""
    from tests.support.finished_run import finish_run

    return made_once(tmp_path_factory, "finished", lambda folder: finish_run(folder, shapes)) / "a run"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows what tests measured, the lines that they recorded as "summary"."""
    lines = [
        value
        for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
        for name, value in report.user_properties
        if name == "summary" and report.when == "call"
    ]
    if lines:
        terminalreporter.write_sep("-", "measured")
        terminalreporter.write("".join(f"{line}\n" for line in lines))
