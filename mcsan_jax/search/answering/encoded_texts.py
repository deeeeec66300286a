"""This module encodes the texts of searches, several at a time, and keeps the last ones."""

import collections
import dataclasses
import threading
from collections.abc import Sequence

import numpy as np

from data_pipeline.levels import GLOBAL, NODE_LEVELS
from data_pipeline.prepared_data import Query
from mcsan_jax.calibration.calibration import Calibration
from mcsan_jax.ranking.collection import CaptionNodes, TextCollection
from mcsan_jax.retrieval.explain import ReadText
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.scoring.multi_level import ATTRIBUTES, LINEAR, Fusion, component_shares
from mcsan_jax.search.queries.notes import corrected
from mcsan_jax.search.query_language import ParsedQuery, parse_query
from mcsan_jax.sharding import whole_rows

_KEPT = 1024
"""Texts whose encodings are kept, some 10 KB each."""

_KEPT_READ = 64
"""Texts that are kept as explanations need them, some 250 KB each."""

_BATCHES = (1, 4, 16)
"""Numbers of texts that are encoded at a time: the smallest that holds them all, so that one text costs one."""


@dataclasses.dataclass(frozen=True)
class EncodedText:
    """An encoded text is one text as the scores take it.

    Attributes:
        query: the parsed text.
        collection: the text alone.
        shares: how much of each component that the text has is in the fused score.
    """

    query: Query
    collection: TextCollection
    shares: dict[str, float]

    @property
    def levels(self) -> list[str]:
        """Returns the levels at which the text has nodes."""
        return [level for level, phrases in self.query.phrases.items() if phrases]

    def is_known_to(self, calibration: Calibration) -> bool:
        """Returns whether the probabilities of a calibration hold for the text.

        What a text denies is taken off the scores of all videos, so that they are lower than those of the fit.
        """
        denies = any(nodes.negated.any() for nodes in self.collection.nodes.values())
        return calibration.knows(self.levels) and not denies

    @property
    def nodes(self) -> dict[str, np.ndarray]:
        """Returns by level the unit vectors of the text's nodes, those of denied ones with a minus, each [n, d]."""
        return {level: nodes.signed for level, nodes in self.collection.nodes.items()}


class QueryEncoder:
    """A query encoder parses and encodes texts with a model; it may be called from several threads.

    Args:
        model: the model.
    """

    def __init__(self, model: Mcsan) -> None:
        self._model = model
        self._lock = threading.RLock()
        self._parsed: collections.OrderedDict[str, Query] = collections.OrderedDict()
        self._encoded: collections.OrderedDict[str, EncodedText] = collections.OrderedDict()
        self._read: collections.OrderedDict[str, ReadText] = collections.OrderedDict()
        self._shares: dict[frozenset[str], dict[str, float]] = {}

    def parsed(self, text: str) -> ParsedQuery:
        """Reads a query: its parts, without slips of the pen, and notes of how it was read.

        Raises:
            InputError: there is nothing to search for, or a part is empty.
        """
        parsed = parse_query(text)
        with self._lock:
            return corrected(parsed, self._model.parser)

    def parse(self, texts: Sequence[str]) -> list[Query]:
        """Parses texts, each once.

        Raises:
            InputError: there is nothing to search for in a text.
        """
        with self._lock:
            new = [text for text in dict.fromkeys(texts) if text not in self._parsed]
            if new:
                self._parsed.update(zip(new, self._model.parser.parse(new), strict=True))
            found = [self._parsed[text] for text in texts]
            _forget(self._parsed, _KEPT)
        return found

    def encode(self, texts: Sequence[str]) -> list[EncodedText]:
        """Encodes texts, each once.

        Raises:
            InputError: there is nothing to search for in a text.
        """
        with self._lock:
            new = [text for text in dict.fromkeys(texts) if text not in self._encoded]
            queries = self.parse(new)
            for start in range(0, len(new), _BATCHES[-1]):
                chunk = slice(start, start + _BATCHES[-1])
                self._encoded.update(zip(new[chunk], self._encode(queries[chunk]), strict=True))
            found = [self._encoded[text] for text in texts]
            _forget(self._encoded, _KEPT)
        return found

    def read(self, text: str) -> ReadText:
        """Reads a text for explanations.

        Raises:
            InputError: there is nothing to search for in it.
        """
        with self._lock:
            if text not in self._read:
                [encoded] = self.encode([text])
                one, model = encoded.collection, self._model
                batch = model.parser.batch([encoded.query], whole_rows(1, model.encoders.local_mesh))
                tokens = model.encoders.linear_tokens(model.variables, batch)
                texts = one.take(slice(0, 1), 1, one.capacity_for(slice(0, 1)))
                self._read[text] = ReadText(encoded.query, texts, tokens)
                _forget(self._read, _KEPT_READ)
            return self._read[text]

    def _encode(self, queries: Sequence[Query]) -> list[EncodedText]:
        model = self._model
        size = next(size for size in _BATCHES if size >= len(queries))
        batch = model.parser.batch(queries, whole_rows(size, model.encoders.local_mesh))
        encoded, _ = model.encoders.texts(model.variables, batch)
        together = TextCollection.gather([(len(queries), encoded)])
        alone = [together.rows(np.array([row])) for row in range(len(queries))]
        return [
            EncodedText(query, one, self._shares_of(one)) for query, one in zip(queries, alone, strict=True)
        ]

    def _shares_of(self, text: TextCollection) -> dict[str, float]:
        """Returns the shares of a text's components, which depend on its levels alone."""
        present = [GLOBAL] if text.pooled is not None else []
        present += [level for level in NODE_LEVELS if level in text.nodes and text.nodes[level].counts[0]]
        config = self._model.config.similarity
        present += [ATTRIBUTES] if config.attribute_share > 0 and text.attributes else []
        present += [LINEAR] if text.linear is not None else []
        key = frozenset(present)
        if key not in self._shares:
            one = text.take(slice(0, 1), 1, text.capacity_for(slice(0, 1)))
            parameters, fusion = self._model.scoring_parameters, Fusion.as_trained(config)
            shares = component_shares(present, one, parameters, fusion)
            self._shares[key] = {name: float(of_text[0]) for name, of_text in shares.items()}
        return self._shares[key]


def joined(texts: Sequence[EncodedText]) -> TextCollection:
    """Returns several texts as one collection, in their order."""
    parts = [text.collection for text in texts]
    first = parts[0]
    return TextCollection(
        None if first.pooled is None else np.concatenate([part.pooled for part in parts]),
        {
            level: CaptionNodes(
                np.concatenate([part.nodes[level].queries for part in parts]),
                np.concatenate([part.nodes[level].counts for part in parts]),
                np.concatenate([part.nodes[level].negated for part in parts]),
            )
            for level in first.nodes
        },
        {level: np.concatenate([part.attributes[level] for part in parts]) for level in first.attributes},
        len(parts),
        None if first.linear is None else np.concatenate([part.linear for part in parts]),
    )


def _forget(kept: collections.OrderedDict, most: int) -> None:
    """Drops what was added first, where more is kept than there is room for."""
    while len(kept) > most:
        kept.popitem(last=False)
