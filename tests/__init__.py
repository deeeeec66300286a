"""The tests; tests/README.md says what is where."""

import pytest

# Assertions in what tests share explain themselves as those of tests do.
pytest.register_assert_rewrite("tests.support")
