"""Strict settings for every test: they catch most mistakes with JAX before a test asserts anything.

``--jaxtyping-packages`` in pyproject.toml adds run-time checks of all annotated shapes and types.
"""

import os
import pathlib
import tempfile

import jax
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Tests spend their time in compiling, not in computing; the older emitters compile in half of it.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true --xla_cpu_use_fusion_emitters=false",
)
# Tests build the same small networks again and again: each is compiled once in a session.
_COMPILED = tempfile.TemporaryDirectory(prefix="mcsan_jax_compiled_")
jax.config.update("jax_compilation_cache_dir", _COMPILED.name)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
# Programs that tests start share another folder: those that are killed may leave half a file.
_COMPILED_BY_PROGRAMS = tempfile.TemporaryDirectory(prefix="mcsan_jax_compiled_")
os.environ["JAX_COMPILATION_CACHE_DIR"] = _COMPILED_BY_PROGRAMS.name
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.2"
jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """Folder with the real MSR-VTT annotations and features; tests that need it skip where it is absent."""
    default = ROOT.parent / "shared" / "data"
    folder = pathlib.Path(os.environ.get("MCSAN_SHARED_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set MCSAN_SHARED_DATA to a folder that holds it")
    return folder


def _prepare_shapes(folder: pathlib.Path, **options: int) -> pathlib.Path:
    from data_pipeline.moving_shapes.source import prepare_moving_shapes
    from data_pipeline.preparation import Options
    from data_pipeline.vocabulary import TokenizerOptions

    tokenizer = TokenizerOptions(vocabulary_size=200)
    prepare_moving_shapes(
        folder,
        share=0.02,
        options=Options(tokenizer=tokenizer, attribute_minimum_videos=2, **options),
    )
    return folder


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A fiftieth of the embedded data set: 60, 6 and 10 clips."""
    return _prepare_shapes(tmp_path_factory.mktemp("shapes") / "prepared")


@pytest.fixture(scope="session")
def shapes_in_four_files(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The same, with the 60 clips to train on in four files."""
    return _prepare_shapes(tmp_path_factory.mktemp("shapes") / "prepared", shard_bytes=370_000)


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
