"""Queries as people type them: what the reading of a query is worth, on clips of moving shapes.

`python -m benchmarks typed_queries` searches the test clips with the demo model and prints four tables: captions in the
words of users, as they stand and as they are read; answers with an unwanted thing, with and without a negative part;
two clips joined, found by "A then B" among both orders; and the moment in such a clip at which each caption is true.
"""

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import typer

from data_pipeline.moving_shapes.captions import NOUNS
from data_pipeline.moving_shapes.dataset import clip
from data_pipeline.moving_shapes.scene import COLOURS
from data_pipeline.prepared_data import embedded_clips
from mcsan_jax.retrieval.embeddings import VideoEmbeddings
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.scoring.multi_level import FUSED
from mcsan_jax.search.answering.encoded_texts import QueryEncoder
from mcsan_jax.search.best_moments import frame_relevance
from mcsan_jax.search.queries.notes import corrected
from mcsan_jax.search.query_language import parse_query
from mcsan_jax.search.query_score import combine_parts
from mcsan_jax.search.stretches import best_stretches

TOP = 10


def misspelt(text: str, chance: random.Random) -> str:
    """The text with two letters exchanged, or one too few or too many, in a word of five letters or more, if any."""
    words = text.split()
    long = [place for place, word in enumerate(words) if len(word) > 4]
    if not long:
        return text
    place = chance.choice(long)
    word, at = words[place], chance.randrange(1, len(words[place]) - 1)
    slips = (word[at + 1] + word[at], "", 2 * word[at])
    slip = chance.choice(slips)
    words[place] = word[:at] + slip + word[at + (2 if slip == slips[0] else 1) :]
    return " ".join(words)


FORMS: dict[str, Callable[[str, random.Random], str]] = {
    "as it is": lambda text, _: text,
    "capitals": lambda text, _: text.upper(),
    "a slip": misspelt,
    "show me …": lambda text, _: f"show me {text}",
    "is there a video where …?": lambda text, _: f"is there a video where {text}?",
    "hashtags": lambda text, _: " ".join(f"#{word}" for word in text.split()),
    "emoji after it": lambda text, _: f"{text} 🔴⭐",
    "a full stop": lambda text, _: f"{text}.",
    "ten thousand characters": lambda text, _: f"{text} and so on{' and so on' * 1000}"[:10_000],
}
"""How a user might write a caption."""


def recall_of_forms(
    model: Mcsan, captions: Sequence[str], videos: VideoEmbeddings
) -> list[tuple[str, list[float]]]:
    """Recall at 1 and at 10 of each form as it stands, then as it is read, in percent; caption i is of video i."""
    rows = []
    for name, write in FORMS.items():
        chance = random.Random(0)
        typed = [write(caption, chance) for caption in captions]
        read = [corrected(parse_query(text), model.parser).steps[0] for text in typed]
        found = []
        for texts in (typed, read):
            scores = model.similarity(model.encode_query(texts, show_progress=False), videos)
            better = (scores > np.diag(scores)[:, None]).sum(axis=1)
            found += [100 * float(np.mean(better < rank)) for rank in (1, TOP)]
        rows.append((name, found))
    return rows


def answers_with_unwanted(
    model: Mcsan, videos: VideoEmbeddings, looks: Sequence[Sequence[tuple[str, str]]]
) -> list[tuple[str, list[float]]]:
    """Shares of the first answers that have the unwanted and the wanted thing, plain and with a negative part."""
    things = list(itertools.product(COLOURS, NOUNS))
    has = {thing: np.array([thing in of_clip for of_clip in looks]) for thing in things}
    has |= {
        ("", shape): np.any([has[colour, shape] for colour in COLOURS], axis=0).astype(bool)
        for shape in NOUNS
    }
    texts = {(colour, shape): f"{colour} {NOUNS[shape][-1]}".strip() for colour, shape in has}
    embedded = model.encode_query(list(texts.values()), show_progress=False)
    scores_of = dict(zip(has, np.asarray(model.similarity(embedded, videos)), strict=True))
    rows = []
    for kind, colours in (("red box -ball", [""]), ("red box -(green ball)", list(COLOURS))):
        unwanted = list(itertools.product(colours, NOUNS))
        pairs = [
            (one, other) for one in things for other in unwanted if one[0] != other[0] and one[1] != other[1]
        ]
        found = []
        for with_negative in (False, True):
            met = []
            for want, avoid in pairs:
                negatives = {texts[avoid]: scores_of[avoid]} if with_negative else {}
                scores = combine_parts([{FUSED: scores_of[want]}], [{}], negatives).scores
                first = np.argsort(-scores, kind="stable")[:TOP]
                met.append((has[avoid][first].mean(), has[want][first].mean()))
            found += (100 * np.mean(met, axis=0)).tolist()
        rows.append((kind, found))
    return rows


def joined_features(
    features: Mapping[str, Mapping[str, np.ndarray]], pairs: Sequence[tuple[str, str]]
) -> dict[str, dict[str, np.ndarray]]:
    """The features of two clips one after the other, by stream."""
    return {
        stream: {f"{one}+{other}": np.concatenate([of[one], of[other]]) for one, other in pairs}
        for stream, of in features.items()
    }


def order_and_moments(
    model: Mcsan,
    features: Mapping[str, Mapping[str, np.ndarray]],
    captions: Mapping[str, str],
) -> tuple[list[tuple[str, list[float]]], list[tuple[str, list[float]]]]:
    """How well "A then B" finds A followed by B among all joined clips, and which frames the moments of A and B are."""
    ids = list(captions)
    order = np.random.default_rng(0).permutation(len(ids))
    pairs = [(ids[one], ids[other]) for one, other in zip(order, np.roll(order, -1), strict=True)]
    both = [*pairs, *((other, one) for one, other in pairs)]
    videos = model.encode_document(joined_features(features, both), batch_size=64, show_progress=False)
    encoder = QueryEncoder(model)
    texts = dict(zip(ids, encoder.encode([captions[name] for name in ids]), strict=True))
    fused = model.similarity(
        model.encode_query([captions[name] for name in ids], show_progress=False), videos
    )
    scores_of = {name: {FUSED: np.asarray(fused)[row]} for row, name in enumerate(ids)}
    relevance = {
        name: frame_relevance(text.nodes, text.shares, videos.frames) for name, text in texts.items()
    }
    ranks: dict[str, list[tuple[int, bool]]] = {"the mean of both": [], "A then B": []}
    moments, frames = [], videos.frames["entity"].lengths.shape[1]
    for row, (one, other) in enumerate(pairs):
        stretches = best_stretches(np.stack([relevance[one], relevance[other]]))
        for name, lost in (("the mean of both", None), ("A then B", stretches.order_lost)):
            scores = combine_parts([scores_of[one], scores_of[other]], [{}, {}], {}, lost).scores
            reverse = row + len(pairs)
            ranks[name].append((int((scores > scores[row]).sum()), bool(scores[row] > scores[reverse])))
        for place, text in enumerate((one, other)):
            alone = best_stretches(relevance[text][None])
            moments.append((place, int(alone.first[0, row]), int(alone.last[0, row])))
    table = [
        (name, [100 * float(np.mean(v)) for v in (r < 1, r < TOP, right)])
        for name, found in ranks.items()
        for r, right in [np.array(found).T]
    ]
    trivial = {"the whole video": (0, frames - 1), "the first half": (0, frames // 2 - 1)}
    truth = [(place * frames // 2, (place + 1) * frames // 2 - 1) for place, *_ in moments]
    kinds = {"the moment": [found for _, *found in moments]} | {
        name: [list(found)] * len(truth) for name, found in trivial.items()
    }
    return table, [(name, _overlap(found, truth)) for name, found in kinds.items()]


def _overlap(found: Sequence[Sequence[int]], truth: Sequence[Sequence[int]]) -> list[float]:
    """Percent of stretches that lie within the true ones, and the mean of intersection over union, in percent."""
    first, last, start, end = np.concatenate([found, truth], axis=1).T
    shared = np.maximum(np.minimum(last, end) - np.maximum(first, start) + 1, 0)
    union = (last - first) + (end - start) + 2 - shared
    inside = (first >= start) & (last <= end)
    return [100 * float(inside.mean()), 100 * float((shared / union).mean())]


def _print_table(
    heads: Sequence[str], rows: Sequence[tuple[str, Sequence[float]]]
) -> dict[str, dict[str, float]]:
    """Prints a table, and returns its figures by row and column."""
    print(f"\n| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for name, values in rows:
        print(f"| {name} | {' | '.join(f'{value:.1f}' for value in values)} |")
    return {name: dict(zip(heads[1:], values, strict=True)) for name, values in rows}


def run(
    split: Annotated[
        Literal["train", "val", "test"], typer.Option(help="The constants were chosen on val.")
    ] = "test",
    count: Annotated[int | None, typer.Option(min=2, help="Clips that are searched; by default all.")] = None,
) -> dict[str, Any]:
    """Measures and prints.

    Raises:
        InputError: the split does not have so many clips.
    """
    clips, model = embedded_clips(count, split), Mcsan.from_pretrained("demo")
    captions = {name: of_clip[0] for name, of_clip in clips.captions.items()}
    videos = model.encode_document(clips.features, batch_size=64, show_progress=False)
    scenes = [clip(split, index, 0).scene for index in range(len(videos))]
    looks = [[(look.colour, look.shape) for look in scene.looks] for scene in scenes]
    print(f"{len(videos)} clips of split {split}; all figures are percent")
    recalls = ["R@1", "R@10"]
    typed = _print_table(
        ["a caption, typed", *recalls, *(f"{name} as read" for name in recalls)],
        recall_of_forms(model, list(captions.values()), videos),
    )
    unwanted = _print_table(
        ["first ten answers", "unwanted", "wanted", "unwanted, with -", "wanted, with -"],
        answers_with_unwanted(model, videos, looks),
    )
    order, moments = order_and_moments(model, clips.features, captions)
    return {
        "clips": len(videos),
        "typed": typed,
        "unwanted": unwanted,
        "order": _print_table(["two clips joined", *recalls, "right order first"], order),
        "moments": _print_table(["where a caption is true", "inside", "IoU"], moments),
    }
