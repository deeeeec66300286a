import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
from jaxtyping import Float

from mcsan_jax.models import ridge_map
from mcsan_jax.models.linear_branch import LinearBranch
from mcsan_jax.models.linear_fit import TrainingSplit, fit_linear_branch, tf_idf, token_weights
from mcsan_jax.models.ridge_map import PENALTIES, SHRINKAGE, RidgeMap, fit_map, ranking_loss
from tests.models import plain_linear_fit as plain

VOCABULARY = 23
CAPTIONS = 2
"""Of each video."""
WIDTH = 100
"""More coordinates than any prediction here needs."""


def draw_split(videos: int, dim: int, sentence_dim: int = 0) -> TrainingSplit:
    """Videos whose frames tell something of their captions; one input never varies, one token is of one video."""
    draw = np.random.default_rng(videos * dim)
    topics = draw.integers(0, 3, videos)
    pooled = draw.normal(size=(videos, dim)) + 2.0 * draw.normal(size=(3, dim))[topics]
    pooled[:, 0] = 0.7
    owners = np.repeat(np.arange(videos), CAPTIONS)
    tokens = [1 + 6 * topics[owner] + draw.integers(0, 8, draw.integers(3, 7)) for owner in owners]
    tokens[0] = np.array([VOCABULARY - 1, 3, 3])
    sentences = None
    if sentence_dim:
        sentences = (
            draw.normal(size=(len(owners), sentence_dim))
            + draw.normal(size=(3, sentence_dim))[topics[owners]]
        )
    return TrainingSplit(pooled, tokens, owners, sentences, VOCABULARY, means=dim)


def documents(split: TrainingSplit) -> list[list[int]]:
    """The tokens of all captions of each video."""
    joined: list[list[int]] = [[] for _ in split.pooled]
    for tokens, owner in zip(split.token_ids, split.owners, strict=True):
        joined[owner] += tokens.tolist()
    return joined


def plain_targets(split: TrainingSplit) -> tuple[np.ndarray, np.ndarray]:
    """TF-IDF vectors of the videos and of their first captions."""
    whole = documents(split)
    first = [
        split.token_ids[np.flatnonzero(split.owners == video)[0]].tolist() for video in range(len(whole))
    ]
    return (
        np.array([plain.tf_idf(whole, document, VOCABULARY) for document in whole]),
        np.array([plain.tf_idf(whole, caption, VOCABULARY, counts=False) for caption in first]),
    )


def fitted_words(
    split: TrainingSplit, width: int = WIDTH, corrects_hubs: bool = True
) -> tuple[RidgeMap, np.ndarray, np.ndarray, np.ndarray]:
    """The map of words, its inputs, targets and captions."""
    inputs, (targets, captions) = plain.standardised(split.pooled), plain_targets(split)
    return (
        fit_map(
            inputs, scipy.sparse.csr_array(targets), scipy.sparse.csr_array(captions), width, corrects_hubs
        ),
        inputs,
        targets,
        captions,
    )


def test_tf_idf_is_that_of_plain_loops() -> None:
    split = draw_split(9, 4)
    targets, captions = plain_targets(split)
    counts = split.token_counts()
    weights = token_weights(counts)
    np.testing.assert_allclose(tf_idf(counts, weights).toarray(), targets, rtol=1e-12)
    np.testing.assert_allclose(tf_idf(split.first_tokens(), weights).toarray(), captions, rtol=1e-12)
    # Of one video, and of none.
    assert weights[VOCABULARY - 1] == weights[0] == 0.0


@pytest.mark.parametrize("corrects_hubs", [True, False])
@pytest.mark.parametrize(("videos", "dim"), [(12, 5), (7, 12), (4, 3)])
def test_videos_left_out_are_as_if_they_were_never_seen(videos: int, dim: int, corrects_hubs: bool) -> None:
    found, inputs, targets, captions = fitted_words(draw_split(videos, dim), corrects_hubs=corrects_hubs)
    unit = plain.unit_penalty(inputs)
    agreements = {penalty: plain.agreement(inputs, targets, penalty * unit) for penalty in PENALTIES}
    assert found.penalty == max(agreements, key=lambda each: agreements[each])
    assert found.agreement == pytest.approx(agreements[found.penalty], abs=1e-9)
    left_out = plain.left_out_predictions(inputs, targets, found.penalty * unit)
    predictions = np.array([plain.unit(prediction) for prediction in left_out])
    expected = predictions @ captions.T
    if corrects_hubs:
        metric = plain.metric(predictions @ found.basis, SHRINKAGE)
        np.testing.assert_allclose(found.metric, metric, atol=1e-9, rtol=0)
        expected = plain.corrected(expected, captions @ found.basis, metric)
    np.testing.assert_allclose(found.probe_scores, expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize(("videos", "dim"), [(12, 5), (7, 12)])
def test_the_whole_basis_gives_the_whole_prediction(videos: int, dim: int) -> None:
    found, inputs, targets, _ = fitted_words(draw_split(videos, dim))
    weights = plain.ridge(inputs, targets, found.penalty * plain.unit_penalty(inputs))
    np.testing.assert_allclose(inputs @ found.weights @ found.basis.T, inputs @ weights, atol=1e-9, rtol=0)
    np.testing.assert_allclose(found.basis.T @ found.basis, np.eye(found.basis.shape[1]), atol=1e-9, rtol=0)


def test_a_narrow_basis_keeps_what_varies_most() -> None:
    found, inputs, targets, _ = fitted_words(draw_split(12, 5), width=2)
    whole = inputs @ plain.ridge(inputs, targets, found.penalty * plain.unit_penalty(inputs))
    left, values, right = np.linalg.svd(whole, full_matrices=False)
    assert values[2] > 0.01
    best = left[:, :2] * values[:2] @ right[:2]
    np.testing.assert_allclose(inputs @ found.weights @ found.basis.T, best, atol=1e-9, rtol=0)


@pytest.mark.parametrize("corrects_hubs", [True, False])
@pytest.mark.parametrize("sentence_dim", [0, 4])
def test_the_branch_scores_as_the_closed_form(sentence_dim: int, corrects_hubs: bool) -> None:
    """Constants, encoders and all: the scores of videos and captions that were not trained on."""
    split = draw_split(14, 6, sentence_dim)
    constants = fit_linear_branch(split, corrects_hubs)
    assert constants["share"] == 0.0
    draw = np.random.default_rng(5)
    # Their mean and their maximum are the six inputs.
    frames, lengths = draw.normal(size=(3, 4, 3)), np.array([4, 1, 2])
    ids, counts = draw.integers(1, VOCABULARY, (5, 6)), np.array([6, 3, 4, 1, 5])
    ids[0, 4] = ids[0, 1]
    ids[3, 0] = VOCABULARY - 1
    frame_mask, mask = (np.arange(size)[None] < each[:, None] for size, each in ((4, lengths), (6, counts)))
    states = draw.normal(size=(5, 6, sentence_dim))

    share = float(constants["words_share"])
    expected = share * plain_scores(
        split,
        plain_targets(split)[0],
        frames,
        lengths,
        [
            plain.tf_idf(documents(split), ids[row, :count].tolist(), VOCABULARY, counts=False)
            for row, count in enumerate(counts)
        ],
        corrects_hubs,
    )
    if sentence_dim:
        assert 0.0 < share < 1.0
        assert split.sentences is not None
        directions = np.array([plain.unit(vector) for vector in split.sentences])
        centre = directions.mean(axis=0)
        per_video = np.array([directions[split.owners == video].mean(axis=0) for video in range(14)])
        expected += (1.0 - share) * plain_scores(
            split,
            per_video,
            frames,
            lengths,
            [
                plain.unit(plain.unit(states[row, :count].mean(axis=0)) - centre)
                for row, count in enumerate(counts)
            ],
            corrects_hubs,
        )
    else:
        assert share == 1.0

    branch = LinearBranch(3, VOCABULARY, sentence_dim)
    variables = {"statistics": {name: jnp.asarray(value, jnp.float32) for name, value in constants.items()}}
    # What padding holds does not matter.
    clips = jnp.asarray(frames, jnp.float32), jnp.asarray(frame_mask)
    videos = branch.apply(variables, *clips, method=branch.encode_videos)
    captions = *map(jnp.asarray, (ids, mask, np.zeros_like(mask))), jnp.asarray(states, jnp.float32)
    texts = branch.apply(variables, *captions, method=branch.encode_texts)
    assert isinstance(videos, jax.Array) and isinstance(texts, jax.Array)
    np.testing.assert_allclose(videos @ texts.T, expected, atol=2e-6, rtol=0)
    assert np.abs(expected).max() > 0.1


def plain_scores(
    split: TrainingSplit,
    targets: Float[np.ndarray, "v target"],
    frames: Float[np.ndarray, "n f d"],
    lengths: np.ndarray,
    captions: list[np.ndarray],
    corrects_hubs: bool,
) -> np.ndarray:
    """Cosines of what a ridge regression predicts of new videos, at the penalty that suits the old ones best.

    With corrected hubs, the lengths of captions are measured by the predictions for the training videos, each left out.
    """
    inputs = plain.standardised(split.pooled)
    unit = plain.unit_penalty(inputs)
    penalty = max(PENALTIES, key=lambda each: plain.agreement(inputs, targets, each * unit))
    weights = plain.ridge(inputs, targets, penalty * unit)
    deviation = split.pooled.std(axis=0)
    scale = np.array([1.0 / value if value > 1e-6 else 0.0 for value in deviation])
    rows = []
    for clip, length in zip(frames, lengths, strict=True):
        inputs_of_clip = np.concatenate([clip[:length].mean(axis=0), clip[:length].max(axis=0)])
        new = (inputs_of_clip - split.pooled.mean(axis=0)) * scale
        rows.append(plain.unit(new @ weights))
    scores = np.array(rows) @ np.array(captions).T
    if not corrects_hubs:
        return scores
    _, values, right = np.linalg.svd(inputs @ weights, full_matrices=False)
    basis = right[values > 1e-9].T
    left_out = [plain.unit(row) for row in plain.left_out_predictions(inputs, targets, penalty * unit)]
    metric = plain.metric(np.array(left_out) @ basis, SHRINKAGE)
    return plain.corrected(scores, np.array(captions) @ basis, metric)


@pytest.mark.parametrize("case", ["one video", "two videos", "all alike", "no token twice"])
def test_what_cannot_be_learned_from_scores_nothing(case: str) -> None:
    split = draw_split({"one video": 1, "two videos": 2}.get(case, 6), 5, sentence_dim=3)
    if case == "all alike":
        split = dataclasses.replace(split, pooled=split.pooled * 0 + 3)
    if case == "no token twice":
        unique = [np.array([1 + owner]) for owner in split.owners]
        split = dataclasses.replace(split, token_ids=unique)
    constants = fit_linear_branch(split)
    assert all(np.all(np.isfinite(value)) for value in constants.values())
    assert not constants["tokens_to_words"].any()
    if case == "no token twice":
        # All of the score is left to sentences.
        assert constants["words_share"] == 0.0 and constants["states_to_sentences"].any()
    else:
        assert not constants["states_to_sentences"].any()
    assert constants["tokens_to_words"].shape == (VOCABULARY, 5)
    assert constants["states_to_sentences"].shape == (3, 3)


def test_maxima_are_read_where_they_help() -> None:
    """One split's maxima are noise; the other's means are, and its maxima tell what the captions say."""
    split = draw_split(40, 6)
    noise = np.random.default_rng(7).normal(size=split.pooled.shape)
    alone = fit_linear_branch(split)["frames_to_words"]
    useless = fit_linear_branch(dataclasses.replace(split, pooled=np.hstack([split.pooled, noise])))
    np.testing.assert_allclose(useless["frames_to_words"][:6, :6], alone, atol=1e-12)
    assert not useless["frames_to_words"][6:].any()
    helpful = fit_linear_branch(dataclasses.replace(split, pooled=np.hstack([noise, split.pooled])))
    of_means, of_maxima = np.split(helpful["frames_to_words"], 2)
    assert np.linalg.norm(of_maxima) > 0.5 * np.linalg.norm(of_means) > 0.0


def test_captions_without_tokens_and_sentences_are_allowed() -> None:
    split = draw_split(8, 4, sentence_dim=3)
    assert split.sentences is not None
    split.sentences[2:4] = 0.0
    empty = [
        np.zeros(0, int) if owner == 1 else own
        for own, owner in zip(split.token_ids, split.owners, strict=True)
    ]
    constants = fit_linear_branch(dataclasses.replace(split, token_ids=empty))
    assert all(np.all(np.isfinite(value)) for value in constants.values())
    assert constants["tokens_to_words"].any() and constants["states_to_sentences"].any()


def test_sentences_in_float32_give_the_same_map() -> None:
    split = draw_split(14, 6, 4)
    assert split.sentences is not None
    exact = fit_linear_branch(split)
    small = dataclasses.replace(split, sentences=split.sentences.astype(np.float32))
    found = fit_linear_branch(small)
    for name in ("sentence_mean", "words_share"):
        np.testing.assert_allclose(found[name], exact[name], rtol=1e-5)
    # A direction of the basis may come with the other sign, in both.
    products = [one["frames_to_sentences"] @ one["states_to_sentences"].T for one in (found, exact)]
    np.testing.assert_allclose(*products, atol=1e-5)


def test_the_ranking_loss_is_that_of_plain_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ridge_map, "TEMPERATURES", (0.5, 2.0))
    scores = np.random.default_rng(0).normal(size=(3, 4))
    relevant = np.array([[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], bool)
    losses = []
    for temperature in (0.5, 2.0):
        chances = np.exp(scores / temperature)
        rows = [-np.log(chances[v, relevant[v]].sum() / chances[v].sum()) for v in range(3)]
        columns = [-np.log(chances[relevant[:, t], t].sum() / chances[:, t].sum()) for t in range(4)]
        losses.append((np.mean(rows) + np.mean(columns)) / 2)
    assert ranking_loss(scores, relevant) == pytest.approx(min(losses), rel=1e-12)
