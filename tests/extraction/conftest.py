import pathlib

import pytest

from mcsan_jax.frame_encoders import registry
from tests.extraction.colour_encoder import ColourEncoder
from tests.support.written_clip import write_clip


@pytest.fixture
def encoders(monkeypatch: pytest.MonkeyPatch) -> dict[str, ColourEncoder]:
    """Encoders that `open_frame_encoder` opens by these names; "small" sees smaller pictures, "bright" has other
    weights than "colours", and "endless" gives numbers that no file holds."""
    known = {
        "colours": ColourEncoder(),
        "bright": ColourEncoder("bright", factor=2.0),
        "small": ColourEncoder("small", side=12),
        "endless": ColourEncoder("endless", factor=1e9),
    }
    monkeypatch.setattr(registry, "NAMED", {name: lambda name: known[name] for name in known})
    return known


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Two clips, of which one has a name that is hard on programs, and two files that are none."""
    folder = tmp_path_factory.mktemp("clips")
    write_clip(folder / "first.mp4", 60)
    write_clip(folder / "dé jà\n'vu' \"ü\" 犬.mkv", 100, rotation=90)
    (folder / "empty.mp4").touch()
    (folder / "letter.mp4").write_text("Dear reader,\n" * 100)
    return folder
