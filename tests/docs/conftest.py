import pytest

from tests.docs.programs import Checker


@pytest.fixture(scope="session")
def checker(pytestconfig: pytest.Config) -> Checker:
    # There is no public way to pytest's parser.
    return Checker(pytestconfig._parser)
