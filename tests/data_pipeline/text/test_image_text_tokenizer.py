"""Tokenizers of CLIP, SigLIP and SigLIP 2 against those of the library with which the encoders were published."""

import json
import pathlib
import pickle

import pytest
import sentencepiece
import transformers
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from data_pipeline.errors import InputError
from data_pipeline.text.image_text_tokenizer import CLIP, FIRST_ID, SIGLIP, SIGLIP2, ImageTextTokenizer
from data_pipeline.text.tokenizer import PAD_ID, token_span
from data_pipeline.text.vocabulary import AUTO, TokenizerOptions, choose_tokenizer, published_tokenizers
from tests.data_pipeline.text.tokenizer_files import write_wordpiece
from tests.support.image_text_tokenizers import WRITERS

ODD_TEXTS = [
    "A man's riding 22 brown horses!",
    "two dogs, and a cat: they chase (slowly) the man's 22 cats?!",
    "1,234.56 it's I'll we've, 3½ and 10²",
    "😀 man 👩‍👩‍👧 rides; café, Zu\u0308rich & ZÜRICH",
    "İ ﬁ\u00adﬃ Σας ΑΣ",
    "  a lead\tand\na trail\u00a0of\u2028white   space ",
    "你好 世界, 说 здравствуй мир",
    "a▁b </w> <0x41> #version",
    "\x00\x85 a",
    "...",
    "an unpronounceable" + "x" * 300,
]

REFERENCES = {
    CLIP: (transformers.CLIPTokenizer,),
    SIGLIP: (transformers.SiglipTokenizer,),
    # The second one, with which the encoder's folders were published, does not fold to lower case.
    SIGLIP2: (transformers.Siglip2Tokenizer, transformers.GemmaTokenizer),
}
every_kind = pytest.mark.parametrize("kind", WRITERS)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pathlib.Path]:
    folder = tmp_path_factory.mktemp("image_text")
    for kind, write in WRITERS.items():
        write(folder / kind)
    return {kind: folder / kind for kind in WRITERS}


@pytest.fixture(scope="module")
def tokenizers(folders: dict[str, pathlib.Path]) -> dict[str, list[ImageTextTokenizer]]:
    found = {kind: published_tokenizers(folder) for kind, folder in folders.items()}
    return {
        kind: [one for one in each if isinstance(one, ImageTextTokenizer)] for kind, each in found.items()
    }


@every_kind
def test_ids_are_those_of_the_encoder_and_one(
    tokenizers: dict[str, list[ImageTextTokenizer]], folders: dict[str, pathlib.Path], kind: str
) -> None:
    assert [one.kind for one in tokenizers[kind]] == [kind] * (2 if kind == CLIP else 1)
    for library in REFERENCES[kind]:
        reference = library.from_pretrained(folders[kind])
        for tokenizer in tokenizers[kind]:
            assert tokenizer.size == len(reference) + FIRST_ID
            for text in ODD_TEXTS:
                # Each character by itself, so that a last sigma is like any other.
                lowered = "".join(map(str.lower, text))
                given = lowered if library is transformers.GemmaTokenizer else text
                expected = reference(given, add_special_tokens=False)["input_ids"]
                assert [token - FIRST_ID for token in tokenizer.encode(text).ids] == expected


@every_kind
def test_special_tokens_are_those_that_the_library_adds(
    tokenizers: dict[str, list[ImageTextTokenizer]], folders: dict[str, pathlib.Path], kind: str
) -> None:
    reference = REFERENCES[kind][0].from_pretrained(folders[kind], padding_side="right")
    ids = reference("a dog", padding="max_length", max_length=12)["input_ids"]
    for tokenizer in tokenizers[kind]:
        own = [token - FIRST_ID for token in tokenizer.encode("a dog").ids]
        special = tokenizer.special
        whole = [*([] if special.first is None else [special.first]), *own, special.last]
        assert ids == whole + [special.padding] * (12 - len(whole))


@every_kind
def test_text_that_looks_like_a_special_token_is_text(
    tokenizers: dict[str, list[ImageTextTokenizer]], kind: str
) -> None:
    for tokenizer in tokenizers[kind]:
        special = tokenizer.special
        text = "<|startoftext|> a <|endoftext|> </s> <eos><pad> dog"
        ids = {token - FIRST_ID for token in tokenizer.encode(text).ids}
        assert not ids & {special.first, special.last, special.padding}


@given(text=st.text(max_size=20))
@example(text="!a\t .man'S\n")
@example(text=" İ ſ ﬁ ")
@example(text="<unk> a</s> <pad>")
def test_siglip_reads_text_without_punctuation_and_knows_its_places(
    tokenizers: dict[str, list[ImageTextTokenizer]], folders: dict[str, pathlib.Path], text: str
) -> None:
    (tokenizer,) = tokenizers[SIGLIP]
    # To us the name of a special token is text, as another test says.
    reference = transformers.SiglipTokenizer.from_pretrained(folders[SIGLIP], split_special_tokens=True)
    encoded = tokenizer.encode(text)
    assert [token - FIRST_ID for token in encoded.ids] == reference(text)["input_ids"][:-1]
    for begin, end in encoded.offsets:
        # A token is made of the characters that it points to; what was dropped lies between them.
        assert 0 <= begin <= end <= len(text)


def test_places_of_what_siglip_drops(tokenizers: dict[str, list[ImageTextTokenizer]]) -> None:
    (tokenizer,) = tokenizers[SIGLIP]
    text = '"A  man\'s (brown) horse."'
    offsets = tokenizer.encode(text).offsets
    for word, read in (("A", "a"), ("man's", "mans"), ("(brown)", "brown"), ("horse.", "horse")):
        begin = text.index(word)
        span = token_span(offsets, (begin, begin + len(word)))
        assert span is not None
        assert tokenizer.decode(tokenizer.encode(text).ids[slice(*span)]) == read
    assert tokenizer.encode(' ."?! ').ids == []


@every_kind
def test_the_bytes_of_a_character_share_its_place(
    tokenizers: dict[str, list[ImageTextTokenizer]], kind: str
) -> None:
    text = "a 😀 man"
    for tokenizer in tokenizers[kind]:
        encoded = tokenizer.encode(text)
        span = token_span(encoded.offsets, (2, 3))
        assert span is not None
        # SigLIP knows no bytes.
        assert tokenizer.decode(encoded.ids[slice(*span)]) == ("⁇" if kind == SIGLIP else "😀")
        assert tokenizer.decode(encoded.ids[span[1] :]) == "man"


@every_kind
def test_a_tokenizer_can_be_sent_to_another_process(
    tokenizers: dict[str, list[ImageTextTokenizer]], kind: str
) -> None:
    for tokenizer in tokenizers[kind]:
        again = pickle.loads(pickle.dumps(tokenizer))
        assert all(again.encode(text) == tokenizer.encode(text) for text in ODD_TEXTS)


def test_both_forms_of_clip_are_one_tokenizer(
    tokenizers: dict[str, list[ImageTextTokenizer]], folders: dict[str, pathlib.Path], tmp_path: pathlib.Path
) -> None:
    one, other = tokenizers[CLIP]
    assert one.file_name == other.file_name == "tokenizer.json"
    assert one.pieces() == other.pieces() and one.special == other.special and PAD_ID not in other._cutter.ids
    for text in ODD_TEXTS:
        assert one.encode(text) == other.encode(text)
    # What prepared data keep of two files is one.
    for name in ("vocab.json", "merges.txt"):
        (tmp_path / name).write_bytes((folders[CLIP] / name).read_bytes())
    (kept,) = published_tokenizers(tmp_path)
    assert kept.sha256 == other.sha256


@every_kind
def test_a_folder_names_its_tokenizer(folders: dict[str, pathlib.Path], kind: str) -> None:
    name = "spiece.model" if kind == SIGLIP else "tokenizer.json"
    chosen = TokenizerOptions(kind, file=folders[kind] / name)
    own = TokenizerOptions()
    for asked in (AUTO, kind):
        for file in (folders[kind], folders[kind] / name):
            assert choose_tokenizer(asked, own, file=str(file)) == chosen
    with pytest.raises(InputError, match=f"--tokenizer={kind} needs --tokenizer_file=FOLDER"):
        choose_tokenizer(kind, own)
    with pytest.raises(InputError, match="--vocabulary_size=99 has no use"):
        choose_tokenizer(AUTO, own, file=str(folders[kind]), vocabulary_size=99)


def test_a_folder_without_a_tokenizer_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError, match=r"no tokenizer; expected tokenizer\.json, .*spiece\.model"):
        choose_tokenizer(AUTO, TokenizerOptions(), file=str(tmp_path))


def test_foreign_files_are_named(folders: dict[str, pathlib.Path], tmp_path: pathlib.Path) -> None:
    own = TokenizerOptions()
    for asked, folder, found in ((SIGLIP2, CLIP, CLIP), (CLIP, SIGLIP2, SIGLIP2)):
        file = str(folders[folder] / "tokenizer.json")
        with pytest.raises(
            InputError, match=f"expected the tokenizer.json of a {asked} .* that of a {found}"
        ):
            choose_tokenizer(asked, own, file=file)
    write_wordpiece(tmp_path)
    with pytest.raises(InputError, match=r"tokenizer\.json of a clip encoder, found another one"):
        choose_tokenizer(CLIP, own, file=str(tmp_path))
    with pytest.raises(InputError, match=r"spiece\.model: not the name of a tokenizer of the kind 'clip'"):
        choose_tokenizer(CLIP, own, file=str(folders[SIGLIP] / "spiece.model"))


def test_damaged_files_are_named(folders: dict[str, pathlib.Path], tmp_path: pathlib.Path) -> None:
    vocabulary = folders[CLIP] / "vocab.json"
    damaged = tmp_path / "vocab.json"
    own = TokenizerOptions()
    damaged.write_bytes(vocabulary.read_bytes())
    with pytest.raises(InputError, match=r"merges\.txt beside it: .*cannot be read"):
        choose_tokenizer(AUTO, own, file=str(tmp_path))
    (tmp_path / "merges.txt").write_text("a\n", encoding="utf-8")
    with pytest.raises(InputError, match="not a tokenizer of the Hugging Face library"):
        choose_tokenizer(AUTO, own, file=str(tmp_path))
    damaged.write_text("[1]", encoding="utf-8")
    with pytest.raises(InputError, match="expected the ids of tokens by name, found"):
        choose_tokenizer(AUTO, own, file=str(tmp_path))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    damaged.write_text(json.dumps({"a": 0, "<|endoftext|>": 1}), encoding="utf-8")
    with pytest.raises(InputError, match=r"no token '<\|startoftext\|>'"):
        choose_tokenizer(AUTO, own, file=str(tmp_path))
    (tmp_path / "spiece.model").write_bytes(b"text")
    with pytest.raises(InputError, match=r"spiece\.model: not a sentencepiece model"):
        choose_tokenizer(AUTO, own, file=str(tmp_path))


def test_siglip_in_the_other_form_is_the_same_tokenizer(
    tokenizers: dict[str, list[ImageTextTokenizer]], tmp_path: pathlib.Path
) -> None:
    """As folders have it that were converted for other programs: the same pieces in a ``tokenizer.json``."""
    (one,) = tokenizers[SIGLIP]
    processor = sentencepiece.SentencePieceProcessor()
    processor.LoadFromSerializedProto(one.content)
    pieces = [(processor.id_to_piece(token), processor.get_score(token)) for token in range(len(processor))]
    other = Tokenizer(models.Unigram(pieces, unk_id=2))
    other.normalizer = normalizers.NFKC()
    other.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    other.decoder = decoders.Metaspace()
    other.add_special_tokens(["<pad>", "</s>", "<unk>"])
    other.save(str(tmp_path / "tokenizer.json"))
    (again,) = published_tokenizers(tmp_path)
    assert isinstance(again, ImageTextTokenizer)
    assert (again.kind, again.size, again.special) == (SIGLIP, one.size, one.special)
    assert again.pieces() == one.pieces()
    for text in (*ODD_TEXTS[:2], "Two WOMEN's horse, </s> (brown) 世界"):
        first, second = one.encode(text), again.encode(text)
        assert first.ids == second.ids
        # Only the white space between words may count to either of them.
        assert [text[begin:end].strip() for begin, end in first.offsets] == [
            text[begin:end].strip() for begin, end in second.offsets
        ]
        if one.unknown_id not in first.ids:
            assert again.decode(second.ids) == one.decode(first.ids)
