"""Video-text retrieval in JAX, as a library: train and evaluate runs, compare them, search in videos.

A name is loaded when it is first used, so that the package itself loads neither JAX nor TensorFlow. `docs/api.md` has
their descriptions.
"""

import importlib
from typing import TYPE_CHECKING

__all__ = [
    "MCSAN",
    "Answer",
    "Comparison",
    "Config",
    "Evaluation",
    "EvaluationOptions",
    "EvaluationRecord",
    "Explanation",
    "FoundCaption",
    "FoundMoment",
    "FrameVectors",
    "IndexSearcher",
    "InputError",
    "LevelExplanation",
    "LinearExplanation",
    "Mcsan",
    "QueryGraph",
    "QueryTable",
    "RunFolder",
    "SearchAnswer",
    "SearchRequest",
    "SearchResult",
    "Searcher",
    "SimilarityMatrix",
    "TextEmbeddings",
    "TrainedRun",
    "VideoEmbeddings",
    "VideoIndex",
    "compare_runs",
    "draw_explanation",
    "embedded_clips",
    "evaluate",
    "load_config",
    "open_run",
    "read_query_table",
    "train",
]

if TYPE_CHECKING:
    from data_pipeline.errors import InputError
    from data_pipeline.prepared_data import embedded_clips
    from mcsan_jax.config import Config
    from mcsan_jax.config_files import load_config
    from mcsan_jax.evaluate_run import EvaluationOptions
    from mcsan_jax.evaluate_run import evaluate_run as evaluate
    from mcsan_jax.evaluation.query_table import QueryTable, read_query_table
    from mcsan_jax.index.video_index import VideoIndex
    from mcsan_jax.models.mcsan import MCSAN
    from mcsan_jax.ranking.rank_split import Evaluation
    from mcsan_jax.report.explanation_figure import draw_explanation
    from mcsan_jax.retrieval.embeddings import FrameVectors, TextEmbeddings, VideoEmbeddings
    from mcsan_jax.retrieval.explain import Explanation, LevelExplanation, LinearExplanation
    from mcsan_jax.retrieval.model import Mcsan
    from mcsan_jax.retrieval.searcher import Answer, Searcher
    from mcsan_jax.retrieval.similarity_matrix import SimilarityMatrix
    from mcsan_jax.runs.comparison import Comparison, compare_runs
    from mcsan_jax.runs.folder import RunFolder
    from mcsan_jax.runs.open import TrainedRun, open_run
    from mcsan_jax.runs.record import EvaluationRecord
    from mcsan_jax.search.answering.found_captions import FoundCaption
    from mcsan_jax.search.answers import FoundMoment, QueryGraph, SearchAnswer, SearchRequest, SearchResult
    from mcsan_jax.search.index_searcher import IndexSearcher
    from mcsan_jax.train_run import train_run as train
else:
    _HOMES = {
        "MCSAN": ("mcsan_jax.models.mcsan", "MCSAN"),
        "Answer": ("mcsan_jax.retrieval.searcher", "Answer"),
        "Comparison": ("mcsan_jax.runs.comparison", "Comparison"),
        "Config": ("mcsan_jax.config", "Config"),
        "Evaluation": ("mcsan_jax.ranking.rank_split", "Evaluation"),
        "EvaluationOptions": ("mcsan_jax.evaluate_run", "EvaluationOptions"),
        "EvaluationRecord": ("mcsan_jax.runs.record", "EvaluationRecord"),
        "Explanation": ("mcsan_jax.retrieval.explain", "Explanation"),
        "FoundCaption": ("mcsan_jax.search.answering.found_captions", "FoundCaption"),
        "FoundMoment": ("mcsan_jax.search.answers", "FoundMoment"),
        "FrameVectors": ("mcsan_jax.retrieval.embeddings", "FrameVectors"),
        "IndexSearcher": ("mcsan_jax.search.index_searcher", "IndexSearcher"),
        "InputError": ("data_pipeline.errors", "InputError"),
        "LevelExplanation": ("mcsan_jax.retrieval.explain", "LevelExplanation"),
        "LinearExplanation": ("mcsan_jax.retrieval.explain", "LinearExplanation"),
        "Mcsan": ("mcsan_jax.retrieval.model", "Mcsan"),
        "QueryGraph": ("mcsan_jax.search.answers", "QueryGraph"),
        "QueryTable": ("mcsan_jax.evaluation.query_table", "QueryTable"),
        "RunFolder": ("mcsan_jax.runs.folder", "RunFolder"),
        "SearchAnswer": ("mcsan_jax.search.answers", "SearchAnswer"),
        "SearchRequest": ("mcsan_jax.search.answers", "SearchRequest"),
        "SearchResult": ("mcsan_jax.search.answers", "SearchResult"),
        "Searcher": ("mcsan_jax.retrieval.searcher", "Searcher"),
        "SimilarityMatrix": ("mcsan_jax.retrieval.similarity_matrix", "SimilarityMatrix"),
        "TextEmbeddings": ("mcsan_jax.retrieval.embeddings", "TextEmbeddings"),
        "TrainedRun": ("mcsan_jax.runs.open", "TrainedRun"),
        "VideoEmbeddings": ("mcsan_jax.retrieval.embeddings", "VideoEmbeddings"),
        "VideoIndex": ("mcsan_jax.index.video_index", "VideoIndex"),
        "compare_runs": ("mcsan_jax.runs.comparison", "compare_runs"),
        "draw_explanation": ("mcsan_jax.report.explanation_figure", "draw_explanation"),
        "embedded_clips": ("data_pipeline.prepared_data", "embedded_clips"),
        "evaluate": ("mcsan_jax.evaluate_run", "evaluate_run"),
        "load_config": ("mcsan_jax.config_files", "load_config"),
        "open_run": ("mcsan_jax.runs.open", "open_run"),
        "read_query_table": ("mcsan_jax.evaluation.query_table", "read_query_table"),
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
