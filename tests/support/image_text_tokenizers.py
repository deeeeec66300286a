"""Small tokenizers of image–text encoders, with the files that the published ones have."""

import json
import pathlib
from collections.abc import Sequence

import sentencepiece
import tokenizers
import transformers
from tokenizers import models, normalizers, pre_tokenizers, trainers

TEXTS = [
    "A man is riding a brown horse",
    "two women talk in a Café in Zürich",
    "a dog chases 2 cats, and they run away",
    "someone's cutting red onions in the kitchen",
    "a photo of a guitar player",
    "你好 世界",
] * 9
_CLIP_SPECIAL = ("<|startoftext|>", "<|endoftext|>")


def write_clip_tokenizer(folder: pathlib.Path, texts: Sequence[str] = TEXTS, merges: int = 150) -> int:
    """Writes ``vocab.json``, ``merges.txt`` and ``tokenizer.json``, and returns the number of ids.

    As in CLIP, the 256 bytes come first, then the same as ends of words, what is merged, and the two special tokens.
    """
    reference = transformers.CLIPTokenizer().backend_tokenizer
    trained = tokenizers.Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    trained.normalizer, trained.pre_tokenizer = reference.normalizer, reference.pre_tokenizer
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=512 + merges, initial_alphabet=alphabet, end_of_word_suffix="</w>", show_progress=False
    )
    trained.train_from_iterator(texts, trainer)
    pairs = [tuple(pair) for pair in json.loads(trained.to_str())["model"]["merges"]][:merges]
    pieces = [*alphabet, *(f"{piece}</w>" for piece in alphabet), *map("".join, pairs), *_CLIP_SPECIAL]
    vocabulary = {piece: token for token, piece in enumerate(dict.fromkeys(pieces))}
    folder.mkdir(parents=True, exist_ok=True)
    transformers.CLIPTokenizer(vocab=vocabulary, merges=pairs, model_max_length=77).save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *map(" ".join, pairs), ""]
    (folder / "merges.txt").write_text("\n".join(lines), encoding="utf-8")
    return len(vocabulary)


def write_siglip_tokenizer(folder: pathlib.Path, texts: Sequence[str] = TEXTS, size: int = 90) -> int:
    """Writes ``spiece.model``, and returns the number of ids."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "spiece.model").open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(text.lower() for text in texts),
            model_writer=file,
            model_type="unigram",
            vocab_size=size,
            hard_vocab_limit=False,
            character_coverage=1.0,
            pad_id=0,
            eos_id=1,
            unk_id=2,
            bos_id=-1,
            num_threads=1,
            minloglevel=2,
        )
    tokenizer = transformers.SiglipTokenizer(str(folder / "spiece.model"))
    tokenizer.save_pretrained(folder)
    return len(tokenizer)


def write_siglip2_tokenizer(
    folder: pathlib.Path, texts: Sequence[str] = TEXTS, merges: int = 150, lowercase: bool = False
) -> int:
    """Writes ``tokenizer.json`` like that of Gemma, with or without folding to lower case, and returns the number of
    ids."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    trained = tokenizers.Tokenizer(models.BPE())
    trained.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace(" ", "▁")])
    trained.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    trained.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=60 + merges, show_progress=False))
    model = json.loads(trained.to_str())["model"]
    pieces = [*special, *(f"<0x{byte:02X}>" for byte in range(256)), *model["vocab"]]
    vocabulary = {piece: token for token, piece in enumerate(pieces)}
    pairs = [tuple(pair) for pair in model["merges"]]
    kind = transformers.Siglip2Tokenizer if lowercase else transformers.GemmaTokenizer
    tokenizer = kind(vocab=vocabulary, merges=pairs, add_bos_token=False, add_eos_token=True)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    return len(tokenizer)


WRITERS = {
    "clip": write_clip_tokenizer,
    "siglip": write_siglip_tokenizer,
    "siglip2": write_siglip2_tokenizer,
}
"""What writes a tokenizer, by the kind of the encoder."""
