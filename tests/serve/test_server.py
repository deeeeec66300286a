"""The program `mcsan serve`: how it starts, what it stands, and how it ends."""

import contextlib
import importlib.util
import json
import pathlib
import signal
import socket
import subprocess
import time
from urllib.parse import quote

import pytest

from tests.serve.served_index import PROGRAM, asking, served, within_a_while
from tests.support import ROOT
from tests.support.command_line import run_mcsan
from tests.support.made_once import made_once

SEARCH = "/search?q=a red circle moves&min_probability=0"


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """An index of twelve clips; not to be changed."""

    def make(folder: pathlib.Path) -> None:
        ended = run_mcsan("index", "demo", "moving_shapes", "--count=12", f"--out={folder / 'index'}")
        assert ended.status == 0, ended.stderr

    return made_once(tmp_path_factory, "served", make) / "index"


def test_a_port_in_use_is_refused_before_the_index_is_read(tmp_path: pathlib.Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run_mcsan("serve", tmp_path, f"--port={port}")
    assert (ended.status, ended.stdout) == (2, "")
    assert f"another program listens at port {port} already" in ended.stderr and "--port=0" in ended.stderr


def test_what_is_no_index_is_refused(tmp_path: pathlib.Path) -> None:
    ended = run_mcsan("serve", tmp_path / "none", "--port=0")
    assert (ended.status, ended.stdout) == (2, "") and str(tmp_path / "none") in ended.stderr


def test_a_wrong_path_is_said_before_the_port_is_taken(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = f"--port={taken.getsockname()[1]}"
        wrong, without = run_mcsan("serve", "none", port), run_mcsan("serve", port)
    assert wrong.status == 2 and "none: there is no such folder" in wrong.stderr
    assert without.status == 2 and "mcsan index CLIPS --encoder=FOLDER" in " ".join(without.stderr.split())


def test_without_its_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "uvicorn" else find(name))
    ended = run_mcsan("serve", "index")
    assert (
        ended.status == 2
        and "uvicorn is not installed" in ended.stderr
        and "mcsan-jax[serve]" in ended.stderr
    )


@pytest.mark.slow
def test_at_sigterm_what_is_in_flight_is_answered(index: pathlib.Path) -> None:
    with served(index) as service, asking(service, f"{SEARCH}&explain=true", users=8) as answers:
        assert within_a_while(lambda: len(answers) > 16)
        told = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        assert service.ended() == (0, "")
    in_flight = [one for one in answers if one.sent < told - 0.05]
    # All users were answered; then they asked again, and found nobody there.
    assert {one.outcome for one in in_flight} == {200} and len(answers) - len(in_flight) >= 8


@pytest.mark.slow
def test_at_ctrl_c_it_says_so(index: pathlib.Path) -> None:
    with served(index) as service:
        assert service.client.get("/health").status_code == 200
        service.process.send_signal(signal.SIGINT)
        assert service.ended() == (130, "interrupted\n")


@pytest.mark.slow
def test_it_listens_elsewhere_only_when_told_and_says_what_that_means(index: pathlib.Path) -> None:
    with served(index, "--host=0.0.0.0", "--allow-host=search.example") as service:
        for host, status in (("search.example", 200), ("10.1.2.3", 200), ("other.example", 421)):
            assert service.client.get("/health", headers={"host": host}).status_code == status
        service.process.send_signal(signal.SIGTERM)
        status, errors = service.ended()
    assert status == 0 and errors.startswith("warning: ") and "no authentication" in errors


def spoken(port: int, said: bytes) -> tuple[bytes, bytes]:
    """First line and body of the answer to what is said to a port, for what no client library would say."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(said)
        # What is refused before it was read ends the connection hard.
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65536):
                answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.partition(b"\r\n")[0], body


@pytest.mark.slow
def test_it_stands_what_no_browser_sends(index: pathlib.Path) -> None:
    with served(index) as service:
        end = b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        long = quote("😀" * 9_990 + " red ball").encode()
        status, body = spoken(service.port, b"GET /search?q=" + long + end)
        assert status.endswith(b" 200 OK") and len(json.loads(body)["query"]) == 9_999
        assert b" 414 " in spoken(service.port, b"GET /search?q=" + b"a" * 170_000 + end)[0]
        assert b" 200 " not in spoken(service.port, b"GET /search?q=" + b"a" * 300_000 + end)[0]
        assert b" 404 " in spoken(service.port, b"GET /videos/../../etc/passwd" + end)[0]
        assert b" 404 " in spoken(service.port, b"GET /static/../app.py" + end)[0]
        assert b" 400 " in spoken(service.port, b"no HTTP at all\r\n\r\n")[0]
        assert (
            b" 413 "
            in spoken(service.port, b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n")[
                0
            ]
        )
        with socket.create_connection(("127.0.0.1", service.port)) as connection:
            connection.sendall(b"\x16\x03\x01\x00")
        assert service.client.get("/health").status_code == 200


@pytest.mark.slow
def test_it_serves_on_while_a_writer_changes_or_breaks_the_index(tmp_path: pathlib.Path) -> None:
    index = tmp_path / "index"
    assert run_mcsan("index", "demo", "moving_shapes", "--count=6", f"--out={index}").status == 0
    with served(index) as service:

        def health(field: str) -> object:
            return service.client.get("/health").json()[field]

        with asking(service, SEARCH, users=4) as answers:
            assert within_a_while(lambda: len(answers) > 4)
            for words, videos in (
                (["add", str(index), "moving_shapes", "--split=val", "--count=2"], 8),
                (["remove", str(index), "test_00002"], 7),
            ):
                done = subprocess.run(
                    [*PROGRAM, "index", *words], cwd=ROOT, check=False, stdout=subprocess.DEVNULL
                )
                assert done.returncode == 0
                assert within_a_while(lambda videos=videos: health("videos") == videos)
            description = index / "index.json"
            whole = description.read_bytes()
            description.write_bytes(whole[: len(whole) // 2])
            assert within_a_while(lambda: health("index_problem") != "")
            assert str(description) in str(health("index_problem")) and health("videos") == 7
            description.write_bytes(whole)
            assert within_a_while(lambda: health("index_problem") == "")
        assert {one.outcome for one in answers} == {200}
        found = {one["video"] for one in service.client.get(f"{SEARCH}&k=10").json()["answers"]}
        assert len(found) == 7 and {"val_00000", "val_00001"} <= found and "test_00002" not in found
        service.process.send_signal(signal.SIGTERM)
        status, errors = service.ended()
    assert status == 0 and "Traceback" not in errors
