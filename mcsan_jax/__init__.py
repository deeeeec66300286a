"""Video-text retrieval in JAX, as a library: train and evaluate runs, compare them, search in videos.

A name is loaded when it is first used, so that the package itself loads neither JAX nor TensorFlow. `docs/api.md` has
their descriptions.
"""

import importlib
from typing import TYPE_CHECKING

__all__ = [
    "MCSAN",
    "Config",
    "EvaluationOptions",
    "EvaluationRecord",
    "InputError",
    "Mcsan",
    "RunFolder",
    "Searcher",
    "compare_runs",
    "embedded_clips",
    "evaluate",
    "load_config",
    "open_run",
    "train",
]

if TYPE_CHECKING:
    from data_pipeline.errors import InputError
    from data_pipeline.prepared_data import embedded_clips
    from mcsan_jax.config import Config
    from mcsan_jax.config_files import load_config
    from mcsan_jax.evaluate_run import EvaluationOptions
    from mcsan_jax.evaluate_run import evaluate_run as evaluate
    from mcsan_jax.models.mcsan import MCSAN
    from mcsan_jax.retrieval.model import Mcsan
    from mcsan_jax.retrieval.searcher import Searcher
    from mcsan_jax.runs.comparison import compare_runs
    from mcsan_jax.runs.folder import RunFolder
    from mcsan_jax.runs.open import open_run
    from mcsan_jax.runs.record import EvaluationRecord
    from mcsan_jax.train_run import train_run as train
else:
    _HOMES = {
        "Config": ("mcsan_jax.config", "Config"),
        "EvaluationOptions": ("mcsan_jax.evaluate_run", "EvaluationOptions"),
        "EvaluationRecord": ("mcsan_jax.runs.record", "EvaluationRecord"),
        "InputError": ("data_pipeline.errors", "InputError"),
        "MCSAN": ("mcsan_jax.models.mcsan", "MCSAN"),
        "Mcsan": ("mcsan_jax.retrieval.model", "Mcsan"),
        "RunFolder": ("mcsan_jax.runs.folder", "RunFolder"),
        "Searcher": ("mcsan_jax.retrieval.searcher", "Searcher"),
        "compare_runs": ("mcsan_jax.runs.comparison", "compare_runs"),
        "embedded_clips": ("data_pipeline.prepared_data", "embedded_clips"),
        "evaluate": ("mcsan_jax.evaluate_run", "evaluate_run"),
        "load_config": ("mcsan_jax.config_files", "load_config"),
        "open_run": ("mcsan_jax.runs.open", "open_run"),
        "train": ("mcsan_jax.train_run", "train_run"),
    }

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, attribute = _HOMES[name]
        globals()[name] = value = getattr(importlib.import_module(module), attribute)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
