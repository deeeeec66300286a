"""A pytest plugin: a test that takes long and is not marked as slow is named, and one that takes far too long fails.

Counted is the time of processors, not of the clock, of this process and of those that it started and waited for, from
the test's first fixture to its end. What fixtures of the whole session take belongs to no single test.
"""

import resource
from collections.abc import Generator
from typing import Any

import pytest

SLOW = "slow"
"""The mark of tests that the default selection leaves out."""
_LIMIT = "processor_seconds"
_TIMES = 4
"""A test fails from this many times the limit on, which no busy machine makes of one below the limit."""
_SPENT = "processor seconds"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(_LIMIT, f"processor seconds that a test without the mark {SLOW!r} may take", default="10")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_ProcessorTime(float(config.getini(_LIMIT))))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    limit = float(config.getini(_LIMIT))
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            spent = dict(report.user_properties).get(_SPENT)
            if (
                isinstance(spent, float)
                and spent > limit
                and report.when == "call"
                and SLOW not in report.keywords
            ):
                terminalreporter.write_line(_message(report.nodeid, spent, limit))


def _message(test: str, spent: float, limit: float) -> str:
    return (
        f"{test} took {spent:.1f} processor seconds; without the mark {SLOW!r}, {limit:g} are allowed. "
        "Make it cheaper, or mark it (tests/README.md)."
    )


def _now() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


class _ProcessorTime:
    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._start = self._of_the_session = 0.0

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self) -> Generator[None, Any, Any]:
        self._start, self._of_the_session = _now(), 0.0
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
        begin, before = _now(), self._of_the_session
        try:
            return (yield)
        finally:
            if fixturedef.scope == "session":
                # Also right where one such fixture asks for another.
                self._of_the_session = before + _now() - begin

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        result = yield
        spent = _now() - self._start - self._of_the_session
        item.user_properties.append((_SPENT, spent))
        if spent > _TIMES * self._limit and item.get_closest_marker(SLOW) is None:
            pytest.fail(_message(item.nodeid, spent, self._limit), pytrace=False)
        return result
