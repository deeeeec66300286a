import pathlib

import pytest

from tests.support.image_text_folder import KINDS, save_towers


@pytest.fixture(scope="session", params=KINDS)
def encoder_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """An encoder of each kind; not to be changed."""
    return save_towers(tmp_path_factory.mktemp("encoder"), request.param)
