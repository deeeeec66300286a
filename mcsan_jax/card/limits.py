"""This module says what a reader must not conclude from a run's figures; every sentence follows from its files."""

from collections.abc import Iterator

from mcsan_jax.card.facts import Facts
from mcsan_jax.report.contents import DIRECTIONS, number
from mcsan_jax.report.results import EvaluatedRun


def limits(facts: Facts) -> list[str]:
    """Returns the limits of the figures, then those of the model."""
    sentences = [sentence for run in facts.evaluations for sentence in _of_evaluation(facts, run)]
    sentences.append(
        f"One seed ({facts.config.train.seed}): the intervals resample videos and do not show how much another "
        "seed would change the figures."
    )
    evaluations = len(facts.entries("val"))
    if evaluations > 1:
        sentences.append(f"The checkpoint is the best of {evaluations} evaluations on the validation split.")
    return [*sentences, *_of_model(facts)]


def _of_evaluation(facts: Facts, run: EvaluatedRun) -> Iterator[str]:
    record, split = run.record, run.evaluated
    for line in record.protocol.lines:
        if line.startswith("OPTIMISTIC:"):
            yield f"The figures of split {split} are optimistic:{line.removeprefix('OPTIMISTIC:')}"
    if record.protocol.official is False:
        yield (
            f"Split {split} does not have the counts of {record.protocol.name}: its figures cannot be compared with "
            "published ones."
        )
    elif record.protocol.official is None:
        yield (
            f"No published protocol is known for split {split}: its figures can only be compared with figures on "
            "the same videos and captions."
        )
    width = ""
    if record.intervals:
        low, high = record.intervals.rsum
        width = f"; the 95 % interval of Rsum is {number(high - low)} wide"
    yield (
        f"Split {split} has {number(record.videos, 0)} videos: one of them is {number(100 / record.videos, 2)} points "
        f"of a video-to-text recall{width}."
    )
    shares = [
        f"{record.fused.of(way).get('tied_fraction', 0.0):.2%} {title}" for way, title in DIRECTIONS.items()
    ]
    yield f"Split {split}: queries whose relevant answer ties with a wrong one: {', '.join(shares)}."


def _of_model(facts: Facts) -> Iterator[str]:
    data = facts.config.data
    yield (
        f"It reads {data.max_frames} frames of a video (more are sampled evenly), {data.max_tokens} tokens, "
        f"{data.max_actions} actions, {data.max_entities} entities, {data.max_relationships} relationships and "
        f"{data.max_modifiers} modifiers of a caption, and does not see the rest."
    )
    if facts.prepared is None:
        return
    manifest = facts.prepared.manifest
    parser = manifest.parser
    named = f" ({', '.join(f'{key} {value}' for key, value in sorted(parser.items()))})" if parser else ""
    yield (
        f"Actions, entities and relationships come from a parser for English{named} or with the data; captions in "
        "other languages, and captions with words that it misreads, are compared on fewer levels."
    )
    train = manifest.splits[data.train_split]
    sizes = ", ".join(f"{size} at level {level}" for level, size in manifest.attribute_sizes.items())
    yield (
        f"It has learned from {train.videos:,} videos with {train.captions:,} captions, and knows {sizes} as "
        "attributes: it learned what these captions say, and how they say it."
    )
