"""What the service says of itself, and that it keeps to it whatever it is sent."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.generation import GenerationMode

from mcsan_jax.serve.app import make_app
from mcsan_jax.serve.service import SearchService

ROUTES = (
    "/search",
    "/similar/{video}",
    "/captions",
    "/export",
    "/columns",
    "/videos/{video}",
    "/videos/{video}/explanation",
    "/videos/{video}/clip",
    "/videos/{video}/poster.jpg",
    "/videos/{video}/strip.jpg",
    "/videos/{video}/cut.mp4",
    "/static/{name}",
    "/health",
    "/metrics",
)


@pytest.fixture(scope="module")
def described(service: SearchService) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_asgi("/openapi.json", make_app(service, ["testserver"]))


def test_every_route_is_described_with_its_errors(described: schemathesis.BaseSchema) -> None:
    paths = described.raw_schema["paths"]
    assert set(paths) == set(ROUTES)
    for path in ROUTES:
        assert list(paths[path]) == ["get"] and paths[path]["get"]["description"]
        error = paths[path]["get"]["responses"]["4XX"]["content"]["application/json"]["schema"]
        assert error == {"$ref": "#/components/schemas/Problem"}
        for parameter in paths[path]["get"].get("parameters", []):
            assert parameter["in"] == "path" or "schema" in parameter


@pytest.mark.slow
@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize("route", ROUTES)
def test_a_route_keeps_to_its_description(
    described: schemathesis.BaseSchema, route: str, mode: GenerationMode
) -> None:
    @settings(
        max_examples=25,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(described[route]["GET"].as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate()

    check()
