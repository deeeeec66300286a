"""Pictures that were made when features were extracted, and those of parts of longer videos."""

import pathlib
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from mcsan_jax.search.index_searcher import IndexSearcher
from mcsan_jax.serve.app import make_app
from mcsan_jax.serve.service import SearchService
from mcsan_jax.serve.service_metrics import ServiceMetrics
from tests.index.extracted_shapes import FILM, as_streams, write_extracted_shapes
from tests.support.command_line import run_mcsan
from tests.support.written_clip import SIDE, decoded, numbers

PART = quote(f"{FILM}#02", safe="")
"""It lasts from 0.75 s to 2 s; the file has 25 frames a second."""


def test_kept_pictures_are_shown_and_parts_have_pictures_of_their_own(tmp_path: pathlib.Path) -> None:
    files, index = write_extracted_shapes(tmp_path / "extracted"), tmp_path / "index"
    ended = run_mcsan("index", "demo", *as_streams(files), f"--out={index}")
    assert ended.status == 0, ended.stderr
    service = SearchService(IndexSearcher.open(index), ServiceMetrics(), "fingerprint")
    with TestClient(make_app(service), base_url="http://localhost") as client:
        for kind in ("poster", "strip"):
            assert client.get(f"/videos/test_00000/{kind}.jpg").content == b"\xff\xd8" + kind.encode()
        # Others than those that are kept are made of the clip.
        for picture in ("poster.jpg?at=0.5", "strip.jpg?count=6"):
            assert decoded(client.get(f"/videos/test_00000/{picture}").content)[1].std() > 50
        [strip] = decoded(client.get(f"/videos/{PART}/strip.jpg?count=2").content)[1]
        for place, seconds in enumerate((0.75 + 1.25 / 4, 0.75 + 3 * 1.25 / 4)):
            [number] = numbers(strip[None, :, place * SIDE : (place + 1) * SIDE])
            assert number == pytest.approx(25 * seconds, abs=3)
        [poster] = numbers(decoded(client.get(f"/videos/{PART}/poster.jpg").content)[1])
        assert poster == pytest.approx(25 * (0.75 + 1.25 / 2), abs=3)
        (tmp_path / "extracted" / "clips" / "test_00000.mp4").unlink()
        assert client.get("/videos/test_00000/poster.jpg?at=0.5").content == b"\xff\xd8poster"
        assert "is gone" in client.get("/videos/test_00000/clip").json()["error"]
    service.close()
    assert run_mcsan("index", "remove", index, "test_00000").status == 0
    assert not list((index / "pictures").iterdir())
