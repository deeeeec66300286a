"""Ridge regression on prepared data: what a model without any network reaches on the same features.

`python benchmarks/baselines.py DIR` maps the mean and the maximum over a video's frames to the TF-IDF
vector of its training captions by ridge regression in closed form, and ranks by cosine. The penalty is chosen by
leave-one-out error on the training videos; nothing is chosen on the split that is reported.
"""

import argparse
import collections
import pathlib
import re

import numpy as np

from data_pipeline.input_pipeline import SplitReader
from data_pipeline.manifest import Manifest
from mcsan_jax.batch import BatchLimits
from mcsan_jax.evaluation.metrics import recall_sum, retrieval_metrics
from mcsan_jax.evaluation.ranking import text_to_video_ranks, video_to_text_ranks

MINIMUM_DOCUMENTS = 2
PENALTIES = tuple(10.0**exponent for exponent in range(-1, 7))
# Frames are not cut; captions are read as text, so that the other limits do not matter.
LIMITS = BatchLimits(max_frames=200, max_tokens=1, max_actions=1, max_entities=1, max_relationships=1)


class TfIdf:
    """Unit-length TF-IDF vectors over the words of training documents."""

    def __init__(self, documents: list[list[str]]) -> None:
        counts = collections.Counter(word for document in documents for word in set(document))
        kept = sorted(word for word, count in counts.items() if count >= MINIMUM_DOCUMENTS)
        self._index = {word: place for place, word in enumerate(kept)}
        self._idf = np.log(len(documents) / np.array([counts[word] for word in kept])) + 1.0

    def __call__(self, documents: list[list[str]]) -> np.ndarray:
        """Vectors [document, word]; a document of unknown words is zero."""
        vectors = np.zeros((len(documents), len(self._index)))
        for row, document in enumerate(documents):
            for word in document:
                if word in self._index:
                    vectors[row, self._index[word]] += 1.0
        return unit(vectors * self._idf)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of unit length; zero rows stay zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def read_split(reader: SplitReader) -> tuple[np.ndarray, list[list[str]], np.ndarray]:
    """Pooled frames [video, 2 d], the words of each caption, and the index of each caption's video."""
    pooled = []
    for ids, batch in reader.video_batches(64):
        frames, mask = np.asarray(batch.frames, np.float64), np.asarray(batch.frame_mask)
        for row in range(len(ids)):
            real = frames[row][mask[row]]
            pooled.append(np.concatenate([real.mean(axis=0), real.max(axis=0)]))
    words, videos = [], []
    for info, _ in reader.caption_batches(256):
        words += [re.findall(r"\w+", text.lower()) for text in info.texts]
        videos.append(info.videos)
    return np.stack(pooled), words, np.concatenate(videos)


def fit_ridge(inputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights [d, word] of the penalty with the least leave-one-out error, and that penalty."""
    u, s, vt = np.linalg.svd(inputs, full_matrices=False)
    projected = u.T @ targets
    errors = []
    for penalty in PENALTIES:
        shrink = s**2 / (s**2 + penalty)
        residual = targets - u @ (shrink[:, None] * projected)
        leverage = np.einsum("nk,k,nk->n", u, shrink, u)
        errors.append(np.mean((residual / (1.0 - leverage)[:, None]) ** 2))
    best = PENALTIES[int(np.argmin(errors))]
    return vt.T @ ((s / (s**2 + best))[:, None] * projected), best


def main() -> None:
    """Fits on the training split and prints the metrics of another one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dir", type=pathlib.Path, help="folder written by python -m data_pipeline.prepare")
    parser.add_argument("--split", default="val", help="split to report")
    arguments = parser.parse_args()
    manifest = Manifest.load(arguments.dir)
    train, words, owner = read_split(SplitReader(arguments.dir, manifest, "train", LIMITS))
    inputs, query_words, video_of_text = read_split(
        SplitReader(arguments.dir, manifest, arguments.split, LIMITS)
    )

    documents: list[list[str]] = [[] for _ in train]
    for caption, video in zip(words, owner, strict=True):
        documents[video] += caption
    vectorize = TfIdf(documents)
    targets = vectorize(documents)
    mean, deviation, centre = train.mean(axis=0), train.std(axis=0) + 1e-6, targets.mean(axis=0)
    weights, penalty = fit_ridge((train - mean) / deviation, targets - centre)
    predicted = unit((inputs - mean) / deviation @ weights)
    scores = (predicted @ vectorize(query_words).T).astype(np.float32)

    t2v = retrieval_metrics(text_to_video_ranks(scores, video_of_text))
    v2t = retrieval_metrics(video_to_text_ranks(scores, video_of_text))
    print(
        f"ridge regression, penalty {penalty:g}; split {arguments.split}: "
        f"{scores.shape[0]} videos, {scores.shape[1]} captions"
    )
    for name, direction in (("T2V", t2v), ("V2T", v2t)):
        print(name, "  ".join(f"{metric} {value:.2f}" for metric, value in direction.items()))
    print(f"Rsum {recall_sum(t2v, v2t):.1f}")


if __name__ == "__main__":
    main()
