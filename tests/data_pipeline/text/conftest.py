from pathlib import Path

import pytest

from data_pipeline.text.tokenizer import Tokenizer
from data_pipeline.text.vocabulary import load_tokenizer
from tests.data_pipeline.text.tokenizer_files import kind_of, write_tokenizers


@pytest.fixture(scope="session")
def tokenizer_paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A file of every kind, all made from the same captions."""
    return write_tokenizers(tmp_path_factory.mktemp("tokenizers"))


@pytest.fixture(scope="session")
def tokenizers(tokenizer_paths: dict[str, Path]) -> dict[str, Tokenizer]:
    return {name: load_tokenizer(path, kind_of(name)) for name, path in tokenizer_paths.items()}
