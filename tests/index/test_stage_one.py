"""The product of stage-1 vectors is the fused score wherever that is a sum of products."""

import dataclasses

import numpy as np
import pytest

from mcsan_jax.config import Config, SimilarityConfig
from mcsan_jax.index import stage_one
from mcsan_jax.index.stage_one import fit_bases, stage_one_texts, stage_one_videos
from mcsan_jax.retrieval.embeddings import FrameVectors, VideoEmbeddings
from tests.search.test_exact_scores import PARAMETERS, of_evaluation
from tests.support.made_up_vectors import draw_texts, draw_videos

CONFIGS = {
    "as the default": SimilarityConfig(),
    "missing levels count": SimilarityConfig(missing_levels="zero"),
    "with attributes": SimilarityConfig(attribute_share=0.3),
}


def one_frame(videos: VideoEmbeddings) -> VideoEmbeddings:
    frames = {
        level: FrameVectors(of.directions[:, :1], of.lengths[:, :1], of.gram[:, :1, :1])
        for level, of in videos.frames.items()
    }
    return dataclasses.replace(videos, frames=frames)


@pytest.mark.parametrize("kind", CONFIGS)
def test_of_videos_of_one_frame_it_is_exact(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_one, "NODE_FACTOR", 1.0)
    config, texts = CONFIGS[kind], draw_texts(6)
    videos = one_frame(draw_videos(9))
    products = stage_one_texts(texts, PARAMETERS, config) @ stage_one_videos(videos, PARAMETERS, config).T
    expected = of_evaluation(videos, texts, Config(similarity=config))["fused"]
    np.testing.assert_allclose(products, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", CONFIGS)
def test_of_texts_without_nodes_it_is_exact(kind: str) -> None:
    config, texts, videos = CONFIGS[kind], draw_texts(3).rows(np.array([2])), draw_videos(9)
    products = stage_one_texts(texts, PARAMETERS, config) @ stage_one_videos(videos, PARAMETERS, config).T
    expected = of_evaluation(videos, texts, Config(similarity=config))["fused"]
    np.testing.assert_allclose(products, expected, rtol=0, atol=1e-5)


def test_components_without_a_branch_and_levels_are_left_out() -> None:
    videos, texts, config = draw_videos(4), draw_texts(2), SimilarityConfig()
    plain = dataclasses.replace(videos, linear=None, pooled=None)
    plain_texts = dataclasses.replace(texts, linear=None, pooled=None)
    assert stage_one_videos(plain, PARAMETERS, config).shape == (4, 3 * 16)
    assert stage_one_texts(plain_texts, dataclasses.replace(PARAMETERS, linear_share=None), config).shape == (
        2,
        3 * 16,
    )


def test_wide_vectors_are_cut_to_where_the_videos_vary() -> None:
    """Vectors that lie in as few directions as are kept lose nothing; an index of one video can be cut, too."""
    draw, config, texts = np.random.default_rng(3), SimilarityConfig(), draw_texts(6)
    plane = np.linalg.qr(draw.standard_normal((16, 4)))[0].astype(np.float32)
    videos = draw_videos(40)
    flat = dataclasses.replace(
        videos,
        pooled=videos.pooled @ plane @ plane.T,
        frames={
            level: FrameVectors(of.directions @ plane @ plane.T, of.lengths, of.gram)
            for level, of in videos.frames.items()
        },
        linear=None,
    )
    texts = dataclasses.replace(texts, linear=None)
    assert fit_bases(flat, PARAMETERS, config, most=64) == {}
    bases = fit_bases(flat, PARAMETERS, config, most=16)
    of_videos, of_texts = (
        stage_one_videos(flat, PARAMETERS, config, bases),
        stage_one_texts(texts, PARAMETERS, config, bases),
    )
    assert of_videos.shape == (40, 16) and of_texts.shape == (6, 16)
    whole = stage_one_texts(texts, PARAMETERS, config) @ stage_one_videos(flat, PARAMETERS, config).T
    np.testing.assert_allclose(of_texts @ of_videos.T, whole, rtol=0, atol=1e-5)
    assert stage_one_videos(
        flat, PARAMETERS, config, fit_bases(flat.take([0]), PARAMETERS, config, most=16)
    ).shape == (40, 16)


def test_vectors_wider_than_the_bound_are_searched_too() -> None:
    """As those of the largest image-text encoders, of 1,152 numbers: each component has its share of the room."""
    videos, texts = draw_videos(12, width=1152), draw_texts(4, width=1152)
    videos, texts = (dataclasses.replace(side, linear=None) for side in (videos, texts))
    config = SimilarityConfig()
    bases = fit_bases(videos, PARAMETERS, config)
    of_videos = stage_one_videos(videos, PARAMETERS, config, bases)
    assert of_videos.shape == (12, stage_one.MOST_WIDTH)
    # Few videos span few directions, so that nothing is lost of them.
    products = stage_one_texts(texts, PARAMETERS, config, bases) @ of_videos.T
    whole = stage_one_texts(texts, PARAMETERS, config) @ stage_one_videos(videos, PARAMETERS, config).T
    np.testing.assert_allclose(products, whole, rtol=0, atol=1e-5)
