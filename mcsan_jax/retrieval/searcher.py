"""This module searches encoded videos by free text, with the scores of the evaluation."""

import dataclasses
import pathlib
from typing import Any

import numpy as np

from data_pipeline.errors import InputError
from data_pipeline.prepared_data import EMBEDDED_DATA, SplitReader, embedded_clips
from mcsan_jax.data_sizes import batch_limits
from mcsan_jax.ranking.encode_split import encode_videos
from mcsan_jax.retrieval.embeddings import VideoEmbeddings
from mcsan_jax.retrieval.explain import Explanation
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.runs.folder import RunFolder
from mcsan_jax.runs.open import check_split, find_prepared_data, open_run

EMBEDDED = "moving_shapes"


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer is a video that was found.

    Attributes:
        video: its id.
        score: the fused score, by which answers are ordered.
        level_scores: the score of each level that the text has, and of the attributes and of the linear branch where
            the fused score has them.
    """

    video: str
    score: float
    level_scores: dict[str, float]


class Searcher:
    """A searcher holds videos, encoded once, and the model that encoded them.

    Attributes:
        model: the model.
        videos: the encoded videos.
    """

    def __init__(self, model: Mcsan, videos: VideoEmbeddings) -> None:
        """Takes videos that the model encoded; `open` takes those of a prepared split."""
        self.model, self.videos = model, videos
        self._rows = {video: row for row, video in enumerate(videos.ids)}

    @classmethod
    def open(cls, run: str | pathlib.Path, split: str, data: str | pathlib.Path | None = None) -> "Searcher":
        """Opens the best checkpoint of a run and encodes the videos of a split.

        Args:
            run: folder of the run.
            split: the split whose videos are searched.
            data: folder of the prepared data; None is the one that the configuration of the run names.

        Raises:
            InputError: there is no such run, checkpoint, data or split, or the data is not what the run was trained on.
        """
        opened = open_run(run, data)
        model = Mcsan.of_run(opened)
        check_split(model.manifest, split)
        reader = SplitReader(opened.data, model.manifest, split, batch_limits(model.config.data))
        size = model.config.evaluation.encode_batch
        encoded = encode_videos(model.encoders, model.variables, reader, size, split)
        return cls(model, VideoEmbeddings.of(encoded, reader.frame_times()))

    def search(self, text: str, k: int = 10) -> list[Answer]:
        """Returns the best `k` videos for a text, the best first; equal scores come in the order of the videos.

        Raises:
            InputError: the text is empty, or `k` is below 1.
        """
        if k < 1:
            raise InputError(f"k, the number of answers, must be at least 1, found {k}")
        scores = self.model.similarity(self.model.encode_query(text), self.videos)
        levels = {name: found[0] for name, found in scores.levels.items() if not np.isnan(found[0]).any()}
        best = np.argsort(-scores[0], kind="stable")[:k]
        return [
            Answer(
                self.videos.ids[video],
                float(scores[0, video]),
                {name: float(found[video]) for name, found in levels.items()},
            )
            for video in best.tolist()
        ]

    def explain(self, text: str, video: str) -> Explanation:
        """Explains the score of a text and a video.

        Args:
            text: any; it need not be a caption.
            video: its id.

        Raises:
            InputError: the text is empty, or there is no such video.
        """
        return self.model.explain(text, self.videos, self.row_of(video))

    def row_of(self, video: str) -> int:
        """Returns the row of a video among the scores by its id.

        Raises:
            InputError: there is no such video.
        """
        if video not in self._rows:
            known = ", ".join(self.videos.ids[:3])
            raise InputError(f"no video {video!r} among the {len(self.videos)} searched ({known}, …)")
        return self._rows[video]


def explain_video(
    name: str,
    text: str,
    video: str,
    features: Any = None,
    split: str | None = None,
    data: pathlib.Path | None = None,
) -> tuple[Explanation, list[np.ndarray] | None]:
    """Opens a model and explains the score of a text and a video.

    Args:
        name: a run, or a model as `Mcsan.from_pretrained` takes it.
        text: any sentence.
        video: id of the video.
        features: of the video, as `Mcsan.encode_document` takes them. By default the video is one of the prepared split
            of a run, or a clip of the embedded data set where the model was trained on it.
        split: of the run; by default test.
        data: folder of the run's prepared data, if no longer where the run was trained on it.

    Returns:
        The explanation, and the frames of an embedded clip, each [row, column, 3]; None of any other video.

    Raises:
        InputError: there is no such model or video, or no features of it.
    """
    is_run = RunFolder(pathlib.Path(name)).checkpoints.is_dir()
    if data is not None and (features is not None or not is_run):
        raise InputError(
            f"--data={data}: of a run, prepared data are read where no --features are given; "
            f"{'leave out one of the two' if features else f'{name} is no run'}"
        )
    if split is not None and (features is not None or not is_run):
        raise InputError(
            f"--split={split}: splits are those of a run's prepared data, which are not read here; leave it out"
        )
    if features is None and is_run:
        searcher = Searcher.open(pathlib.Path(name), split or "test", data)
        if video not in searcher.videos.ids:
            _check_other_splits(video, split or "test", searcher.model, data)
        dataset = searcher.model.manifest.dataset
        images = _embedded_clip(video, dataset)[1] if dataset in EMBEDDED_DATA else None
        return searcher.explain(text, video), images
    model, images = Mcsan.from_pretrained(name), None
    if features is None:
        if model.manifest.dataset not in EMBEDDED_DATA:
            raise InputError(
                f"{name} is a model without data; name the features of video {video!r} with --features=PATH"
            )
        features, images = _embedded_clip(video, model.manifest.dataset)
    return model.explain(text, model.encode_document(features, only=[video]), 0), images


def _check_other_splits(video: str, split: str, model: Mcsan, data: pathlib.Path | None) -> None:
    """Raises `InputError` where a video that a split lacks is in another one."""
    manifest, limits = model.manifest, batch_limits(model.config.data)
    folder = data or find_prepared_data(model.config.data)
    for other in sorted(set(manifest.splits) - {split}):
        if video in SplitReader(folder, manifest, other, limits).frame_times():
            raise InputError(f"video {video!r} is not in split {split}, but in {other}; give --split={other}")


def _embedded_clip(video: str, dataset: str) -> tuple[dict[str, dict[str, np.ndarray]], list[np.ndarray]]:
    """Returns the features by stream and the frames of a clip of an embedded data set."""
    split, _, number = video.partition("_")
    if not number.isdecimal():
        raise InputError(
            f"no clip {video!r} in the embedded data set; its clips are called test_00012 and the like"
        )
    clips = embedded_clips(int(number) + 1, split, name=dataset)
    if video not in clips.images:
        raise InputError(
            f"no clip {video!r} in the embedded data set; did you mean {list(clips.images)[-1]!r}?"
        )
    return clips.features, list(clips.images[video])
