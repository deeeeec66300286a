"""Finds the config file that ``--config`` names: one that comes with the package, by its name, or any other file."""

import difflib
import pathlib
import re
import sys
from collections.abc import Iterator, Sequence

import ml_collections
from absl import flags
from ml_collections import config_flags
from ml_collections.config_flags.config_flags import ConfigFileFlagParser

from data_pipeline.errors import InputError, in_words, nearest_name
from mcsan_jax.config import Config, from_config_dict

# The flag belongs to the program that asks for it, whose --help shows it.
flags.disclaim_key_flags()

_FOLDER = pathlib.Path(__file__).parent / "configs"
_PLACES = (".", "configs", "mcsan_jax/configs")
"""Folders, from the root of the repository, in which the package's own configs are looked for from anywhere."""


def config_names() -> list[str]:
    """Names of the configs that come with the package, such as ``msrvtt``."""
    sources = {path.stem: path.read_text(encoding="utf-8") for path in _FOLDER.glob("*.py")}
    return sorted(name for name, source in sources.items() if "def get_config(" in source)


def find_config(value: str) -> str:
    """The path of a config file, with what follows the colon as it was.

    Args:
        value: as on the command line: the name of a config of the package (``demo``), or the path of a file
            (``configs/demo.py``), with an argument of its ``get_config`` after a colon if wanted (``demo:tiny``).
            Paths of the package's own files, ``configs/demo.py`` or ``mcsan_jax/configs/demo.py``, are also found where
            the current folder holds none.

    Raises:
        InputError: there is no such config.
    """
    name, colon, argument = value.partition(":")
    path, names = pathlib.Path(name), config_names()
    if name not in names and path.is_file():
        return value
    own = path.parent.as_posix() in _PLACES and path.suffix in ("", ".py")
    if own and path.stem in names:
        return f"{_FOLDER / path.stem}.py{colon}{argument}"
    raise InputError(
        f"there is no config {value!r}; {nearest_name(path.stem, names)}expected one of {', '.join(names)}, or "
        "the path of a Python file that defines get_config"
    )


def load_config(config: str, overrides: Sequence[str] = ()) -> Config:
    """The configuration of a training, as ``--config`` and its overrides give it on the command line.

    Args:
        config: the name or the file of the experiment, such as ``demo:tiny``; see `find_config`.
        overrides: each ``GROUP.FIELD=VALUE``, such as ``optim.learning_rate=3e-4``.

    Raises:
        InputError: there is no such config or field, or a value has the wrong type or is out of range.
    """
    return config_of_flags([f"--config={config}", *(f"--config.{override}" for override in overrides)])


def config_of_flags(arguments: Sequence[str]) -> Config:
    """Returns the configuration that `mcsan_jax.main` reads from ``--config`` and ``--config.GROUP.FIELD=VALUE``.

    Raises:
        InputError: as `load_config`.
    """
    line = ["main", *arguments]
    values = flags.FlagValues()
    define_config_flag(values, line)
    try:
        values(line)
        return from_config_dict(values["config"].value)
    except (flags.Error, AttributeError, KeyError, OSError) as error:
        # The library puts whole tracebacks into its messages; what went wrong stands at their end.
        what = in_words(str(error)).strip().splitlines()[-1].strip()
        raise InputError(f"{' '.join(arguments)}: {what}") from error


def define_config_flag(
    flag_values: flags.FlagValues = flags.FLAGS, sys_argv: list[str] | None = None
) -> flags.FlagHolder[ml_collections.ConfigDict]:
    """Defines ``--config`` and its overrides ``--config.GROUP.FIELD=VALUE``.

    Args:
        flag_values: to which the flag is added.
        sys_argv: the command line, whose overrides are defined as flags; by default the program's.

    Parsing the flag raises InputError where there is no such config, and `flags.UnrecognizedFlagError` with the
    nearest name where an override names a field that the config lacks.
    """
    holder = config_flags.DEFINE_config_file(
        "config",
        None,
        "Name or file of the experiment, such as demo:tiny or configs/msrvtt.py.",
        flag_values=flag_values,
        sys_argv=sys_argv,
    )
    flag_values["config"].parser = _ConfigParser(sys_argv)
    return holder


class _ConfigParser(ConfigFileFlagParser):
    def __init__(self, sys_argv: Sequence[str] | None) -> None:
        super().__init__("config")
        self._sys_argv = sys_argv

    def parse(self, path: str) -> ml_collections.ConfigDict:
        path = find_config(path)
        try:
            config = super().parse(path)
        except InputError as error:
            # The library puts a traceback into the message; what get_config said comes before it in the chain.
            raise error.__context__ or error from None
        # The library lets an unknown field end with an exception of Python's own.
        _check_overrides(config, sys.argv if self._sys_argv is None else self._sys_argv)
        return config


def _check_overrides(config: ml_collections.ConfigDict, arguments: Sequence[str]) -> None:
    fields = set(_fields(config))
    for word in flags.FLAGS.read_flags_from_files(list(arguments), force_gnu=False):
        override = re.match(r"--?(?:no)?config\.([^=\[]*)", word)
        if override and override[1] not in fields:
            nearest = difflib.get_close_matches(override[1], fields, 1)
            raise flags.UnrecognizedFlagError(
                f"config.{override[1]}", suggestions=[f"config.{field}" for field in nearest]
            )


def _fields(config: ml_collections.ConfigDict, group: str = "") -> Iterator[str]:
    for name, value in config.items():
        yield group + name
        if isinstance(value, ml_collections.ConfigDict):
            yield from _fields(value, f"{group}{name}.")
