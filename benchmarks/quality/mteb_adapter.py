"""Evaluates a trained model with mteb, on a task that is made of a split of prepared data.

`python -m benchmarks mteb_adapter --run=runs/demo` finds the videos of a text among all videos of the split, and the
texts of a video, and prints mteb's figures, so that other models can be put beside ours. Nothing is downloaded. It
needs the optional dependency ``mteb``.

`McsanSearch` gives a model to `mteb.evaluate` with any task of texts and videos: mteb hands on what the task has of a
video, such as its pixels, and a function makes features of it, as the model was trained on.
"""

import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from data_pipeline.errors import InputError
from data_pipeline.prepared_data import Manifest, SplitReader, text_key
from mcsan_jax import Mcsan
from mcsan_jax.data_sizes import batch_limits
from mcsan_jax.retrieval.embeddings import TextEmbeddings, VideoEmbeddings
from mcsan_jax.runs.open import check_split, open_run

if TYPE_CHECKING:
    # They take seconds to load, and are no ordinary dependencies.
    import datasets

FIGURES = ("hit_rate_at_1", "hit_rate_at_5", "hit_rate_at_10", "mrr_at_10", "ndcg_at_10")
DIRECTIONS = ("t2v", "v2t")

FeaturesOf = Callable[[Mapping[str, Any]], Mapping[str, np.ndarray]]
"""From a row of a task to the features of its video by stream: [frames, dim], or [frames, regions, dim]."""


class McsanSearch:
    """A model as mteb searches with it (`mteb.models.SearchProtocol`): every text is compared with every video.

    Attributes:
        mteb_model_meta: what mteb writes beside the figures.
    """

    def __init__(
        self, model: Mcsan, name: str = "mcsan-jax/mcsan", features_of: FeaturesOf | None = None
    ) -> None:
        """Takes a model.

        Args:
            model: a trained model.
            name: under which mteb files the results, ``owner/model``.
            features_of: makes features of a row of a task; by default they are its columns, named as the streams.
        """
        from mteb.models.model_meta import ModelMeta

        self._model, self._features_of = model, features_of or self._columns
        about = {
            "name": name,
            "revision": f"step-{model.step}",
            "modalities": ["text", "video"],
            "model_type": ["late-interaction"],
            "framework": ["JAX"],
            "languages": ["eng-Latn"],
        }
        self.mteb_model_meta = ModelMeta.create_empty(about)

    def index(self, corpus: "datasets.Dataset", **_: Any) -> None:
        """Encodes what is searched."""
        self._ids, self._indexed = corpus["id"], self._encoded(corpus)

    def search(
        self,
        queries: "datasets.Dataset",
        *,
        top_k: int,
        top_ranked: Mapping[str, Sequence[str]] | None = None,
        **_: Any,
    ) -> dict[str, dict[str, float]]:
        """Returns the best of what is searched for every query, by their ids, with their scores.

        Args:
            queries: texts or videos.
            top_k: how many are returned for a query.
            top_ranked: by the id of a query, the only ones that it searches; None where it searches all.
        """
        asked, indexed = self._encoded(queries), self._indexed
        if isinstance(asked, TextEmbeddings) and isinstance(indexed, VideoEmbeddings):
            scores = np.asarray(self._model.similarity(asked, indexed))
        elif isinstance(asked, VideoEmbeddings) and isinstance(indexed, TextEmbeddings):
            scores = np.asarray(self._model.similarity(indexed, asked)).T
        else:
            raise InputError(
                "the model compares texts with videos; the task has queries and documents of one kind"
            )
        found = {}
        for query, row in zip(queries["id"], scores, strict=True):
            best = np.argsort(-row, kind="stable")
            if top_ranked is not None:
                allowed = set(top_ranked[query])
                best = [place for place in best if self._ids[place] in allowed]
            found[query] = {self._ids[place]: float(row[place]) for place in best[:top_k]}
        return found

    def _encoded(self, items: "datasets.Dataset") -> TextEmbeddings | VideoEmbeddings:
        if "text" in items.column_names:
            return self._model.encode_query(list(items["text"]))
        features: dict[str, dict[str, np.ndarray]] = {
            stream.name: {} for stream in self._model.manifest.streams
        }
        for row in items:
            for stream, array in self._features_of(row).items():
                features[stream][row["id"]] = array
        return self._model.encode_document(features)

    def _columns(self, row: Mapping[str, Any]) -> dict[str, np.ndarray]:
        streams = [stream.name for stream in self._model.manifest.streams]
        if missing := [stream for stream in streams if stream not in row]:
            raise InputError(
                f"the task's videos have the columns {', '.join(row)}, and the model reads features from "
                f"{', '.join(missing)}; give McsanSearch a function `features_of` that makes them of a row"
            )
        return {stream: np.asarray(row[stream], np.float32) for stream in streams}


def retrieval_task(
    reader: SplitReader, manifest: Manifest, split: str, same_text: str, direction: str
) -> Any:
    """Makes a task of a split: captions search videos (``t2v``), or videos search captions (``v2t``).

    Args:
        reader: reads the split.
        manifest: of the prepared data.
        split: its name.
        same_text: ``relevant`` where every video that has a caption of the same text is right, ``wrong`` where only the
            caption's own is.
        direction: ``t2v`` or ``v2t``.
    """
    import datasets
    from mteb.abstasks import AbsTaskRetrieval
    from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
    from mteb.abstasks.task_metadata import TaskMetadata

    videos = list(_videos(reader, manifest))
    ids = [video["id"] for video in videos]
    captions = [
        (caption, text, ids[video])
        for rows, _ in reader.caption_batches(64)
        for caption, text, video in zip(rows.ids, rows.texts, rows.videos, strict=True)
    ]
    keys = {caption: text_key(text) if same_text == "relevant" else caption for caption, text, _ in captions}
    owners: dict[str, dict[str, int]] = {}
    for caption, _, video in captions:
        owners.setdefault(keys[caption], {})[video] = 1
    relevant = {caption: owners[key] for caption, key in keys.items()}
    if direction == "v2t":
        backwards: dict[str, dict[str, int]] = {}
        for caption, own in relevant.items():
            for video in own:
                backwards.setdefault(video, {})[caption] = 1
        relevant = backwards
    texts = datasets.Dataset.from_list([{"id": caption, "text": text} for caption, text, _ in captions])
    features = datasets.Dataset.from_list(videos)
    queries, corpus = (texts, features) if direction == "t2v" else (features, texts)

    class PreparedSplit(AbsTaskRetrieval):
        metadata = TaskMetadata(
            name=f"PreparedSplit{direction.upper()}",
            description=f"Texts and videos of the split {split} of prepared data, with features that were extracted.",
            dataset={"path": "prepared/split", "revision": manifest.fingerprint[:40]},
            type="Any2AnyRetrieval",
            category=direction,
            modalities=["text", "video"],
            eval_splits=[split],
            eval_langs=["eng-Latn"],
            main_score="hit_rate_at_1",
            bibtex_citation="",
        )

        def load_data(self, **_: Any) -> None:
            self.dataset = {
                "default": {
                    split: RetrievalSplitData(
                        corpus=corpus, queries=queries, relevant_docs=relevant, top_ranked=None
                    )
                }
            }
            self.data_loaded = True

    return PreparedSplit()


def _videos(reader: SplitReader, manifest: Manifest) -> Iterator[dict[str, Any]]:
    """Yields a row for each video: its id, and its features by stream."""
    ends = np.cumsum([stream.dim for stream in manifest.frame_streams])
    for ids, batch in reader.video_batches(16):
        for row, video in enumerate(ids):
            real = np.asarray(batch.frame_mask[row])
            of_streams = np.split(np.asarray(batch.frames[row], np.float32)[real], ends[:-1], axis=1)
            features = dict(zip([stream.name for stream in manifest.frame_streams], of_streams, strict=True))
            if manifest.region_stream is not None and batch.regions is not None:
                features[manifest.region_stream.name] = np.asarray(batch.regions[row], np.float32)[real]
            yield {"id": video} | {name: array.tolist() for name, array in features.items()}


def evaluate(run: pathlib.Path, split: str, data: pathlib.Path | None = None) -> dict[str, dict[str, float]]:
    """Evaluates the best checkpoint of a run with mteb.

    Args:
        run: folder of the run.
        split: the evaluated split.
        data: folder of the prepared data; None is the one that the configuration of the run names.

    Returns:
        By direction, every figure that mteb computes, in [0, 1].

    Raises:
        InputError: mteb is not installed, or there is no such run, data or split.
    """
    try:
        import mteb
    except ImportError as error:
        raise InputError("mteb is not installed; install it: pip install 'mcsan-jax[mteb]'") from error
    opened = open_run(run, data)
    config, manifest = opened.experiment.config, opened.experiment.manifest
    check_split(manifest, split)
    reader = SplitReader(opened.data, manifest, split, batch_limits(config.data))
    found = {}
    for direction in DIRECTIONS:
        task = retrieval_task(reader, manifest, split, config.evaluation.same_text, direction)
        result = mteb.evaluate(
            McsanSearch(Mcsan.of_run(opened)), task, cache=None, co2_tracker=False, show_progress_bar=False
        )
        (scores,) = result.task_results[0].scores[split]
        found[direction] = scores
    return found


def run(
    folder: Annotated[pathlib.Path, typer.Option("--run", help="Folder of a run.")],
    split: Annotated[str, typer.Option(help="The evaluated split.")] = "test",
    data: Annotated[
        pathlib.Path | None, typer.Option(help="Prepared data, if no longer where the run found them.")
    ] = None,
) -> dict[str, dict[str, float]]:
    """Evaluates and prints.

    Raises:
        InputError: mteb is not installed, or there is no such run, data or split.
    """
    figures = {
        direction: {name: float(scores[name]) for name in FIGURES}
        for direction, scores in evaluate(folder, split, data).items()
    }
    for direction, of_direction in figures.items():
        print(direction, *(f"{name} {value:.4f}" for name, value in of_direction.items()), sep="  ")
    return figures
