"""A folder that appears complete or not at all."""

import contextlib
import pathlib
import shutil
from collections.abc import Iterator

from data_pipeline.errors import InputError
from data_pipeline.manifest import MANIFEST_NAME


@contextlib.contextmanager
def new_folder(out: pathlib.Path, overwrite: bool) -> Iterator[pathlib.Path]:
    """Yields a temporary folder beside ``out`` that takes its place when the block ends without an error.

    Args:
        out: where the folder will be; only a prepared data set may be there.
        overwrite: whether it may be replaced.

    Raises:
        InputError: something else is there or must not be replaced, or no folder can be made.
    """
    _check_free(out, overwrite)
    unfinished = out.with_name(f".{out.name}.unfinished")
    # What a killed run left.
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        unfinished.mkdir(parents=True)
    except OSError as error:
        raise InputError(
            f"{unfinished.parent}: no folder can be made in it ({error.strerror}); choose another --out"
        ) from error
    try:
        yield unfinished
        _move_into_place(unfinished, out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _check_free(out: pathlib.Path, overwrite: bool) -> None:
    """Refuses to replace anything but a prepared data set, and that only on demand."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / MANIFEST_NAME).is_file():
        raise InputError(f"{out} exists already and is not a prepared data set; choose another --out")
    if not overwrite:
        raise InputError(f"{out} exists already; choose another --out, or give --overwrite to replace it")


def _move_into_place(complete: pathlib.Path, out: pathlib.Path) -> None:
    """Puts the complete folder where an older one may be; that one is deleted last."""
    replaced = out.with_name(f".{out.name}.replaced")
    shutil.rmtree(replaced, ignore_errors=True)
    if out.exists():
        out.replace(replaced)
    complete.replace(out)
    shutil.rmtree(replaced, ignore_errors=True)
