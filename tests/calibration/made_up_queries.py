"""Queries whose right answers are drawn with the probabilities that a calibration should find."""

import numpy as np

from mcsan_jax.calibration.judged_queries import JudgedQueries

TEMPERATURE = 0.05


def made_up_queries(queries: int, videos: int, seed: int) -> JudgedQueries:
    """Scores are drawn, and one video of each query is right by their softmax at `TEMPERATURE`."""
    random = np.random.default_rng(seed)
    scores = random.normal(0.2, 0.1, (queries, videos)).astype(np.float32)
    logits = scores.astype(np.float64) / TEMPERATURE
    # The largest of logits with Gumbel noise is a draw of their softmax.
    right = np.argmax(logits + random.gumbel(size=logits.shape), axis=1)
    relevant = np.zeros(scores.shape, bool)
    relevant[np.arange(queries), right] = True
    alike = relevant.copy()
    alike[np.arange(0, queries, 3), 0] = True
    return JudgedQueries(scores, relevant, alike, right)
