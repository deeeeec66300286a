"""This module says under whose terms the inputs of a run are, as far as the run knows."""

from data_pipeline.prepared_data import EMBEDDED_DATA
from mcsan_jax.card.facts import Facts

FILL_IN = "UNKNOWN to the run, fill in"

_ANNOTATIONS = {
    "msrvtt": "owner's terms (Microsoft), research use; the videos belong to their uploaders",
    "vatex": "owner's terms, CC BY 4.0 as they state; the videos belong to their uploaders, research use",
    "msvd": "owner's terms (Microsoft Research Video Description Corpus), research use",
    "activitynet": "owner's terms (ActivityNet Captions); the videos belong to their uploaders, research use",
    "youcook2": "owner's terms (YouCook2); the videos belong to their uploaders, research use",
    "didemo": "BSD 2-Clause as they state; the videos belong to their uploaders, research use",
    "charades_sta": "owner's terms (Charades, Allen Institute for AI), non-commercial research use",
    "lsmdc": "owner's terms (LSMDC, Max Planck Institute for Informatics), research use",
}

_ENCODERS = {"minilm": "sentence-transformers/all-MiniLM-L6-v2, Apache-2.0, as its publisher states"}
"""The licences of the pretrained encoders that a config can name."""


def licence_facts(facts: Facts) -> dict[str, str]:
    """Returns the licence of each kind of input; one that the run cannot know is marked as to be filled in."""
    if facts.prepared and facts.prepared.manifest.dataset in EMBEDDED_DATA:
        found = {"captions and features": "none needed: made on the spot by this package (Apache-2.0)"}
    else:
        found = {"captions": _captions(facts), "features": _features(facts)}
    encoder = facts.config.model.pretrained
    if encoder:
        unknown = f"{FILL_IN}: {encoder} is the user's own choice"
        found["pretrained text encoder"] = _ENCODERS.get(encoder, unknown)
    if facts.prepared and facts.prepared.manifest.word_vectors:
        found["word vectors"] = f"{FILL_IN}: terms of {facts.prepared.manifest.word_vectors.source}"
    return {**found, "code": "Apache-2.0 (mcsan_jax)"}


def _captions(facts: Facts) -> str:
    if facts.prepared is None:
        return f"{FILL_IN}: the prepared data was not found"
    known = _ANNOTATIONS.get(facts.prepared.manifest.dataset)
    stored = facts.prepared.licence
    if known is None:
        return f"{FILL_IN}: the data is the user's own" + (f" ({stored})" if stored else "")
    return known


def _features(facts: Facts) -> str:
    if facts.prepared is None:
        return f"{FILL_IN}: the prepared data was not found"
    sources = ", ".join(stream.source_and_encoder for stream in facts.prepared.manifest.streams)
    terms = f"{FILL_IN}: terms of the backbone that made {sources}"
    if facts.prepared.manifest.dataset in _ANNOTATIONS:
        return f"made from videos that are for research use; {terms}"
    return terms
