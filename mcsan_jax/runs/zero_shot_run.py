"""This module makes a run of an image-text encoder on prepared data that was never trained: a baseline."""

import dataclasses
import pathlib
from typing import Literal

from data_pipeline.errors import InputError
from data_pipeline.prepared_data import (
    Manifest,
    OtherTokens,
    TokenizerFile,
    open_tokenizer,
    published_tokenizers,
)
from mcsan_jax.config import Config, DataConfig, EvaluationConfig, ModelConfig
from mcsan_jax.pretrained.text_tower_files import read_text_tower
from mcsan_jax.runs.folder import RunFolder
from mcsan_jax.runs.open import TrainedRun, open_run, stored_licence
from mcsan_jax.training.experiment import build_experiment, variables_of

_BENCHMARKS = ("msrvtt", "vatex", "msvd")
"""Data sets whose published figures count another video's caption of the same text as a wrong answer."""

_MOST_TOKENS = 64
"""So many tokens of a caption are read at most where the data do not say how many there are."""


def run_or_baseline(
    run: pathlib.Path,
    data: pathlib.Path | None,
    merge_duplicates: bool,
    encoder: pathlib.Path | None,
    out: pathlib.Path | None,
) -> TrainedRun:
    """Opens a run, or, where an encoder is given, that encoder on prepared data.

    Args:
        run: folder of the run, or of the prepared data.
        data: the prepared data of the run, where they have moved.
        merge_duplicates: whether captions of the same text are one query.
        encoder: folder of an image-text encoder.
        out: folder of what is written of the encoder; by default ``runs/zero_shot_DATA``.

    Raises:
        InputError: as `open_run` and `zero_shot_run`, or the arguments do not go together.
    """
    if encoder is None:
        if out is not None:
            raise InputError(f"--out={out} is for --zero_shot; a run keeps its evaluations in its own folder")
        return open_run(run, data, merge_duplicates)
    if data is not None:
        raise InputError(f"--data={data}: with --zero_shot the prepared data are the first argument")
    folder = out or pathlib.Path("runs") / f"zero_shot_{run.absolute().name}"
    return zero_shot_run(encoder, run, folder, merge_duplicates)


def zero_shot_run(
    encoder: pathlib.Path, data: pathlib.Path, folder: pathlib.Path, merge_duplicates: bool = False
) -> TrainedRun:
    """Opens an image-text encoder as a run on prepared data whose frames it made.

    Captions that were prepared with another tokenizer are read with the encoder's own; their graphs stay.

    Args:
        encoder: folder of the encoder.
        data: folder of the prepared data.
        folder: of the run; it is made, or holds the same run.
        merge_duplicates: whether an evaluation takes captions of the same text as one query.

    Raises:
        InputError: there are no such data or encoder, the frames of the data are not the encoder's, or the folder
            holds another run.
    """
    manifest, run = Manifest.load(data), RunFolder(folder)
    if run.checkpoints.is_dir():
        raise InputError(f"{folder} holds a run that was trained; name another folder with --out")
    same_text: Literal["relevant", "wrong"] = "wrong" if manifest.dataset in _BENCHMARKS else "relevant"
    tower = read_text_tower(str(encoder))
    read_as, tokens, other_tokens = manifest, 0, None
    if manifest.tokenizer.sha256 not in tower.tokenizer_sha256:
        tokenizer = published_tokenizers(encoder)[0]
        other_tokens = OtherTokens(open_tokenizer(data, manifest.tokenizer), tokenizer)
        file = TokenizerFile(tokenizer.kind, tokenizer.size, tokenizer.file_name, tokenizer.sha256)
        read_as = dataclasses.replace(manifest, tokenizer=file)
        # How many of its tokens the captions have is not counted in the data.
        tokens = min(_MOST_TOKENS, tower.longest_text)
        print(
            f"captions are read with the tokenizer of {encoder}; the data were prepared with another "
            f"({manifest.tokenizer.kind}, {manifest.tokenizer.size:,} tokens)",
            flush=True,
        )
    config = Config(
        name=f"zero_shot_{data.absolute().name}",
        data=DataConfig(
            dir=str(data),
            max_tokens=tokens,
            max_actions=0,
            max_entities=0,
            max_relationships=0,
            max_modifiers=0,
        ),
        model=ModelConfig(pretrained_video=str(encoder.absolute()), zero_shot_only=True),
        evaluation=EvaluationConfig(same_text=same_text, merge_duplicates=merge_duplicates),
    )
    experiment = dataclasses.replace(build_experiment(config, read_as, trains=False), manifest=manifest)
    if experiment.note:
        print(experiment.note, flush=True)
    run.check_writable("name another folder with --out")
    run.claim(experiment.config, manifest.fingerprint)
    variables = variables_of(experiment.initial_state())
    licence = stored_licence(data, manifest)
    return TrainedRun(run, experiment, data, 0, variables, licence, other_tokens=other_tokens)
