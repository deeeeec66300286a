"""What all frame encoders share: batches of one size, regions of a grid, and what is refused."""

import numpy as np
import pytest
import torch

from data_pipeline.errors import InputError
from mcsan_jax.frame_encoders.frame_encoder import check_pictures, encode_in_batches, region_weights
from mcsan_jax.frame_encoders.registry import open_frame_encoder


@pytest.mark.parametrize("count", [0, 1, 4, 5, 8])
def test_batches_have_one_size_and_results_one_row_for_each_picture(count: int) -> None:
    pictures = np.random.default_rng(count).integers(0, 256, (count, 2, 3, 3), np.uint8)
    seen: list[int] = []

    def program(part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen.append(len(part))
        return part.sum((1, 2, 3)), part[:, 0].astype(np.float32)

    sums, rows = encode_in_batches(program, pictures, 4)
    assert np.array_equal(sums, pictures.sum((1, 2, 3))) and np.array_equal(rows, pictures[:, 0])
    assert set(seen) == {4} and len(seen) == max(1, -(-count // 4))


@pytest.mark.parametrize("regions", [(1, 1), (4, 4), (2, 3), (7, 9), (5, 1)])
def test_regions_are_those_of_adaptive_average_pooling(regions: tuple[int, int]) -> None:
    grid = np.random.default_rng(0).normal(size=(2, 7, 9, 5)).astype(np.float32)
    expected = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(grid).permute(0, 3, 1, 2), regions)
    found = np.einsum("kc,ncw->nkw", region_weights((7, 9), regions), grid.reshape(2, 63, 5))
    assert np.allclose(found, expected.permute(0, 2, 3, 1).reshape(2, -1, 5), atol=1e-6)


@pytest.mark.parametrize("regions", [(0, 1), (8, 7), (7, 10), (-1, -1)])
def test_there_are_no_more_regions_than_cells(regions: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=f"from 1x1 to .* 7x9, found {regions[0]}x{regions[1]}"):
        region_weights((7, 9), regions)


@pytest.mark.parametrize(
    ("pictures", "found"),
    [
        ([[1]], "found list"),
        (np.zeros((1, 4, 5, 3), np.float32), r"found float32 \[1, 4, 5, 3\]"),
        (np.zeros((1, 5, 4, 3), np.uint8), r"found uint8 \[1, 5, 4, 3\]"),
        (np.zeros((4, 5, 3), np.uint8), r"found uint8 \[4, 5, 3\]"),
        (np.zeros((1, 4, 5, 1), np.uint8), r"found uint8 \[1, 4, 5, 1\]"),
    ],
    ids=["a list", "floats", "on its side", "one picture", "grey"],
)
def test_pictures_of_another_kind_are_refused(pictures: object, found: str) -> None:
    with pytest.raises(InputError, match=r"net: expected pictures .* \[n, 4, 5, 3\], " + found):
        check_pictures(pictures, 4, 5, "net")


def test_no_pictures_are_pictures() -> None:
    check_pictures(np.zeros((0, 4, 5, 3), np.uint8), 4, 5, "net")


def test_a_folder_of_an_unknown_kind_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match=r"config\.json: not readable as JSON"):
        open_frame_encoder(str(tmp_path))
    for text in ('{"model_type": "resnet"}', "{}", "[]"):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(InputError, match=r"config\.json: expected a model_type of .*; no encoder"):
            open_frame_encoder(str(tmp_path))
