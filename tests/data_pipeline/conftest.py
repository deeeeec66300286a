import dataclasses
import shutil
from pathlib import Path

import pytest
from records import Prepared, make_record, make_stream, write_prepared

from data_pipeline.manifest import FRAMES, REGIONS


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


@pytest.fixture
def copy(prepared: Prepared, tmp_path: Path) -> Prepared:
    """The prepared data set in a folder of its own, to be damaged."""
    shutil.copytree(prepared.folder, tmp_path / "copy")
    return dataclasses.replace(prepared, folder=tmp_path / "copy")
