"""The linear branch once more, in float64 and with plain loops: normal equations, and videos really left out."""

import math
from collections.abc import Sequence

import numpy as np


def token_weight(documents: Sequence[Sequence[int]], token: int) -> float:
    """``1 + ln(v / v_token)``; zero where fewer than two documents have the token."""
    having = sum(token in document for document in documents)
    return 1.0 + math.log(len(documents) / having) if having >= 2 else 0.0


def tf_idf(
    documents: Sequence[Sequence[int]], document: Sequence[int], size: int, counts: bool = True
) -> np.ndarray:
    """Unit vector of a document, its tokens weighted as among `documents`; of a caption without counts."""
    vector = np.zeros(size)
    for token in range(size):
        count = document.count(token) if counts else int(token in document)
        vector[token] = math.log(1 + count) * token_weight(documents, token)
    return unit(vector)


def unit(vector: np.ndarray) -> np.ndarray:
    """The vector with length one, or zero."""
    length = math.sqrt(sum(value * value for value in vector))
    return vector / length if length > 0 else vector


def standardised(pooled: np.ndarray) -> np.ndarray:
    """Each column with mean zero and standard deviation one, or zero where it does not vary."""
    columns = [
        (column - column.mean()) / (column.std() if column.std() > 1e-6 else math.inf) for column in pooled.T
    ]
    return np.stack(columns, axis=1)


def ridge(inputs: np.ndarray, targets: np.ndarray, penalty: float) -> np.ndarray:
    """Weights of the inputs without their mean, for the targets without theirs; the mean is not penalised."""
    x, y = inputs - inputs.mean(axis=0), targets - targets.mean(axis=0)
    return np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)


def unit_penalty(inputs: np.ndarray) -> float:
    """Sum of squares of an input, on average over the inputs."""
    return float(np.sum(inputs**2)) / inputs.shape[1]


def left_out_predictions(inputs: np.ndarray, targets: np.ndarray, penalty: float) -> np.ndarray:
    """For each video what the others predict of it, without the mean of their targets."""
    predictions = []
    for video in range(len(inputs)):
        others = np.arange(len(inputs)) != video
        weights = ridge(inputs[others], targets[others], penalty)
        predictions.append((inputs[video] - inputs[others].mean(axis=0)) @ weights)
    return np.array(predictions)


def agreement(inputs: np.ndarray, targets: np.ndarray, penalty: float) -> float:
    """Mean cosine of the predictions for videos left out and their targets, both without the mean of the others."""
    cosines = []
    for video, prediction in enumerate(left_out_predictions(inputs, targets, penalty)):
        others = np.arange(len(inputs)) != video
        target = targets[video] - targets[others].mean(axis=0)
        cosines.append(unit(prediction) @ unit(target))
    return float(np.mean(cosines))


def metric(rows: np.ndarray, shrinkage: float) -> np.ndarray:
    """The mean of ``x xᵀ``, scaled to a mean eigenvalue of one, with a share of the identity."""
    size = rows.shape[1]
    moments = np.zeros((size, size))
    for row in rows:
        for one in range(size):
            for other in range(size):
                moments[one, other] += row[one] * row[other] / len(rows)
    eigenvalue = sum(moments[one, one] for one in range(size)) / size
    return (moments / eigenvalue + shrinkage * np.eye(size)) / (1.0 + shrinkage)


def corrected(scores: np.ndarray, captions: np.ndarray, metric: np.ndarray) -> np.ndarray:
    """Scores over the lengths of captions, which are given in coordinates, under a metric."""
    # A vector of zeros has nothing to be divided.
    lengths = [math.sqrt(caption @ metric @ caption) or 1.0 for caption in captions]
    return np.array([[score / length for score, length in zip(row, lengths, strict=True)] for row in scores])
