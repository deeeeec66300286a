"""Small tokenizers of every kind, made by the real trainers, for tests."""

from pathlib import Path

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from data_pipeline.text.image_text_tokenizer import CLIP, IMAGE_TEXT_KINDS, SIGLIP, SIGLIP2
from data_pipeline.text.sentencepiece_model import KINDS, train_tokenizer
from tests.support.image_text_tokenizers import (
    write_clip_tokenizer,
    write_siglip2_tokenizer,
    write_siglip_tokenizer,
)

TEXTS = [
    "A man is riding a horse",
    "two women talk in a Café in Zürich",
    "the dog chases 2 cats",
    "你好 世界",
] * 9
EVERY_TOKENIZER = (*KINDS, "tokenizer.json", "vocab.txt", *IMAGE_TEXT_KINDS)


def write_tokenizers(folder: Path) -> dict[str, Path]:
    """A file for each of `EVERY_TOKENIZER`."""
    for kind in KINDS:
        train_tokenizer(TEXTS, folder / f"{kind}.model", kind, 80)
    write_wordpiece(folder)
    write_clip_tokenizer(folder / CLIP, TEXTS)
    write_siglip_tokenizer(folder / SIGLIP, TEXTS)
    write_siglip2_tokenizer(folder / SIGLIP2, TEXTS)
    return {
        **{kind: folder / f"{kind}.model" for kind in KINDS},
        **{name: folder / name for name in ("tokenizer.json", "vocab.txt")},
        CLIP: folder / CLIP / "tokenizer.json",
        SIGLIP: folder / SIGLIP / "spiece.model",
        SIGLIP2: folder / SIGLIP2 / "tokenizer.json",
    }


def kind_of(name: str) -> str:
    """The kind of one of `EVERY_TOKENIZER`."""
    return name if name in (*KINDS, *IMAGE_TEXT_KINDS) else "wordpiece"


def write_wordpiece(
    folder: Path, lowercase: bool = True, special: tuple[str, ...] = ("[PAD]", "[UNK]", "[CLS]", "[MASK]")
) -> None:
    """Trains a WordPiece model and writes it as ``tokenizer.json`` and as ``vocab.txt``."""
    tokenizer = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=120, special_tokens=list(special), show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.decoder = decoders.WordPiece()
    # Published files cut and pad.
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=6)
    tokenizer.save(str(folder / "tokenizer.json"))
    by_id = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece, _ in by_id), encoding="utf-8")
