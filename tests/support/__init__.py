"""What several rooms of tests share: small data, fake runs, programs, and a way to start them."""

import pathlib

ROOT = pathlib.Path(__file__).parents[2]
"""The repository."""
