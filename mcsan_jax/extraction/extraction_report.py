"""What became of the clips of an extraction: counts and rates, and which clips are missing or cut short, and why."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping

from data_pipeline.errors import first_few
from data_pipeline.host.files import write_text

_VERSION = 1


@dataclasses.dataclass(frozen=True)
class ExtractionReport:
    """What became of the clips.

    Attributes:
        files: the features files by what made them, such as ``efficientnet_lite0 (weights 1a2b3c4d)``.
        pictures: the folder of posters and film strips; None where none were made.
        clips: how many are in the files.
        frames: of all these clips.
        length: seconds of all these clips.
        skipped: why clips are not in the files, by id.
        cut_short: what could not be read of clips that are in the files, by id.
        parts: the number of parts of each clip that lasts more than a minute, by id; 0 of one that is left whole,
            because a number of frames was taken of each clip and not a rate.
        extracted: how many clips, and how many of their frames, were extracted by this command and not before.
        extracted_length: seconds of these clips.
        seconds: how long that took.
        was_finished: whether an earlier command had done it all.
    """

    files: Mapping[pathlib.Path, str]
    pictures: pathlib.Path | None
    clips: int
    frames: int
    length: float
    skipped: Mapping[str, str]
    cut_short: Mapping[str, str]
    parts: Mapping[str, int]
    extracted: tuple[int, int]
    extracted_length: float
    seconds: float
    was_finished: bool = False

    def rates(self) -> str:
        """Clips and frames per second, and seconds of clips per second, of what this command extracted."""
        return rates(*self.extracted, self.extracted_length, self.seconds)

    def lines(self) -> list[str]:
        """What is printed: files, counts, and every clip that is missing or cut short."""
        made = [
            f"{path}: {counted_clips(self.clips)}, {self.frames:,} frames by {by}"
            for path, by in self.files.items()
        ]
        done = ["done already: the files are there as this command makes them"] if self.was_finished else []
        rows = {
            "pictures": "" if self.pictures is None else str(self.pictures),
            "rates": self.rates() if self.extracted[0] and not self.was_finished else "",
            "long": self._long(),
            "skipped": counted_clips(len(self.skipped)) if self.skipped else "",
            **{f"  {video_id}": reason for video_id, reason in self.skipped.items()},
            "cut short": counted_clips(len(self.cut_short)) if self.cut_short else "",
            **{f"  {video_id}": what for video_id, what in self.cut_short.items()},
        }
        return [*done, *made, *(f"{name}: {said}" for name, said in rows.items() if said)]

    def _long(self) -> str:
        divided = [f"{video_id} into {count:,}" for video_id, count in self.parts.items() if count]
        whole = [video_id for video_id, count in self.parts.items() if not count]
        said = []
        if divided:
            said.append(
                f"{counted_clips(len(divided))} of more than a minute, cut into parts: {first_few(divided)}"
            )
        if whole:
            said.append(
                f"{counted_clips(len(whole))} of more than a minute, left whole: {first_few(whole)}; --fps=2 cuts "
                "into parts"
            )
        return "; ".join(said)

    def faults(self) -> list[str]:
        """A line for each clip that is missing or cut short."""
        missing = [f"{video_id}: skipped: {reason}" for video_id, reason in self.skipped.items()]
        return [*missing, *(f"{video_id}: cut short: {what}" for video_id, what in self.cut_short.items())]

    def save(self, path: pathlib.Path) -> None:
        """Writes the report as JSON, in one step."""
        content = {
            "schema_version": _VERSION,
            "files": {str(file): by for file, by in self.files.items()},
            "pictures": None if self.pictures is None else str(self.pictures),
            "clips": self.clips,
            "frames": self.frames,
            "seconds_of_clips": round(self.length, 3),
            "skipped": self.skipped,
            "cut_short": self.cut_short,
            "parts": self.parts,
            "extracted_now": {
                "clips": self.extracted[0],
                "frames": self.extracted[1],
                "seconds_of_clips": round(self.extracted_length, 3),
                "seconds": round(self.seconds, 3),
            },
        }
        write_text(path, json.dumps(content, indent=1) + "\n")

    @staticmethod
    def load(path: pathlib.Path) -> "ExtractionReport | None":
        """Reads what `save` wrote; None where there is no such file, or it was changed."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            now = content["extracted_now"]
            return ExtractionReport(
                {pathlib.Path(file): by for file, by in content["files"].items()},
                None if content["pictures"] is None else pathlib.Path(content["pictures"]),
                content["clips"],
                content["frames"],
                content["seconds_of_clips"],
                content["skipped"],
                content["cut_short"],
                content["parts"],
                (now["clips"], now["frames"]),
                now["seconds_of_clips"],
                now["seconds"],
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


def counted_clips(count: int) -> str:
    """Returns a number of clips in words of a message."""
    return f"{count:,} clip{'' if count == 1 else 's'}"


def rates(clips: int, frames: int, length: float, seconds: float) -> str:
    """Returns what is done in a second, for people.

    Args:
        clips: how many were done.
        frames: how many of them were encoded.
        length: of the clips, in seconds.
        seconds: how long it took.
    """
    seconds = max(seconds, 1e-3)
    return (
        f"{clips / seconds:.1f} clips/s, {frames / seconds:.0f} frames/s, {length / seconds:.0f} × real time"
    )


def report_file(out: pathlib.Path) -> pathlib.Path:
    """Returns the path of the report of a features file."""
    return out.with_name(f"{out.stem}.report.json")
