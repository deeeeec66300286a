import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.docs.programs import Checker
from tests.support import ROOT


@pytest.fixture(scope="session")
def checker(pytestconfig: pytest.Config) -> Iterator[Checker]:
    command = [sys.executable, "-m", "tests.docs.absl_programs"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as absl_programs:
        yield Checker(pytestconfig._parser, absl_programs)


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
