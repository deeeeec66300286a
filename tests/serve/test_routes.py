"""What the service answers to good requests and to bad ones, through its whole application."""

import pytest
from fastapi.testclient import TestClient

from tests.serve.conftest import ODD

TEXT = "a red circle moves right"


def problem(client: TestClient, address: str, status: int, **options: object) -> str:
    """The message of an error, which is JSON with nothing else in it."""
    answer = client.get(address, **options)  # type: ignore[arg-type]
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["error"]
    return str(answer.json()["error"])


def test_a_search_answers_with_moments_and_addresses_of_clips(client: TestClient) -> None:
    found = client.get("/search", params={"q": TEXT, "k": 13}).json()
    assert found["query"] == TEXT and found["searched"] == 13
    best, *others = found["answers"]
    assert best["score"] >= max(one["score"] for one in others)
    assert sum(best["contributions"].values()) == pytest.approx(best["score"], abs=1e-5)
    assert best["moments"][0]["start"] <= best["moments"][0]["end"]
    assert len(best["relevance"]) == len(best["seconds"])
    for one in found["answers"]:
        expected = None if one["video"] == ODD else f"videos/{one['video']}/clip"
        assert one["clip"] == expected
    assert set(found["milliseconds"]) == {"parse", "encode", "candidates", "score", "moments"}
    assert found["explanations"] == {}
