"""Finds the image-text encoder of an experiment, and its embeddings among the streams of the data."""

import dataclasses
import itertools
from typing import Any

from data_pipeline.errors import InputError
from data_pipeline.prepared_data import Manifest, published_tokenizers
from mcsan_jax.config import Config
from mcsan_jax.image_text.text_tower import TextShape
from mcsan_jax.image_text.tower_files import read_text_params, read_towers_config, weights_sha256
from mcsan_jax.image_text.tower_shapes import TowersConfig
from mcsan_jax.models.zero_shot_branch import ZeroShotShape


@dataclasses.dataclass(frozen=True)
class ZeroShotEncoder:
    """An image-text encoder whose embeddings are among the features of frames.

    Attributes:
        towers: its folder and the sizes of its towers.
        shape: what the network needs to know of it.
        note: what the user should know; empty for nothing.
    """

    towers: TowersConfig
    shape: ZeroShotShape
    note: str = ""

    def params(self) -> dict[str, Any]:
        """Returns the parameters of its text tower, float32.

        Raises:
            InputError: the weights are missing, damaged, or not of the encoder that ``config.json`` describes.
        """
        return read_text_params(self.towers)


def find_zero_shot_encoder(config: Config, manifest: Manifest) -> ZeroShotEncoder | None:
    """Returns the image-text encoder with whose score an experiment begins; None where it has none.

    Raises:
        InputError: the encoder is missing, its tokenizer is not that of the data, no stream has its embeddings, or
            texts may be too long for it.
    """
    folder = config.model.pretrained_video
    if not folder:
        return None
    towers = read_towers_config(folder)
    own = {one.sha256: one for one in published_tokenizers(towers.path.parent)}
    tokenizer = own.get(manifest.tokenizer.sha256)
    if tokenizer is None:
        raise InputError(
            f"config.model.pretrained_video is {folder!r}, but the data were prepared with another tokenizer "
            f"({manifest.tokenizer.kind}, {manifest.tokenizer.size} tokens); prepare them with "
            f"--tokenizer_file={folder}"
        )
    text = TextShape(
        towers.text, tokenizer.special.first, tokenizer.special.last, tokenizer.special.padding, 1
    )
    if config.data.max_tokens > text.longest_text:
        raise InputError(
            f"config.data.max_tokens is {config.data.max_tokens}; the encoder {folder!r} reads at most "
            f"{text.longest_text} tokens; set --config.data.max_tokens={text.longest_text}, or less"
        )
    first, note = _embeddings_of(towers, manifest)
    return ZeroShotEncoder(towers, ZeroShotShape(text, first), note)


def _embeddings_of(towers: TowersConfig, manifest: Manifest) -> tuple[int, str]:
    """Returns the first of the features of a frame that are the encoder's embeddings, and a note for the user.

    Raises:
        InputError: no stream has them, or it is not known which.
    """
    streams, dim = manifest.frame_streams, towers.text.width_out
    starts = dict(zip(streams, itertools.accumulate((one.dim for one in streams), initial=0), strict=False))
    folder, sha256 = towers.path.parent, weights_sha256(towers.path.parent)
    for stream, first in starts.items():
        if stream.provenance is not None and stream.provenance.sha256 == sha256 and stream.dim == dim:
            return first, ""
    unknown = [stream for stream in streams if stream.provenance is None and stream.dim == dim]
    if len(unknown) == 1:
        (stream,) = unknown
        return starts[stream], (
            f"note: the features do not say what made the stream {stream.name!r}; it has as many numbers as the "
            f"embeddings of {folder} and is taken for them"
        )
    found = ", ".join(f"{one.name} [{one.dim}] from {one.provenance or one.source}" for one in streams)
    raise InputError(
        f"no stream of frames has the embeddings of {folder} [{dim}] (weights {sha256[:8]}); found {found}; extract "
        f"them with `mcsan extract CLIPS --encoder={folder}` and prepare the data with that file"
    )
