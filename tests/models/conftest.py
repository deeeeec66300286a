import pytest

from tests.models.default_network import COUNT, DefaultNetwork, encode
from tests.support.tiny_model import SHAPE_WITH_REGIONS, random_batch, random_variables, tiny_model


@pytest.fixture(scope="session")
def setting() -> DefaultNetwork:
    model, batch = tiny_model(SHAPE_WITH_REGIONS), random_batch(COUNT, shape=SHAPE_WITH_REGIONS)
    variables = random_variables(model, batch)
    videos, texts, _ = encode(model, variables, batch)
    return DefaultNetwork(model, variables, batch, videos, texts)
