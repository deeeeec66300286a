"""What the service says of itself, and that it keeps to it whatever it is sent."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from mcsan_jax.serve.app import make_app
from mcsan_jax.serve.service import SearchService

WITH_PARAMETERS = (
    "/search",
    "/similar/{video}",
    "/captions",
    "/export",
    "/videos/{video}/explanation",
    "/videos/{video}/poster.jpg",
    "/videos/{video}/strip.jpg",
    "/videos/{video}/cut.mp4",
)
OF_ANY_TEXT = (
    "/columns",
    "/collection",
    "/videos/{video}",
    "/videos/{video}/clip",
    "/static/{name}",
    "/health",
    "/metrics",
)
"""Routes that no type of a value is wrong for."""


@pytest.fixture(scope="module")
def described(service: SearchService) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_asgi("/openapi.json", make_app(service, ["testserver"]))


def test_every_route_is_described_with_its_errors(described: schemathesis.BaseSchema) -> None:
    paths = described.raw_schema["paths"]
    assert set(paths) == {*WITH_PARAMETERS, *OF_ANY_TEXT}
    for path in paths:
        assert list(paths[path]) == ["get"] and paths[path]["get"]["description"]
        error = paths[path]["get"]["responses"]["4XX"]["content"]["application/json"]["schema"]
        assert error == {"$ref": "#/components/schemas/Problem"}
        for parameter in paths[path]["get"].get("parameters", []):
            assert parameter["in"] == "path" or "schema" in parameter


@pytest.mark.slow
@pytest.mark.parametrize(
    ("route", "mode"),
    [
        *((route, GenerationMode.POSITIVE) for route in (*WITH_PARAMETERS, *OF_ANY_TEXT)),
        *((route, GenerationMode.NEGATIVE) for route in WITH_PARAMETERS),
    ],
)
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
        # What a text or a filter means may be refused, and no schema says it.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    check()
