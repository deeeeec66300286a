"""What made the features of a file, so that those of two encoders are never taken for the same."""

import dataclasses
import json
from typing import Any

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from data_pipeline.errors import InputError
from data_pipeline.host.typed_values import RULES, Count, Positive, parse

PROVENANCE = "provenance"
"""Attribute of a features file that holds it, as JSON."""

_DECISIVE = {"encoder": "encoder", "sha256": "SHA-256 of its weights", "preprocessing": "preprocessing"}
"""The fields in which features of the same encoder agree, and what messages call them."""


@dataclass(frozen=True, kw_only=True, config=RULES)
class Provenance:
    """The encoder of features, how pictures became its input, and which frames it saw."""

    encoder: str
    """Name of the encoder."""
    sha256: str
    """SHA-256 of the file of its weights, hexadecimal."""
    preprocessing: str
    """How a frame of a clip became the encoder's input: resized, cropped and scaled."""
    opened_as: str
    """What `mcsan extract --encoder=…` opens it with: its name, or the absolute path of its folder."""
    width: Count
    """Size of a vector."""
    regions: tuple[Count, ...] = ()
    """Rows and columns of the regions of a frame; empty for one vector a frame."""
    frames_per_second: Positive | None = None
    """At this rate frames were taken, or None where a number of frames was."""
    frames: Count | None = None
    """So many frames were taken of each clip, spread evenly, or None where a rate was given."""

    def __str__(self) -> str:
        """The encoder and the beginning of the hash of its weights, for people."""
        return f"{self.encoder} (weights {self.sha256[:8]})"

    def difference(self, other: "Provenance") -> str:
        """What tells two encoders apart, for a message; empty where features of both may be mixed.

        The frames that were taken do not count: a clip may be sampled more densely than those of the training.
        """
        ours, theirs = dataclasses.asdict(self), dataclasses.asdict(other)
        return "; ".join(
            f"the {said} is {ours[field]!r} and {theirs[field]!r}"
            for field, said in _DECISIVE.items()
            if ours[field] != theirs[field]
        )

    def to_json(self) -> dict[str, Any]:
        """Its fields as plain values."""
        return TypeAdapter(Provenance).dump_python(self, mode="json")

    def to_text(self) -> str:
        """The same as a line of JSON, as features files hold it."""
        return json.dumps(self.to_json(), sort_keys=True)

    @staticmethod
    def from_text(text: Any, where: str) -> "Provenance":
        """Reads `to_text`'s line.

        Args:
            text: the value of the attribute.
            where: file, for messages.

        Raises:
            InputError: it is no such line; the message names every field that does not fit.
        """
        advice = "Extract the features again, or remove the attribute."
        try:
            content = json.loads(text)
        except (TypeError, ValueError) as error:
            raise InputError(f"{where}, {PROVENANCE!r}: expected JSON ({error}). {advice}") from error
        return parse(Provenance, content, f"{where}, {PROVENANCE!r}: ", advice)


@dataclasses.dataclass(frozen=True)
class SourceClip:
    """The clip whose frames became features.

    Attributes:
        path: absolute path of its file.
        parts: start and end of its parts, in seconds; none for a short clip, which is one part.
    """

    path: str
    parts: tuple[tuple[float, float], ...] = ()
