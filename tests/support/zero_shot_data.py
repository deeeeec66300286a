"""A small image-text encoder, and data of the embedded clips whose frames it made and whose captions it can read."""

import json
import pathlib

import h5py
import numpy as np
from PIL import Image

from data_pipeline.prepared_data import embedded_clips
from mcsan_jax.frame_encoders.encoder_provenance import provenance_of
from mcsan_jax.frame_encoders.registry import open_frame_encoder
from tests.support.command_line import run_prepare
from tests.support.image_text_folder import save_encoder_with_tokenizer

ENCODER, DATA, FEATURES = "encoder", "data", "features.hdf5"
SPLITS = {"train": 24, "val": 8, "test": 8}


def make_zero_shot_data(folder: pathlib.Path) -> None:
    """Writes the encoder, the features of some clips and the prepared data into a folder."""
    save_encoder_with_tokenizer(folder / ENCODER, places=40)
    write_features(folder / ENCODER, folder / FEATURES, folder / "captions.jsonl")
    prepare(folder, folder / DATA, "--tokenizer_file", folder / ENCODER)


def write_features(encoder_folder: pathlib.Path, features: pathlib.Path, captions: pathlib.Path) -> None:
    encoder = open_frame_encoder(str(encoder_folder))
    side = encoder.view.size
    lines = []
    with h5py.File(features, "w") as file:
        file.attrs["provenance"] = provenance_of(encoder, str(encoder_folder), frames=20).to_text()
        for split, count in SPLITS.items():
            clips = embedded_clips(count, split)
            for name, images in clips.images.items():
                small = [np.asarray(Image.fromarray(image).resize(side[::-1])) for image in images[::4]]
                file[name] = encoder.encode(np.stack(small)).frames.astype(np.float16)
                lines += [
                    json.dumps({"video_id": name, "caption": caption, "split": split})
                    for caption in clips.captions[name]
                ]
    captions.write_text("\n".join(lines) + "\n", encoding="utf-8")


def prepare(folder: pathlib.Path, out: pathlib.Path, *more: object) -> None:
    """Prepares the features and captions of a folder."""
    arguments = (
        "--dataset=jsonl",
        f"--annotations={folder / 'captions.jsonl'}",
        f"--features={folder / FEATURES}",
    )
    assert run_prepare([*arguments, f"--out={out}", *map(str, more)]) == 0
