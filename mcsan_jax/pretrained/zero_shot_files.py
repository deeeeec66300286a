"""Finds the image-text encoder of an experiment, and its embeddings among the streams of the data."""

import dataclasses
import itertools
from typing import Any

from data_pipeline.errors import InputError
from data_pipeline.prepared_data import Manifest
from mcsan_jax.config import Config
from mcsan_jax.models.zero_shot_branch import ZeroShotShape
from mcsan_jax.pretrained.text_tower_files import PretrainedTextTower, read_text_tower


@dataclasses.dataclass(frozen=True)
class ZeroShotEncoder:
    """An image-text encoder whose embeddings are among the features of frames.

    Attributes:
        tower: its text tower, as it was published.
        shape: what the network needs to know of it.
        note: what the user should know; empty for nothing.
    """

    tower: PretrainedTextTower
    shape: ZeroShotShape
    note: str = ""

    def params(self) -> dict[str, Any]:
        """Returns the parameters of its text tower, float32.

        Raises:
            InputError: the weights are missing, damaged, or not of the encoder that ``config.json`` describes.
        """
        return self.tower.params()


def find_zero_shot_encoder(config: Config, manifest: Manifest) -> ZeroShotEncoder | None:
    """Returns the image-text encoder with whose score an experiment begins; None where it has none.

    Raises:
        InputError: the encoder is missing, its tokenizer is not that of the data, no stream has its embeddings, or
            texts may be too long for it.
    """
    folder = config.model.pretrained_video
    if not folder:
        return None
    tower = read_text_tower(folder)
    first, note = _embeddings_of(tower, manifest)
    if manifest.tokenizer.sha256 not in tower.tokenizer_sha256:
        raise InputError(
            f"config.model.pretrained_video is {folder!r}, but the data were prepared with another tokenizer "
            f"({manifest.tokenizer.kind}, {manifest.tokenizer.size} tokens); prepare them with "
            f"--tokenizer_file={folder}"
        )
    if config.data.max_tokens > tower.longest_text:
        raise InputError(
            f"config.data.max_tokens is {config.data.max_tokens}; the encoder {folder!r} reads at most "
            f"{tower.longest_text} tokens; set --config.data.max_tokens={tower.longest_text}, or less"
        )
    return ZeroShotEncoder(tower, ZeroShotShape(tower.shape, first), note)


def _embeddings_of(tower: PretrainedTextTower, manifest: Manifest) -> tuple[int, str]:
    """Returns the first of the features of a frame that are the encoder's embeddings, and a note for the user.

    Raises:
        InputError: no stream has them, or it is not known which.
    """
    streams, dim, sha256 = manifest.frame_streams, tower.shape.tower.width_out, tower.weights_sha256()
    first_features = itertools.accumulate((stream.dim for stream in streams), initial=0)
    starts = list(zip(streams, first_features, strict=False))
    for stream, first in starts:
        if stream.provenance is not None and stream.provenance.sha256 == sha256 and stream.dim == dim:
            return first, ""
    unknown = [(stream, first) for stream, first in starts if stream.provenance is None and stream.dim == dim]
    if len(unknown) == 1:
        ((stream, first),) = unknown
        return first, (
            f"note: the features do not say what made the stream {stream.name!r}; it has as many numbers as the "
            f"embeddings of {tower.folder}, and is taken for them"
        )
    found = ", ".join(f"{one.name} [{one.dim}] from {one.provenance or one.source}" for one in streams)
    raise InputError(
        f"no stream of frames has the embeddings of {tower.folder} [{dim}] (weights {sha256[:8]}); found {found}; "
        f"extract them with `mcsan extract CLIPS --encoder={tower.folder}`, and prepare the data with that file"
    )
