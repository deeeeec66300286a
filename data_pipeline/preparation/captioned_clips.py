"""Captions of the clips whose features are extracted: checked before, and prepared with the features after."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from data_pipeline.annotations.caption import Annotations
from data_pipeline.annotations.sources import read_annotations
from data_pipeline.errors import InputError, first_few, shown
from data_pipeline.features.feature_files import FeatureFile
from data_pipeline.features.ids import match_ids, nearest_pairs
from data_pipeline.features.source import FeatureSource, no_features
from data_pipeline.features.streams import open_features, stream_names
from data_pipeline.features.write_hdf5 import command_of
from data_pipeline.host.files import sha256_of
from data_pipeline.manifest import MANIFEST_NAME
from data_pipeline.preparation.prepare_folder import REPORT_NAME, Options, Source, check_out, prepare
from data_pipeline.preparation.runner import LocalRunner
from data_pipeline.preparation.selection import refuse_losses, select_videos
from data_pipeline.preparation.summary import summarize
from data_pipeline.text.vocabulary import AUTO, choose_tokenizer

_TABLES, _JSON = (".csv", ".tsv"), (".jsonl", ".json", ".ndjson")
_FLAG = "--prepared"
_MADE_OF = "made_of"
_CAPTIONS = "captions"
_NO_CLIP = "no clip of this name; correct it in the captions, or add the clip"


@dataclasses.dataclass(frozen=True)
class CaptionedClips:
    """Captions that go with clips, and the folder into which both are prepared.

    Attributes:
        annotations: the captions.
        sha256: of the file where they were read.
        folder: to be made.
        options: how to prepare.
        notes: what the user should know before features are extracted.
    """

    annotations: Annotations
    sha256: str
    folder: pathlib.Path
    options: Options
    notes: list[str]

    @classmethod
    def read(
        cls,
        file: pathlib.Path,
        clips: Mapping[str, pathlib.Path],
        features: Sequence[pathlib.Path],
        folder: pathlib.Path,
        overwrite: bool,
        allow_missing: bool,
        strict: bool,
    ) -> "CaptionedClips":
        """Reads captions and compares their ids with those of the clips, before any clip is decoded.

        Args:
            file: a table or JSON, as `prepare` reads them.
            clips: files by id.
            features: the files that will hold the features of these clips.
            folder: of the prepared data.
            overwrite: whether an older one may be replaced.
            allow_missing: whether a split may lose more than a tenth of its videos.
            strict: whether a caption without a clip is an error.

        Raises:
            InputError: captions cannot be read, too many of them are of no clip (all of these are named), or the
                folder was prepared from other captions or features and must not be replaced.
        """
        annotations = read_annotations(_reader(file), [file])
        options = Options(
            tokenizer=choose_tokenizer(AUTO, Options().tokenizer),
            strict=strict,
            allow_missing=allow_missing,
            overwrite=overwrite,
            out_flag=_FLAG,
        )
        captioned = cls(annotations, sha256_of(file), folder.absolute(), options, [])
        if not captioned._is_made_of(features):
            check_out(captioned.folder, overwrite, _FLAG)
        captioned._match(file, clips)
        return captioned

    @property
    def has_parts(self) -> bool:
        """Whether captions are of parts of longer clips."""
        return bool(self.annotations.segments)

    def _match(self, file: pathlib.Path, clips: Mapping[str, pathlib.Path]) -> None:
        """Compares ids; see `read`."""
        segments = self.annotations.segments
        ids = {segments[one].video_id if one in segments else one for one in self._ids()}
        matched, _ = match_ids(ids, {"clips": _ClipIds(clips)})
        missing = sorted(ids - matched["clips"].ids())
        if not missing:
            return
        near = nearest_pairs(missing, matched["clips"].ids() - ids)
        line = (
            f"{file}: {len(missing):,} of {len(ids):,} video ids are of no clip: "
            f"{', '.join(map(shown, missing))}; nearest: {near}"
        )
        if self.options.strict:
            raise InputError(line)
        self.notes.append(line)
        try:
            videos, report = select_videos(self.annotations, matched, {}, self.options.max_words)
            if not self.options.allow_missing:
                refuse_losses(self.annotations, videos, report, _NO_CLIP)
        except InputError as error:
            raise InputError(f"{line}\n{error}") from error

    def _ids(self) -> Collection[str]:
        without = self.annotations.videos_without_captions
        return {caption.video_id for caption in self.annotations.captions} | without.keys()

    def prepare(self, features: Sequence[pathlib.Path]) -> list[str]:
        """Prepares captions and features, and returns what is said of it.

        Args:
            features: the files of all streams; those with an end of ``_regions`` hold regions.

        Raises:
            InputError: too much of a split would be left out, or the folder was prepared from others and must not be
                replaced.
        """
        if not self.options.overwrite and self._is_made_of(features):
            return [f"{self.folder}: prepared already"]
        check_out(self.folder, self.options.overwrite, _FLAG)
        paths = stream_names(map(str, features))
        regions = [name for name in paths if name.endswith("_regions")]
        source = Source(
            self.annotations,
            {name: open_features(path) for name, path in paths.items()},
            files={name: FeatureFile(str(path.absolute())) for name, path in paths.items()},
            report={_MADE_OF: self._made_of(features)},
        )
        run = LocalRunner(self.folder.parent / "graph_cache", os.cpu_count() or 1)
        report = prepare(source, self.folder, run, dataclasses.replace(self.options, region_streams=regions))
        return [summarize(report), f"written to {self.folder}"]

    def _made_of(self, features: Sequence[pathlib.Path]) -> dict[str, str | None]:
        """What decides the content of the folder: the hash of the captions, and that of what made each stream."""
        streams = stream_names(map(str, features))
        return {
            _CAPTIONS: self.sha256,
            **{f"features {name}": command_of(path) for name, path in streams.items()},
        }

    def _is_made_of(self, features: Sequence[pathlib.Path]) -> bool:
        """Whether the folder was prepared from these captions and features; files not yet written are no others."""
        if not (self.folder / MANIFEST_NAME).is_file():
            return False
        now, before = self._made_of(features), _noted(self.folder / REPORT_NAME)
        return now.keys() == before.keys() and all(one in (None, before[name]) for name, one in now.items())


def _noted(report: pathlib.Path) -> dict[str, Any]:
    """What a folder was made of by its report; nothing where `mcsan prepare` made it."""
    try:
        return dict(json.loads(report.read_text(encoding="utf-8"))[_MADE_OF])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


class _ClipIds(FeatureSource):
    """Clips by their ids, as a source of features before there are any."""

    def __init__(self, clips: Mapping[str, pathlib.Path]) -> None:
        self.description = f"{len(clips):,} clips"
        self._clips = clips

    def ids(self) -> set[str]:
        return set(self._clips)

    def read(self, video_id: str) -> np.ndarray:
        raise no_features(self._clips[video_id], video_id)

    def times(self, video_id: str, frames: int) -> None:
        return None


def _reader(file: pathlib.Path) -> str:
    name = file.name.removesuffix(".gz").lower()
    if name.endswith(_TABLES):
        return "csv"
    if name.endswith(_JSON):
        return "jsonl"
    raise InputError(
        f"--captions={file}: expected a table ({first_few(_TABLES)}) or JSON ({first_few(_JSON)}), found another ending"
    )
