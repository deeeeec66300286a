"""A small CLIP, trained with transformers' PyTorch on pictures and sentences, and written as a Hugging Face folder."""

import itertools
import json
import math
import pathlib
from collections.abc import Sequence

import numpy as np
import tokenizers
import torch
import transformers
from jaxtyping import UInt8
from tokenizers import models, pre_tokenizers, trainers

_SPECIAL = ("<|startoftext|>", "<|endoftext|>")
_PLACES, _WIDTH, _LAYERS, _PATCH = 48, 64, 2, 8


def train_small_clip(
    folder: pathlib.Path,
    pictures: Sequence[UInt8[np.ndarray, "f row column 3"]],
    captions: Sequence[Sequence[str]],
    steps: int,
    batch: int = 64,
    seed: int = 0,
) -> None:
    """Trains on one frame and one caption of each of some clips at a time, and writes the encoder.

    Args:
        folder: where the encoder is written.
        pictures: frames of each clip, square.
        captions: of each clip.
        steps: how many.
        batch: clips of a step.
        seed: of the order and of the first weights.
    """
    size = _write_tokenizer(folder, list(itertools.chain(*captions)))
    tokenizer = transformers.CLIPTokenizer.from_pretrained(folder)
    side = pictures[0].shape[1]
    torch.manual_seed(seed)
    model = transformers.CLIPModel(_config(size, side))
    processor = transformers.CLIPImageProcessor(
        size={"shortest_edge": side}, crop_size={"height": side, "width": side}
    )
    mean, deviation = (
        torch.tensor(each).reshape(1, 3, 1, 1) for each in (processor.image_mean, processor.image_std)
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1.0, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * step / steps))
    )
    draw = np.random.default_rng(seed)
    for step in range(steps):
        chosen = draw.choice(len(pictures), min(batch, len(pictures)), replace=False)
        frames = np.stack([pictures[clip][draw.integers(len(pictures[clip]))] for clip in chosen])
        texts = [captions[clip][draw.integers(len(captions[clip]))] for clip in chosen]
        pixels = (torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255 - mean) / deviation
        words = tokenizer(texts, return_tensors="pt", padding=True, truncation=True, max_length=_PLACES)
        loss = model(**words, pixel_values=pixels, return_loss=True).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0 or step == steps - 1:
            print(f"small CLIP, step {step + 1} of {steps}: loss {loss.item():.3f}", flush=True)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def _config(vocabulary_size: int, side: int) -> transformers.CLIPConfig:
    blocks = {
        "hidden_size": _WIDTH,
        "intermediate_size": 3 * _WIDTH,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": 4,
    }
    text = {
        **blocks,
        "vocab_size": vocabulary_size,
        "max_position_embeddings": _PLACES,
        "bos_token_id": vocabulary_size - 2,
        "eos_token_id": vocabulary_size - 1,
        "pad_token_id": vocabulary_size - 1,
    }
    vision = {**blocks, "image_size": side, "patch_size": _PATCH}
    return transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=_WIDTH)


def _write_tokenizer(folder: pathlib.Path, texts: Sequence[str]) -> int:
    """Writes a tokenizer of CLIP's kind, and returns the number of its ids."""
    reference = transformers.CLIPTokenizer().backend_tokenizer
    trained = tokenizers.Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    trained.normalizer, trained.pre_tokenizer = reference.normalizer, reference.pre_tokenizer
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=1500, initial_alphabet=alphabet, end_of_word_suffix="</w>", show_progress=False
    )
    trained.train_from_iterator(texts, trainer)
    pairs = [tuple(pair) for pair in json.loads(trained.to_str())["model"]["merges"]]
    pieces = [*alphabet, *(f"{piece}</w>" for piece in alphabet), *map("".join, pairs), *_SPECIAL]
    vocabulary = {piece: token for token, piece in enumerate(dict.fromkeys(pieces))}
    folder.mkdir(parents=True, exist_ok=True)
    transformers.CLIPTokenizer(vocab=vocabulary, merges=pairs, model_max_length=_PLACES).save_pretrained(
        folder
    )
    return len(vocabulary)
