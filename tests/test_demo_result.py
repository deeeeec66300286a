import json

import pytest

from tests.support import ROOT

RESULT = ROOT / "runs" / "demo" / "eval" / "test.json"


def test_the_demo_tells_who_does_what_to_whom() -> None:
    if not RESULT.is_file():
        pytest.skip("run the first command of README.md before the tests to check its result, too")
    result = json.loads(RESULT.read_text())
    assert result["config"]["model.levels"] == ["global", "entity", "action", "relationship"]
    assert result["foils"]["role"] > 1000
    assert result["compositional"]["fused"]["role"] >= 85.0
