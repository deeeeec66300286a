"""Queries for what a collection does not hold: are they refused, and those for what is there answered?

`python -m benchmarks absent_queries` takes the clips of one thing after the other out of the test clips of the embedded
data set: each shape, colour, action, and pair of a colour and a shape. Captions of the clips that stay ask for what is
there. Captions that mention the thing ask for what is absent, unless they might be said of a clip that stays
(`might_be_said`): no answer to them is right, so that every one of them that finds a good match is wrongly answered. A
table has the shares at the threshold of the model's calibration, another one those at any threshold, and a third how
probabilities hold in collections of other sizes, whose clips and captions the model never saw.
"""

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.machine import describe_machine
from benchmarks.options import checked_numbers, whole_numbers
from benchmarks.quality.shape_queries import MadeClips, make_clips, might_be_said, things
from data_pipeline.errors import InputError
from mcsan_jax.calibration.calibration import Calibration
from mcsan_jax.calibration.reliability import Reliability
from mcsan_jax.evaluation.tables import aligned
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.scoring.multi_level import FUSED

REFUSED = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Shares of the queries for what is there that the second table lets be refused."""
_UNSEEN_SEED = 1
_ENCODED_AT_ONCE = 128


@dataclasses.dataclass(frozen=True)
class Found:
    """What queries of a kind of things found.

    Attributes:
        present: the probability that there is a right answer, for queries of what is there [q].
        absent: the same for queries of what is absent [r].
        right: whether the first answer to a query of what is there might be told so [q].
    """

    present: np.ndarray
    absent: np.ndarray
    right: np.ndarray

    def answered_where_refused(self, share: float) -> float:
        """Share of the absent that is answered where the threshold refuses a share of what is there."""
        return float(np.mean(self.absent >= np.quantile(self.present, share)))

    def refused_where_answered(self, share: float) -> float:
        """Share of what is there that is refused where the threshold answers a share of the absent."""
        return float(np.mean(self.present <= np.quantile(self.absent, 1 - share)))


def take_out(model: Mcsan, clips: int) -> dict[str, Found]:
    """Takes one thing after the other out of test clips, and asks all captions; returns what was found, by kind."""
    made = make_clips("test", clips, seed=0)
    queries = [query for own in made.queries for query in own]
    scores = score(model, [query.text for query in queries], made)
    said = np.array([[might_be_said(query, scene) for scene in made.scenes] for query in queries])
    owners = np.repeat(np.arange(clips), [len(own) for own in made.queries])
    found: dict[str, tuple[list[float], list[float], list[bool]]] = {}
    for thing in things():
        stays = ~np.array([thing.shown(scene) for scene in made.scenes])
        if not stays.any() or stays.all():
            continue
        present, absent, right = found.setdefault(thing.kind, ([], [], []))
        for number, query in enumerate(queries):
            kept = scores[number, stays]
            if stays[owners[number]]:
                present.append(_calibration(model).presence({FUSED: kept}))
                right.append(bool(said[number, stays][np.argmax(kept)]))
            elif thing.asked(query) and not said[number, stays].any():
                absent.append(_calibration(model).presence({FUSED: kept}))
    return {
        kind: Found(np.array(present), np.array(absent), np.array(right))
        for kind, (present, absent, right) in found.items()
        if present and absent
    }


@dataclasses.dataclass(frozen=True)
class Held:
    """How probabilities hold in a collection.

    Attributes:
        videos: how many it has.
        first: reliability of the first answers, where the clip of the caption alone is right.
        first_ten: that of the first ten.
        told: reliability of the first answers, where every clip is right of which the caption might be told.
    """

    videos: int
    first: Reliability
    first_ten: Reliability
    told: Reliability


def compare_sizes(model: Mcsan, sizes: Sequence[int], queries: int) -> list[Held]:
    """Asks one caption each of clips that no model was trained on, in collections that hold the clip and others."""
    made = make_clips("train", max(*sizes, queries), _UNSEEN_SEED)
    asked = [own[0] for own in made.queries[:queries]]
    scores = score(model, [query.text for query in asked], made)
    held = []
    for size in sizes:
        probabilities, right, told = [], [], []
        for number, query in enumerate(asked):
            others = np.delete(np.arange(len(made.scenes)), number)
            random = np.random.default_rng([number, size])
            clips = np.append(number, random.choice(others, size - 1, replace=False))
            best = clips[np.argsort(-scores[number, clips], kind="stable")]
            found = _calibration(model).probabilities({FUSED: scores[number, best]})
            probabilities.append(found[:10])
            right.append(best[:10] == number)
            told.append(might_be_said(query, made.scenes[best[0]]))
        firsts = np.array([own[0] for own in probabilities])
        held.append(
            Held(
                size,
                Reliability.of(firsts, np.array([own[0] for own in right])),
                Reliability.of(np.concatenate(probabilities), np.concatenate(right)),
                Reliability.of(firsts, np.array(told)),
            )
        )
    return held


def score(model: Mcsan, texts: Sequence[str], made: MadeClips) -> np.ndarray:
    """The fused scores of texts and clips [text, clip]."""
    videos = model.encode_document(made.features, batch_size=_ENCODED_AT_ONCE, show_progress=False)
    encoded = model.encode_query(texts, batch_size=_ENCODED_AT_ONCE, show_progress=False)
    return np.asarray(model.similarity(encoded, videos))


def _calibration(model: Mcsan) -> Calibration:
    if model.calibration is None:
        raise InputError("the model has no calibration.json; `mcsan eval RUN` fits one")
    return model.calibration


def absent_table(found: dict[str, Found], threshold: float) -> list[str]:
    """What is refused and answered at the threshold, and where one of the two is held."""
    head = [
        "taken out",
        "asked for what is there",
        "first answer fits",
        "refused",
        "asked for what is absent",
    ]
    head += ["answered", "answered where 10 % are refused", "refused where 5 % are answered"]
    rows = [
        [
            kind,
            f"{len(own.present):,}",
            _percent(own.right.mean()),
            _percent(np.mean(own.present < threshold)),
            f"{len(own.absent):,}",
            _percent(np.mean(own.absent >= threshold)),
            _percent(own.answered_where_refused(0.1)),
            _percent(own.refused_where_answered(0.05)),
        ]
        for kind, own in found.items()
    ]
    return aligned([head, *rows])


def trade_table(found: dict[str, Found]) -> list[str]:
    """Share of the absent that is answered, by the share of what is there that is refused."""
    head = ["taken out", *(f"{_percent(share)} refused" for share in REFUSED)]
    return aligned(
        [
            head,
            *(
                [kind, *(_percent(own.answered_where_refused(s)) for s in REFUSED)]
                for kind, own in found.items()
            ),
        ]
    )


def size_table(held: Sequence[Held]) -> list[str]:
    """How probabilities hold by size of the collection."""
    head = [
        "clips",
        "first answer is the clip",
        "said",
        "ECE",
        "ECE of the first ten",
        "first answer fits",
        "ECE",
    ]
    rows = [
        [
            f"{own.videos:,}",
            _percent(own.first.mean_relevant),
            _percent(own.first.mean_probability),
            f"{own.first.ece:.3f}",
            f"{own.first_ten.ece:.3f}",
            _percent(own.told.mean_relevant),
            f"{own.told.ece:.3f}",
        ]
        for own in held
    ]
    return aligned([head, *rows])


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def run(
    model: Annotated[str, typer.Argument(help="What `Mcsan.from_pretrained` opens.")] = "demo",
    clips: Annotated[int, typer.Option(min=2, help="Test clips that things are taken out of.")] = 500,
    sizes: Annotated[
        str,
        typer.Option(
            callback=checked_numbers(2), help="Of other collections, with commas between, or empty."
        ),
    ] = "10,100,500,3000",
    queries: Annotated[int, typer.Option(min=2, help="Captions that each of them is asked.")] = 1000,
) -> dict[str, Any]:
    """Measures and prints.

    Raises:
        InputError: the model cannot be used, or a size is none.
    """
    numbers = whole_numbers("--sizes", sizes, 2) if sizes else ()
    opened = Mcsan.from_pretrained(model)
    calibration = _calibration(opened)
    print(describe_machine())
    found = take_out(opened, clips)
    print(f"\nThings taken out of {clips} test clips; threshold {calibration.threshold:.3f}\n")
    print(*absent_table(found, calibration.threshold), "", *trade_table(found), sep="\n")
    held = compare_sizes(opened, numbers, queries) if numbers else []
    if held:
        print("\nCollections of other clips, with one caption each of the first\n")
        print(*size_table(held), sep="\n")
    return {
        "threshold": calibration.threshold,
        "absent": {
            kind: {
                "present": len(own.present),
                "absent": len(own.absent),
                "refused": float(np.mean(own.present < calibration.threshold)),
                "answered": float(np.mean(own.absent >= calibration.threshold)),
                "answered_where_refused": {
                    str(share): own.answered_where_refused(share) for share in REFUSED
                },
                "refused_where_answered": own.refused_where_answered(0.05),
                "first_fits": float(own.right.mean()),
            }
            for kind, own in found.items()
        },
        "sizes": {
            str(own.videos): {
                "ece": own.first.ece,
                "ece_of_ten": own.first_ten.ece,
                "right": own.first.mean_relevant,
                "fits": own.told.mean_relevant,
            }
            for own in held
        },
    }
