"""The pictures of a view against those of an image library."""

import numpy as np
import pytest
from av.video.frame import VideoFrame
from PIL import Image

from data_pipeline.clips.picture_maker import PictureMaker
from data_pipeline.clips.picture_view import PictureView

RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def photograph(rows: int, columns: int) -> np.ndarray:
    """Smooth colours with edges and fine texture, uint8 [row, column, 3]."""
    rng = np.random.default_rng(rows * columns)
    row, column = np.mgrid[:rows, :columns]
    waves = [128 + 90 * np.sin(row / (7 + 3 * k) + k) * np.cos(column / (11 - 2 * k)) for k in range(3)]
    picture = np.stack(waves, axis=-1) + rng.normal(0, 6, (rows, columns, 3))
    picture[rows // 4 : rows // 2, columns // 3 : columns // 2] = (240, 30, 60)
    return np.clip(picture, 0, 255).astype(np.uint8)


def by_library(picture: np.ndarray, view: PictureView) -> np.ndarray:
    image = Image.fromarray(picture)
    if isinstance(view.resize, int):
        scale = view.resize / min(image.size)
        size = (max(view.resize, int(image.width * scale)), max(view.resize, int(image.height * scale)))
    else:
        size = (view.resize[1], view.resize[0])
    small = image.resize(size, RESAMPLING[view.interpolation])
    if view.crop is not None:
        left, top = (small.width - view.crop) // 2, (small.height - view.crop) // 2
        small = small.crop((left, top, left + view.crop, top + view.crop))
    return np.asarray(small)


VIEWS = [
    PictureView(256, 224, "bicubic"),
    PictureView(64, 56, "bilinear"),
    PictureView((96, 64), None, "bicubic"),
    PictureView((80, 80), 72, "bilinear"),
    PictureView(32, 32),
]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("rows", "columns"), [(240, 320), (321, 179), (64, 64), (60, 500), (24, 32)])
def test_a_view_is_that_of_an_image_library(view: PictureView, rows: int, columns: int) -> None:
    picture = photograph(rows, columns)
    found = PictureMaker(view).picture(VideoFrame.from_ndarray(picture))
    assert found.shape == (*view.size, 3)
    difference = np.abs(found.astype(int) - by_library(picture, view))
    assert difference.mean() < 0.5 and np.quantile(difference, 0.99) <= 4


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 7680), (7680, 2), (1, 3000), (3, 5)])
@pytest.mark.parametrize("view", VIEWS)
def test_any_shape_gives_the_size_of_the_view(view: PictureView, rows: int, columns: int) -> None:
    picture = np.zeros((rows, columns, 3), np.uint8)
    picture[:, columns // 3 : columns - columns // 3] = picture[rows // 3 : rows - rows // 3] = 200
    found = PictureMaker(view).picture(VideoFrame.from_ndarray(picture))
    assert found.shape == (*view.size, 3)
    assert found[found.shape[0] // 2, found.shape[1] // 2] == pytest.approx(200, abs=2)


@pytest.mark.parametrize(("rows", "columns", "aspect"), [(100, 100, 2.0), (200, 100, 0.5), (100, 400, 0.5)])
def test_pixels_that_are_not_square_are_shown_as_they_are_seen(
    rows: int, columns: int, aspect: float
) -> None:
    """The picture is seen twice or half as wide as high; of the wider one the middle half is kept."""
    picture = np.broadcast_to(np.linspace(0, 255, columns)[:, None], (rows, columns, 3)).astype(np.uint8)
    found = PictureMaker(PictureView(64, 64), aspect).picture(VideoFrame.from_ndarray(picture))
    share = min(1.0, rows / (columns * aspect))
    assert found[:, 0].mean() == pytest.approx(127.5 * (1 - share), abs=6)
    assert found[:, -1].mean() == pytest.approx(127.5 * (1 + share), abs=6)


def test_a_view_that_has_no_size_is_refused() -> None:
    for resize, crop, said in (
        (256, None, "crop: expected a number of pixels"),
        (224, 256, "expected 1 <= crop <= resize, found crop 256 and resize 224"),
        ((64, 32), 33, "expected 1 <= crop <= resize"),
        (0, 0, "expected 1 <= crop <= resize"),
    ):
        with pytest.raises(ValueError, match=said):
            PictureView(resize, crop)
