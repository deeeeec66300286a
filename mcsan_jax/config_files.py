"""Finds the config file that ``--config`` names: one that comes with the package, by its name, or any other file."""

import difflib
import pathlib

import ml_collections
from absl import flags
from ml_collections import config_flags
from ml_collections.config_flags.config_flags import ConfigFileFlagParser

from data_pipeline.errors import InputError

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
    nearest = difflib.get_close_matches(path.stem, names, 1)
    hint = f"did you mean {nearest[0]!r}? " if nearest else ""
    raise InputError(
        f"there is no config {value!r}; {hint}expected one of {', '.join(names)}, or the path of a Python "
        "file that defines get_config"
    )


def define_config_flag(
    flag_values: flags.FlagValues = flags.FLAGS, sys_argv: list[str] | None = None
) -> flags.FlagHolder[ml_collections.ConfigDict]:
    """Defines ``--config`` and its overrides ``--config.GROUP.FIELD=VALUE``.

    Args:
        flag_values: to which the flag is added.
        sys_argv: the command line, whose overrides are defined as flags; by default the program's.

    Parsing the flag raises InputError where there is no such config.
    """
    holder = config_flags.DEFINE_config_file(
        "config",
        None,
        "Name or file of the experiment, such as demo:tiny or configs/msrvtt.py.",
        flag_values=flag_values,
        sys_argv=sys_argv,
    )
    flag_values["config"].parser = _ConfigParser("config")
    return holder


class _ConfigParser(ConfigFileFlagParser):
    def parse(self, path: str) -> ml_collections.ConfigDict:
        path = find_config(path)
        try:
            return super().parse(path)
        except InputError as error:
            # The library puts a traceback into the message; what get_config said comes before it in the chain.
            raise error.__context__ or error from None
