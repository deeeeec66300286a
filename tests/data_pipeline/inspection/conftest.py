import shutil
from pathlib import Path

import pytest

from tests.support.command_line import run_prepare
from tests.support.corpus import Corpus, official_json, write_corpus


@pytest.fixture(scope="session")
def odd_corpus(tmp_path_factory: pytest.TempPathFactory, graph_cache: Path) -> Path:
    """A small prepared corpus with captions that look like markup."""
    corpus: Corpus = write_corpus(tmp_path_factory.mktemp("odd"), graph_cache)
    captions = {
        "train0": [
            "a man kicks <script>alert(1)</script> on a bed in the park near a car with a dog",
            "[bold]a dog[/bold] & a $x$ ^cat",
        ]
    }
    corpus.annotations.write_text(official_json(captions))
    assert run_prepare(corpus.arguments("--protocol=full")) == 0
    return corpus.out


@pytest.fixture
def shapes_copy(shapes: Path, tmp_path: Path) -> Path:
    """The embedded data set in a folder of its own, to be damaged."""
    return Path(shutil.copytree(shapes, tmp_path / "copy"))
