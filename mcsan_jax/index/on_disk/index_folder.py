"""This module guards the folder of an index: what may lie in it, who writes to it, and the model that it holds."""

import contextlib
import pathlib
import shutil
from collections.abc import Iterator

import filelock

from data_pipeline.errors import InputError, first_few
from data_pipeline.host.files import check_writable, sha256_of
from mcsan_jax.calibration.calibration import CALIBRATION_NAME
from mcsan_jax.index.on_disk.durable import sync
from mcsan_jax.index.on_disk.index_description import (
    BASES_NAME,
    CLIPS_NAME,
    COMMAND_NAME,
    DESCRIPTION_NAME,
    LOCK_NAME,
    MODEL_NAME,
    PICTURES_NAME,
    RENDERED_NAME,
    SEGMENTS_NAME,
    IndexDescription,
    StoredFile,
)
from mcsan_jax.index.on_disk.index_files import another_model
from mcsan_jax.index.on_disk.index_files import read_description as read_index
from mcsan_jax.index.on_disk.rendered_clips import remove_unused_clips
from mcsan_jax.index.on_disk.unfinished import is_finished
from mcsan_jax.retrieval.model_folder import CARD_NAME, CONFIG_NAME, read_description

_OWN = (
    DESCRIPTION_NAME,
    COMMAND_NAME,
    BASES_NAME,
    MODEL_NAME,
    SEGMENTS_NAME,
    CLIPS_NAME,
    PICTURES_NAME,
    RENDERED_NAME,
)
_OWN_NAMES = {LOCK_NAME, *_OWN, *(f".{name}.partial" for name in _OWN)}
_ADVICE = "name another folder"


def check_place(folder: pathlib.Path) -> None:
    """Checks that an index can be made in a folder: it holds nothing else, and can be written.

    Raises:
        InputError: it cannot.
    """
    others = (
        [path.name for path in folder.iterdir() if path.name not in _OWN_NAMES] if folder.is_dir() else []
    )
    if others:
        raise InputError(
            f"{folder} is not empty and holds no index ({first_few(sorted(others))}); name a new folder, or an "
            "empty one"
        )
    check_writable(folder, _ADVICE)


def locked(folder: pathlib.Path) -> filelock.BaseFileLock:
    """Locks a folder, which is made where it is missing; a program that ends, in whatever way, gives its lock back.

    Raises:
        InputError: another program has the lock, or nothing can be written.
    """
    check_writable(folder, _ADVICE)
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / LOCK_NAME, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise InputError(
            f"{folder}: another program is changing this index (it holds {folder / LOCK_NAME}); wait until it has "
            "ended; searches go on meanwhile"
        ) from error
    return lock


@contextlib.contextmanager
def released_on_error(lock: filelock.BaseFileLock) -> Iterator[None]:
    """Gives a lock back where the block raises."""
    try:
        yield
    except BaseException:
        lock.release()
        raise


def existing(
    folder: pathlib.Path, fingerprint: str, model: str, digest: str, overwrite: bool
) -> IndexDescription | None:
    """Looks at what is where an index is to be made.

    Args:
        folder: of the index.
        fingerprint: of the model whose vectors it will hold.
        model: what the model is called, for messages.
        digest: of the command that makes it.
        overwrite: whether another index is removed.

    Returns:
        The description of the index that this very command has made already; else None, and the place is free.

    Raises:
        InputError: there is another index.
    """
    if not (folder / DESCRIPTION_NAME).exists():
        return None
    try:
        there = read_index(folder)
    except InputError:
        # A damaged one can be built anew, too.
        if not overwrite:
            raise
    else:
        if is_finished(folder, there, digest):
            return there
        if not overwrite and there.fingerprint != fingerprint:
            raise another_model(model, fingerprint, folder, there.fingerprint)
        if not overwrite:
            raise InputError(
                f"{folder} is an index already, with {there.videos:,} videos; add to it with `mcsan index add`, name "
                "another folder, or give --overwrite to build it anew"
            )
    _clear(folder)
    return None


def _clear(folder: pathlib.Path) -> None:
    """Removes an index from its folder; ``index.json`` goes first, so that nobody reads a part of it."""
    for name in (DESCRIPTION_NAME, COMMAND_NAME, BASES_NAME):
        (folder / name).unlink(missing_ok=True)
    remove_unused_clips(folder, ())
    for name in (SEGMENTS_NAME, MODEL_NAME, PICTURES_NAME):
        shutil.rmtree(folder / name, ignore_errors=True)


def copy_model(source: pathlib.Path, target: pathlib.Path) -> StoredFile | None:
    """Copies a model folder, with its card and its calibration where it has them; the copy appears whole.

    Returns:
        The calibration.

    Raises:
        InputError: a file of the model is missing or damaged.
    """
    names = [CONFIG_NAME, *read_description(source).files]
    names += [name for name in (CARD_NAME, CALIBRATION_NAME) if (source / name).is_file()]
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        for name in names:
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, partial / name)
        shutil.rmtree(target, ignore_errors=True)
        partial.replace(target)
        sync(*target.rglob("*"), target, target.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    calibration = target / CALIBRATION_NAME
    if not calibration.is_file():
        return None
    return StoredFile(sha256_of(calibration), calibration.stat().st_size)
