"""This module extracts features of clips that are given in place of features, with the encoders of the model.

They are kept in a folder beside the index, so that a command that is given again, or another index, does not extract
them again.
"""

import hashlib
import importlib.util
import pathlib
from collections.abc import Sequence

from data_pipeline.clips.collect_clips import CLIP_ENDINGS, collect_clips
from data_pipeline.errors import Faults, InputError, first_few
from data_pipeline.host.files import nearest_folder
from data_pipeline.prepared_data import FeatureStream, Provenance
from mcsan_jax.retrieval.zero_shot_model import is_image_text_folder

_Needed = dict[str, list[tuple[str, Provenance]]]
"""Streams and what made their features, by the hash of the weights of the encoder."""

_FEATURE_ENDINGS = frozenset((".npy", ".npz", ".h5", ".hdf5", ".bin"))


def are_clips(features: Sequence[str]) -> bool:
    """Returns whether clips are given in place of features: files, or folders with clips and without features.

    Raises:
        InputError: some are clips, and others are not.
    """
    clips = [one for one in features if _is_clip(pathlib.Path(one))]
    if clips and len(clips) < len(features):
        others = [one for one in features if one not in clips]
        raise InputError(
            f"clips and features cannot be given together: {first_few(clips)} and {first_few(others)}; give either"
        )
    return bool(clips)


def are_clips_without_model(name: str, encoders: Sequence[str]) -> bool:
    """Returns whether clips stand where a model is expected, so that the encoder is the model.

    Raises:
        InputError: they do, and there are several encoders, or the one is no folder of an image-text encoder.
    """
    path = pathlib.Path(name)
    # Runs, models and encoders have such a file, and may have clips as well.
    if not _is_clip(path) or (path / "config.json").is_file():
        return False
    if len(encoders) > 1:
        raise InputError(
            f"--encoder: {first_few(list(encoders))}; clips without a model are searched with one image-text encoder: "
            "give one of them"
        )
    folder = pathlib.Path(encoders[0])
    if not is_image_text_folder(folder):
        found = folder / "config.json"
        near = "" if found.is_file() else nearest_folder(folder, found.name)
        raise InputError(
            f"--encoder={folder} is no folder of an image-text encoder, with which clips are searched without a model; "
            f"{near}give that of a CLIP, SigLIP or SigLIP 2 ({found.name} that says so, model.safetensors, tokenizer), "
            f"or the model first: mcsan index MODEL {name} --out=INDEX"
        )
    return True


def _is_clip(path: pathlib.Path) -> bool:
    if path.is_file():
        return path.suffix.lower() in CLIP_ENDINGS
    if not path.is_dir() or any(file.suffix.lower() in _FEATURE_ENDINGS for file in path.iterdir()):
        return False
    return any(file.suffix.lower() in CLIP_ENDINGS for file in path.rglob("*"))


def features_of_clips(
    clips: Sequence[str],
    streams: Sequence[FeatureStream],
    index: pathlib.Path,
    encoders: Sequence[str] = (),
    frames_per_second: float | None = None,
) -> tuple[dict[str, str], list[str]]:
    """Extracts features of clips for each stream of a model.

    Args:
        clips: files and folders.
        streams: of the model; their provenance says which encoders they need.
        index: folder of the index; the features go to the folder beside it whose name has ``.features`` at its end.
        encoders: folders, or names, of the encoders, where they are no longer where they were.
        frames_per_second: how many frames are taken; None takes them as those of the training were.

    Returns:
        The file of each stream by its name, and what is said of the extraction.

    Raises:
        InputError: it is not known which encoder a stream needs, it cannot be opened, or no clip can be used.
    """
    if importlib.util.find_spec("av") is None:
        raise InputError(
            f"{clips[0]}: to extract features of clips, av is needed; pip install 'mcsan-jax[video]'"
        )
    # They load decoders and networks, which features need not.
    from data_pipeline.clips.sampled_frames import Sampling
    from mcsan_jax.extraction.extract_features import ExtractionOptions, extract_features
    from mcsan_jax.extraction.feature_stream_files import regions_file

    collected = collect_clips(clips)
    needed = _by_encoder(streams)
    opened_as = _encoders_to_open(needed, encoders)
    folder = index.with_name(f"{index.name}.features")
    chosen = hashlib.sha256("\n".join(map(str, collected.values())).encode()).hexdigest()[:8]
    files: dict[str, str] = {}
    lines = []
    for sha256, of_streams in needed.items():
        made = of_streams[0][1]
        out = folder / f"{made.encoder}-{chosen}.hdf5"
        grids = [one.regions for _, one in of_streams if one.regions]
        options = ExtractionOptions(
            sampling=Sampling(frames_per_second=made.frames_per_second, frames=made.frames)
            if frames_per_second is None
            else Sampling(frames_per_second=frames_per_second),
            regions=(grids[0][0], grids[0][1]) if grids else None,
            # The file is that of these very clips, of which some may have changed.
            overwrite=True,
        )
        lines += extract_features(collected, {out: opened_as[sha256]}, options).lines()
        files |= {name: str(regions_file(out) if one.regions else out) for name, one in of_streams}
    return files, lines


def _encoders_to_open(needed: _Needed, encoders: Sequence[str]) -> dict[str, str]:
    """Returns what opens each encoder, by the hash of its weights, after a look at the weights.

    Raises:
        InputError: an encoder is not where it was, or has other weights, or one was given that no stream needs.
    """
    from mcsan_jax.frame_encoders.registry import open_frame_encoder

    found = {open_frame_encoder(one).sha256: one for one in encoders}
    expected = "; ".join(f"{made} for stream {name!r}" for of in needed.values() for name, made in of)
    if foreign := [one for sha256, one in found.items() if sha256 not in needed]:
        raise InputError(
            f"--encoder={foreign[0]} has other weights than those that the model was trained with: {expected}"
        )
    for sha256, of_streams in needed.items():
        if sha256 not in found:
            made = of_streams[0][1]
            try:
                encoder = open_frame_encoder(made.opened_as or made.encoder)
            except InputError as error:
                raise InputError(
                    f"the model was trained on features of {made}, which cannot be opened ({error}); name its folder "
                    "with --encoder=FOLDER"
                ) from error
            if encoder.sha256 != sha256:
                raise InputError(
                    f"{made.opened_as} has the weights {encoder.sha256[:8]}, and the model was trained on features of "
                    f"{made}; name the folder of that encoder with --encoder=FOLDER"
                )
            found[sha256] = made.opened_as or made.encoder
    return found


def _by_encoder(streams: Sequence[FeatureStream]) -> _Needed:
    found: _Needed = {}
    faults = Faults()
    for stream in streams:
        if stream.provenance is None:
            faults.add(
                f"the model does not say which encoder made the features of its stream {stream.name!r} "
                f"({stream.source}), so that clips cannot be encoded alike; give features in place of clips, or train "
                "on those that `mcsan extract` makes"
            )
        else:
            found.setdefault(stream.provenance.sha256, []).append((stream.name, stream.provenance))
    faults.check()
    return found
