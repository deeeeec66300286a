"""Models and the Hugging Face hub: what it reads of a card, its local cache, and an upload to a server of this test."""

import base64
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading
from collections.abc import Iterator

import huggingface_hub
import pytest

from data_pipeline.errors import InputError
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.runs.folder import RunFolder
from tests.support import ROOT

NAME, COMMIT = "somebody/shapes", "c0ffee" + 34 * "0"


class Hub(http.server.BaseHTTPRequestHandler):
    """It takes a model as the hub does, and keeps it as a download would lie in the local cache."""

    cache: pathlib.Path
    token = "secret"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Authorization"] != f"Bearer {self.token}":
            self._answer({"error": "may not write"}, 403)
        elif self.path == "/api/repos/create":
            self._answer({"url": f"http://{self.headers['Host']}/{NAME}", "name": NAME})
        elif self.path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif self.path == f"/api/models/{NAME}/preupload/main":
            files = [file["path"] for file in json.loads(body)["files"]]
            modes = [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in files]
            self._answer({"files": modes})
        elif self.path == f"/api/models/{NAME}/commit/main":
            repository = self.cache / f"models--{NAME.replace('/', '--')}"
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    path = repository / "snapshots" / COMMIT / line["value"]["path"]
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(base64.b64decode(line["value"]["content"]))
            (repository / "refs").mkdir()
            (repository / "refs" / "main").write_text(COMMIT)
            self._answer(
                {"commitOid": COMMIT, "commitUrl": f"http://{self.headers['Host']}/{NAME}/commit/{COMMIT}"}
            )
        else:
            self._answer({"error": f"no {self.path} here"}, 404)

    def _answer(self, content: dict[str, object], status: int = 200) -> None:
        encoded = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def environment(tmp_path: pathlib.Path) -> Iterator[dict[str, str]]:
    """Of a process for which the server is the hub, and an empty folder its cache."""

    class OwnHub(Hub):
        cache = tmp_path / "cache"

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), OwnHub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
            "HF_HUB_CACHE": str(tmp_path / "cache"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        server.shutdown()


def test_a_model_is_uploaded_and_opened_from_the_cache(
    finished_run: pathlib.Path, environment: dict[str, str], tmp_path: pathlib.Path
) -> None:
    code = f"""
from mcsan_jax import InputError, Mcsan

model = Mcsan.from_pretrained({str(finished_run)!r})
for name, token in (({NAME!r}, "wrong"), ("no/name/at all", "secret")):
    try:
        model.push_to_hub(name, token=token)
    except InputError as error:
        print(error)
print(model.push_to_hub({NAME!r}, token="secret", dtype="float16"))
again = Mcsan.from_pretrained({NAME!r})
print(again.step == model.step, again.config == model.config, again.card == model.card)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    *refused, address, opened = done.stdout.strip().splitlines()
    told = "\n".join(refused)
    assert f"the model was not uploaded to {NAME!r}: " in told and "a token that may write" in told
    assert "the model was not uploaded to 'no/name/at all': " in told
    assert address == f"{environment['HF_ENDPOINT']}/{NAME}/commit/{COMMIT}"
    assert opened == "True True True"
    [snapshot] = tmp_path.glob("cache/*/snapshots/*")
    own = {
        path.relative_to(finished_run / "model").as_posix() for path in (finished_run / "model").rglob("*")
    }
    assert {path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*")} == own


def test_what_is_in_the_cache_may_be_no_model(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--somebody--bert"
    (repository / "snapshots" / COMMIT).mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    (repository / "snapshots" / COMMIT / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(InputError, match=r"somebody/bert of the hub, in .* is no model of this program"):
        Mcsan.from_pretrained("somebody/bert")
    with pytest.raises(InputError, match="there is no model 'somebody/other'"):
        Mcsan.from_pretrained("somebody/other")


def test_an_upload_needs_the_library(finished_run: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Mcsan.from_pretrained(finished_run)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"pip install 'mcsan-jax\[hub\]'"):
        model.push_to_hub(NAME)


def test_the_hub_reads_the_card_of_a_model(finished_run: pathlib.Path) -> None:
    card = huggingface_hub.ModelCard.load(finished_run / "model" / "README.md")
    assert (card.data.library_name, card.data.license, card.data.language) == (
        "mcsan-jax",
        "apache-2.0",
        ["en"],
    )
    assert "video-text-retrieval" in card.data.tags
    assert card.data.model_name == "demo_tiny"
    found = {
        (result.dataset_split, result.metric_name): result.metric_value for result in card.data.eval_results
    }
    for split in ("val", "test"):
        record = RunFolder(finished_run).read_record(split)
        assert found[split, "sum of the six recalls"] == pytest.approx(record.rsum, abs=1e-3)
        assert found[split, "text to video, R@1"] == pytest.approx(record.fused.of("t2v")["R@1"], abs=1e-3)
    assert card.text.lstrip().startswith("# Model card: demo_tiny")
    assert "## Results on split test" in card.text and "## Licences of the inputs" in card.text
