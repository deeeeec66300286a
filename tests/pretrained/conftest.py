import pathlib

import pytest

from tests.support.small_encoder import save_encoder


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return save_encoder(tmp_path_factory.mktemp("encoder"))
