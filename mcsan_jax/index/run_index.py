"""This module keeps an index of a model's own videos beside the model, up to date: what `mcsan serve RUN` shows.

``index_source.json`` beside it says of what it was made; without that file, an index was made by hand and stays.
"""

import dataclasses
import importlib.util
import json
import pathlib
from collections.abc import Sequence

from data_pipeline.errors import Faults, InputError
from data_pipeline.host.files import nearest_folder, write_text
from data_pipeline.prepared_data import (
    FEATURE_FILES_NAME,
    MANIFEST_NAME,
    Manifest,
    read_feature_files,
    stored_captions,
)
from mcsan_jax.index.build_index import build_index
from mcsan_jax.index.new_videos import VideoOptions, digest_of, files_of
from mcsan_jax.index.on_disk.index_description import COMMAND_NAME, DESCRIPTION_NAME
from mcsan_jax.index.on_disk.index_files import model_fingerprint, read_description
from mcsan_jax.retrieval.find_model import find_model
from mcsan_jax.retrieval.given_features import by_stream
from mcsan_jax.retrieval.model_folder import is_model_folder
from mcsan_jax.retrieval.searcher import EMBEDDED
from mcsan_jax.runs.folder import RunFolder

INDEX_NAME = "index"
SOURCE_NAME = "index_source.json"
_DIGEST, _FINISHED = "digest", "finished"


@dataclasses.dataclass(frozen=True)
class Moved:
    """What is no longer where it was when the data were prepared.

    Attributes:
        features: ``PATH``, or ``STREAM=PATH`` for each stream.
        clips: folder with the files to play.
        data: folder of the prepared data.
    """

    features: Sequence[str] = ()
    clips: pathlib.Path | None = None
    data: pathlib.Path | None = None


def index_to_serve(place: pathlib.Path, moved: Moved = Moved()) -> tuple[pathlib.Path, list[str]]:
    """Returns the folder of an index, and what is said of it.

    Args:
        place: an index, which is returned as it is; or a run or a model, for whose videos an index is made or brought
            up to date in the folder ``index`` in it.
        moved: where the features, the clips and the prepared data are now.

    Raises:
        InputError: there is no index, run or model, or its features are not known, or not there.
    """
    if any((place / name).exists() for name in (DESCRIPTION_NAME, COMMAND_NAME)):
        if moved != Moved():
            raise InputError(
                f"{place} is an index already; --features, --clips and --data are for a run or a model, of whose "
                "videos an index is made"
            )
        return place, []
    if not place.is_dir():
        raise InputError(
            f"{place}: there is no such folder; {nearest_folder(place, DESCRIPTION_NAME)}name an index, a run or the "
            "folder of a model"
        )
    return _RunIndex(place, moved).brought_up_to_date()


class _RunIndex:
    """The index of a run or of a model."""

    def __init__(self, place: pathlib.Path, moved: Moved) -> None:
        self._place, self._moved = place, moved
        self._folder, self._source_file = place / INDEX_NAME, place / SOURCE_NAME
        try:
            self._model = find_model(place)
        except InputError as error:
            raise InputError(f"{place} is no index (it has no {DESCRIPTION_NAME}); {error}") from error
        self._data, self._data_missing = self._prepared_data()
        self._manifest = Manifest.load(self._model if is_model_folder(self._model) else self._needed_data())
        known = {} if self._data is None else read_feature_files(self._data)
        self._rates = {name: file.frame_rate for name, file in known.items()}
        self._paths = {name: file.path for name, file in known.items()} | self._moved_features()
        self._embedded = self._manifest.dataset == EMBEDDED and not self._paths
        if not self._embedded:
            self._check_features()

    def brought_up_to_date(self) -> tuple[pathlib.Path, list[str]]:
        """Makes the index, or leaves one that is as it should be; returns its folder, and what is said of it."""
        is_there, before = (self._folder / DESCRIPTION_NAME).is_file(), self._read_source()
        fingerprint = model_fingerprint(self._model) if is_model_folder(self._model) else ""
        same_model = is_there and read_description(self._folder).fingerprint == fingerprint
        if is_there and before is None:
            if not same_model:
                raise InputError(
                    f"{self._folder} is an index of another model than that of {self._place}, and was made by hand; "
                    "name it to serve it, or remove it, and one of this model is made"
                )
            return self._folder, [f"{self._folder} was made by hand, and is served as it is"]
        source = digest_of(
            [
                [EMBEDDED] if self._embedded else files_of(self._paths),
                self._rates,
                str(self._moved.clips),
                self._data is not None,
                self._manifest.fingerprint,
            ]
        )
        if same_model and before == {_DIGEST: source, _FINISHED: True}:
            return self._folder, []
        lines = []
        if is_there:
            what = "its features, clips or captions have" if same_model else "the model has"
            lines = [f"{self._folder}: {what} changed, so that it is made anew"]
        self._write_source(source, finished=False)
        features = [EMBEDDED] if self._embedded else self._paths
        lines += build_index(
            str(self._place), features, self._folder, "float16", self._options(), overwrite=True
        )
        self._write_source(source, finished=True)
        return self._folder, lines

    def _options(self) -> VideoOptions:
        clips = self._moved.clips
        if self._embedded:
            can_render = clips is None and importlib.util.find_spec("av") is not None
            return VideoOptions(clips=clips, render_clips=can_render)
        captions = () if self._data is None else tuple(stored_captions(self._data, self._manifest))
        return VideoOptions(clips=clips, captions=captions, frame_rate=self._rates)

    def _prepared_data(self) -> tuple[pathlib.Path | None, str]:
        """Returns the folder of the prepared data, None where they are not found, and then why."""
        if self._moved.data is not None:
            folder, where = self._moved.data, f"--data={self._moved.data}"
        elif is_model_folder(self._place):
            return None, f"{self._place} is a model without data"
        else:
            folder = pathlib.Path(RunFolder(self._place).stored_config().data.dir)
            where = f"{folder.absolute()}, where the data were in training"
        if not (folder / MANIFEST_NAME).is_file() and self._moved.data is None:
            return None, f"{where}, has no {MANIFEST_NAME}"
        # Data of another run have other captions.
        found = Manifest.load(folder)
        if is_model_folder(self._model) and found.fingerprint != Manifest.load(self._model).fingerprint:
            return None, f"{where}, are other data than those of the training"
        return folder, where

    def _needed_data(self) -> pathlib.Path:
        if self._data is None:
            raise InputError(f"{self._data_missing}; name the folder of the prepared data with --data=DIR")
        return self._data

    def _moved_features(self) -> dict[str, str]:
        given, names = by_stream(self._moved.features), [stream.name for stream in self._manifest.streams]
        if isinstance(given, str):
            if len(names) > 1:
                raise InputError(
                    f"--features={given}: the model reads {', '.join(names)}; give --features={names[0]}=PATH, and so "
                    "on"
                )
            return {names[0]: given}
        return given or {}

    def _check_features(self) -> None:
        faults = Faults()
        for stream in self._manifest.streams:
            flag = f"--features={stream.name}=PATH"
            path = self._paths.get(stream.name)
            if path is None:
                why = (
                    self._data_missing if self._data is None else f"{self._data} has no {FEATURE_FILES_NAME}"
                )
                faults.add(
                    f"{self._place}: it is not known where the features of stream {stream.name!r} are ({why}); name "
                    f"them with {flag}, or the prepared data with --data=DIR"
                )
            elif not pathlib.Path(path).exists():
                faults.add(
                    f"{path}: the features of stream {stream.name!r} were there in training, and are gone; name where "
                    f"they are now with {flag}"
                )
        faults.check()

    def _read_source(self) -> object | None:
        """Returns what the index was made of; None where it was not made here."""
        try:
            return json.loads(self._source_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError:
            # It is as good as that of another source.
            return {}

    def _write_source(self, digest: str, *, finished: bool) -> None:
        write_text(self._source_file, json.dumps({_DIGEST: digest, _FINISHED: finished}) + "\n")
