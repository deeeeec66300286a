"""The picture of an explained answer: what is in it, that it is legible, and what it is made from."""

import dataclasses
import itertools
import pathlib

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.patches import Rectangle

from data_pipeline.errors import InputError
from mcsan_jax.report.explanation_figure import (
    check_picture_format,
    draw_explanation,
    read_images,
    write_explanation,
)
from mcsan_jax.retrieval.explain import Explanation, LevelExplanation, LinearExplanation
from tests.support import ROOT


def level(phrases: list[str], frames: int, seed: int) -> LevelExplanation:
    rng = np.random.default_rng(seed)
    shape = (len(phrases), frames)
    attention = rng.uniform(0.1, 1, shape).astype(np.float32)
    signs = np.array([-1 if phrase.startswith("not ") else 1 for phrase in phrases], np.float32)
    return LevelExplanation(
        phrases,
        signs * rng.uniform(0.2, 1, len(phrases)).astype(np.float32),
        rng.uniform(-1, 1, shape).astype(np.float32),
        attention / attention.sum(axis=1, keepdims=True),
    )


def explanation(frames: int = 12, timed: bool = False) -> Explanation:
    text = "a red ball pushes no blue box"
    words = text.split()
    steps = np.linspace(-0.2, 0.3, len(words))
    return Explanation(
        text,
        "clip 7",
        {"fused": 0.51, "global": 0.4, "entity": -0.1, "action": 0.62, "attributes": 0.9, "linear": 0.2},
        {"global": 0.25, "entity": 0.2, "action": 0.15, "attributes": 0.3, "linear": 0.1},
        frames,
        (np.arange(frames) * 2.5 if timed else np.zeros(0)).astype(np.float32),
        {
            "entity": level(["red ball", "not blue box (heavy)"], frames, 1),
            "action": level(["pushes"], frames, 2),
        },
        LinearExplanation(words, steps, np.zeros(len(words))),
        ("the model stops", "what is denied is taken off"),
    )


def images(count: int, height: int = 8, width: int = 8) -> list[np.ndarray]:
    """Each has one shade, by which it is told."""
    return [np.full((height, width, 3), number, np.uint8) for number in range(count)]


def shown(figure: Figure) -> list[str]:
    """All texts that are drawn."""
    return [text for text, _ in boxes(figure)]


def boxes(figure: Figure) -> list[tuple[str, tuple[float, float, float, float]]]:
    """All texts that are drawn, and where, in pixels: left, bottom, right, top."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    found = list(figure.texts)
    for axes in figure.axes:
        legend = axes.get_legend()
        found += [*axes.texts, axes.xaxis.label]
        for place, axis in enumerate((axes.xaxis, axes.yaxis)):
            # Of the numbers of an axis, those beyond its ends are not drawn.
            first, last = sorted(axis.get_view_interval())
            found += [one for one in axis.get_ticklabels() if first <= one.get_position()[place] <= last]
        found += [] if legend is None else legend.get_texts()
    return [
        (text.get_text(), text.get_window_extent(canvas.get_renderer()).extents)
        for text in found
        if text.get_visible() and text.get_text()
    ]


def strip(figure: Figure) -> list[int]:
    """Shades of the images of the film strip."""
    return [int(image.get_array()[0, 0, 0]) for axes in figure.axes for image in axes.get_images()]


def test_the_picture_has_all_of_the_explanation() -> None:
    found = explanation()
    figure = draw_explanation(found, images(12))
    texts = shown(figure)
    head = "\n".join(["video clip 7: fused score 0.510", *found.notes])
    assert {"“a red ball pushes no blue box”", head} <= set(texts)
    for name, share in found.shares.items():
        assert f"{name} ({100 * share:.0f} %)" in texts
    assert [text for text in texts if text in ("0.51", "0.40", "-0.10", "0.62", "0.90", "0.20")]
    assert {"entity: -0.10", "action: 0.62", "entity", "action"} <= set(texts)
    for one in found.levels.values():
        for phrase, score in zip(one.phrases, one.scores, strict=True):
            assert {phrase, f"{phrase}  {score:.2f}"} <= set(texts)
    assert any(text.startswith("not blue box (heavy)  -0.") for text in texts)
    assert {"red", "ball", "box", "-0.200", "+0.300"} <= set(texts)
    meshes = [one for axes in figure.axes for one in axes.collections if isinstance(one, QuadMesh)]
    drawn = [np.asarray(mesh.get_array()) for mesh in meshes if mesh.get_edgecolor().size]
    levels = list(found.levels.values())
    for values in (*(one.cosines for one in levels), *(100 * one.attention for one in levels)):
        assert any(np.array_equal(values, one) for one in drawn)
    assert strip(figure) == list(range(12))


def test_bars_are_as_long_as_the_scores() -> None:
    found = explanation()
    figure = draw_explanation(found)
    [scores, words] = [
        np.array([one.get_width() for one in axes.patches if isinstance(one, Rectangle)])
        for axes in figure.axes
        if axes.patches
    ]
    np.testing.assert_allclose(scores, list(found.scores.values()), atol=1e-6)
    assert found.linear is not None
    np.testing.assert_allclose(words, found.linear.of_words, atol=1e-6)


LONG = dataclasses.replace(
    explanation(),
    text=" ".join(["a very long sentence about $x$ and $y$"] * 6),
    levels={
        "entity": level([f"the remarkably long phrase of number {number}" for number in range(6)], 12, 3),
        "relationship": level(["pushing –in_front_of→ the other remarkably long phrase"], 12, 4),
    },
    notes=(" ".join(["a note that is long"] * 12), "and a short one"),
    scores={"fused": 0.1, "entity": 0.2, "relationship": -0.3},
    shares={"entity": 0.5, "relationship": 0.5},
    linear=LinearExplanation(
        ["a", "$x$", "Donaudampfschifffahrtsgesellschaftskapitän", "b"],
        np.array([0.1, -0.2, 0.0, 0.05]),
        np.array([0.02, 0.1, -0.3, 0.0]),
    ),
)
KINDS = {
    "usual": (explanation(), images(12)),
    "times": (explanation(timed=True), None),
    "one frame": (explanation(1), images(1, 90, 160)),
    "many frames": (explanation(64, timed=True), images(64, 90, 160)),
    "upright images": (explanation(20), images(20, 160, 90)),
    "no linear branch": (dataclasses.replace(explanation(), linear=None), None),
    "long texts": (LONG, images(12)),
    "sentence alone": (dataclasses.replace(explanation(), levels={}), images(12)),
    "no frames": (dataclasses.replace(explanation(0), levels={}), images(3)),
    "scores of zero": (
        dataclasses.replace(explanation(), scores=dict.fromkeys(explanation().scores, 0.0)),
        None,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_is_cut_or_covers_another(kind: str) -> None:
    figure = draw_explanation(*KINDS[kind])
    found = boxes(figure)
    width, height = figure.bbox.size
    for text, (left, bottom, right, top) in found:
        assert 0 <= left < right <= width and 0 <= bottom < top <= height, text
    for (one, a), (other, b) in itertools.combinations(found, 2):
        # Boxes of lines have room above and below the letters.
        apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] + 3 or b[3] <= a[1] + 3
        assert apart, (one, other)


@pytest.mark.parametrize("kind", ["one frame", "many frames", "upright images", "usual"])
def test_images_keep_their_proportions(kind: str) -> None:
    found, frames = KINDS[kind]
    assert frames is not None
    figure = draw_explanation(found, frames)
    [axes] = [axes for axes in figure.axes if axes.get_images()]
    FigureCanvasAgg(figure).draw()
    for image in axes.get_images():
        left, right, bottom, top = image.get_extent()
        (x0, y0), (x1, y1) = axes.transData.transform([(left, bottom), (right, top)])
        rows, columns, _ = image.get_array().shape
        assert (x1 - x0) / (y1 - y0) == pytest.approx(columns / rows, rel=0.08)


def test_more_images_than_frames_are_chosen_as_features_are() -> None:
    assert strip(draw_explanation(explanation(4), images(10))) == [0, 3, 6, 9]
    # Of many frames a dozen are shown, each over the middle of those that it stands for.
    assert strip(draw_explanation(explanation(36), images(36))) == list(range(1, 36, 3))


@pytest.mark.parametrize(
    ("frames", "said"),
    [
        (images(11), "the video has 12 frames, and there are 11 images; give as many"),
        ([np.zeros((8, 8))] * 12, r"images are arrays \[height, width, 3\]; 12 are not, one is \[8, 8\]"),
        ([*images(11), np.zeros((8, 8, 4))], r"; 1 are not, one is \[8, 8, 4\]"),
    ],
)
def test_what_is_no_film_is_refused(frames: list[np.ndarray], said: str) -> None:
    with pytest.raises(InputError, match=said):
        draw_explanation(explanation(), frames)


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf"])
def test_a_picture_is_written_the_same_each_time(tmp_path: pathlib.Path, suffix: str) -> None:
    first, second = (
        write_explanation(tmp_path / f"{name}{suffix}", explanation(4), images(4)) for name in "ab"
    )
    assert first.read_bytes() == second.read_bytes()
    assert len(list(tmp_path.iterdir())) == 2
    # An SVG draws its letters itself, so that it looks the same without the font.
    assert suffix != ".svg" or b"<text" not in first.read_bytes()


def test_the_picture_of_the_readme_is_one_of_these(tmp_path: pathlib.Path) -> None:
    picture = ROOT / "docs" / "images" / "answer.svg"
    content = picture.read_text(encoding="utf-8")
    made = write_explanation(tmp_path / "made.svg", explanation(), images(12)).read_text(encoding="utf-8")
    assert picture.stat().st_size < 200_000
    # The film strip, and the colours of both heat maps.
    assert content.count("<image") == made.count("<image") == 3


def test_only_pictures_are_written(tmp_path: pathlib.Path) -> None:
    for name in ("answer", "answer.txt"):
        with pytest.raises(InputError, match=r"end it with \.svg, \.png or \.pdf"):
            check_picture_format(tmp_path / name)
    with pytest.raises(InputError, match=r"there is no folder .*; make it, or name a file elsewhere"):
        check_picture_format(tmp_path / "absent" / "answer.svg")


def test_frames_are_read_from_image_files(tmp_path: pathlib.Path) -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.integers(0, 256, (6, 8, 3), dtype=np.uint8) for _ in range(2))
    imsave(tmp_path / "002.png", second)
    imsave(tmp_path / "001.png", first)
    imsave(tmp_path / "003.JPG", second, format="jpg")
    (tmp_path / "notes.txt").touch()
    found = read_images(tmp_path)
    assert [image.shape for image in found] == [(6, 8, 3)] * 3
    for image, own in zip(found, (first, second), strict=False):
        np.testing.assert_allclose(255 * image, own, atol=0.01)
    (tmp_path / "004.png").write_bytes(b"no image")
    (tmp_path / "005.jpg").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"not readable as images: 004\.png, 005\.jpg"):
        read_images(tmp_path)
    with pytest.raises(InputError, match=r"expected a folder with the frames of the video as .* found none"):
        read_images(tmp_path / "absent")
