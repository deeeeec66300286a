"""From a folder of clips to the page, by the four commands of docs/your_own_videos.md, as a person gives them."""

import csv
import json
import pathlib
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from mcsan_jax.index.run_index import index_to_serve
from mcsan_jax.search.index_searcher import IndexSearcher
from mcsan_jax.serve.app import make_app
from mcsan_jax.serve.service import SearchService
from mcsan_jax.serve.service_metrics import ServiceMetrics
from tests.serve.served_index import served
from tests.support.command_line import Ended, run_mcsan


def done(*arguments: object) -> Ended:
    ended = run_mcsan(*arguments)
    assert ended.status == 0, ended.stderr
    return ended


@pytest.mark.slow
def test_from_clips_to_answers(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done("prepare", "--dataset=moving_shapes", "--render_clips=clips", "--share=0.005")
    done("extract", "clips", "--frames=4")
    done("prepare", "--dataset=jsonl", "--annotations=clips/captions.jsonl", "--attribute_minimum_videos=2")
    done("train", "--config=custom:tiny", "--config.train.epochs=2", "--config.train.batch_size=8")
    index, lines = index_to_serve(pathlib.Path("runs/custom_tiny"))
    assert "added 19 videos" in lines[-1]
    service = SearchService(IndexSearcher.open(index), ServiceMetrics(), "fingerprint")
    with TestClient(make_app(service), base_url="http://localhost") as client:
        found = client.get("/search", params={"q": "a red box moves", "k": 19, "min_probability": 0}).json()
        assert len(found["answers"]) == 19
        best = found["answers"][0]
        assert best["clip"] and len(best["metadata"]["captions"]) == 5 and len(best["seconds"]) == 4
        assert client.get(best["clip"]).content[4:8] == b"ftyp"
        kept = pathlib.Path("data/custom.pictures") / f"{best['video']}.poster.jpg"
        assert client.get(f"/videos/{best['video']}/poster.jpg").content == kept.read_bytes()
    service.close()


@pytest.mark.slow
def test_sixty_clips_of_moving_shapes_are_served_after_training(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done("prepare", "--dataset=moving_shapes", "--render_clips=clips", "--share=0.016")
    done("extract", "clips")
    done("prepare", "--dataset=jsonl", "--annotations=clips/captions.jsonl")
    done("train", "--config=custom:small", "--config.train.epochs=10")
    with served(pathlib.Path("runs/custom_small"), folder=tmp_path) as service:
        found = service.client.get("/search", params={"q": "a red box", "min_probability": 0}).json()
        assert found["searched"] == 61 and found["answers"][0]["moments"]
        assert service.client.get("/").status_code == 200


@pytest.mark.slow
def test_real_clips_with_captions(
    shared_data: pathlib.Path,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    """Twenty-three clips, of which three that are trained on choose the checkpoint instead."""
    source = shared_data / "clips_23"
    if not source.is_dir():
        pytest.skip(f"no clips at {source}")
    described = json.loads((source / "captions.json").read_text(encoding="utf-8"))
    training = [video for video, one in described.items() if one["split"] == "train"]
    with (tmp_path / "captions.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["video_id", "caption", "split"])
        for video, one in described.items():
            split = "val" if video in training[:3] else one["split"]
            table.writerows([video, caption, split] for caption in one["captions"])
    monkeypatch.chdir(tmp_path)
    done("extract", source)
    done("prepare", "--dataset=csv", "--annotations=captions.csv")
    trained = done("train", "--config=custom:small")
    for line in trained.stdout.splitlines():
        if line.startswith(("| linear", "| fused", "fused − linear")):
            record_property("summary", f"23 real clips: {line}")
    with served(pathlib.Path("runs/custom_small"), folder=tmp_path) as service:
        found = service.client.get("/search", params={"q": "a woman mixes rice", "min_probability": 0}).json()
        assert found["searched"] == len(described) == 23
        assert found["answers"][0]["metadata"]["captions"]
