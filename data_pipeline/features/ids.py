"""Matches ids of annotations with ids of features that differ only in how they are written."""

import dataclasses
import difflib
import itertools
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np

from data_pipeline.errors import InputError
from data_pipeline.features.provenance import Provenance, SourceClip
from data_pipeline.features.source import FeatureSource

_VIDEO_ENDINGS = "3gp|avi|flv|gif|m4v|mkv|mov|mp4|mpe?g|ogv|ts|vob|webm|wmv"
_FEATURE_ENDINGS = "h5|hdf5|npy|npz|pkl|pickle|pt|pth|json|txt"
_ENDINGS = rf"(\.({_VIDEO_ENDINGS}|{_FEATURE_ENDINGS}))+$"


def _without_ending(name: str) -> str:
    return re.sub(_ENDINGS, "", name, flags=re.IGNORECASE)


_RULES: Mapping[str, Callable[[str], str]] = {
    "in Unicode's normal form NFC": lambda name: unicodedata.normalize("NFC", name),
    "without white space at their ends": str.strip,
    "without folders before the name": lambda name: re.sub(r"^.*[/\\]", "", name, flags=re.DOTALL),
    "without the number of a caption (#enc#0)": lambda name: re.sub(r"(#(enc#)?\d+)+$", "", name),
    "without the ending of a file (.mp4)": _without_ending,
    "without v_ before them": lambda name: re.sub(r"^(v_)+", "", name),
    "without zeros before numbers": lambda name: re.sub(r"(?<!\d)0+(?=\d)", "", name),
    "in lower case": str.casefold,
}
"""What may be done to ids to compare them, from the mildest to the boldest, in the order in which it is done."""


class MatchedFeatures(FeatureSource):
    """A source whose videos have the ids of the annotations; see `FeatureSource`."""

    def __init__(self, source: FeatureSource, stored_as: Mapping[str, str]) -> None:
        """Takes the features as they are stored, and ids of the source by those of the annotations that differ."""
        self.description = source.description
        self._source, self._stored_as = source, stored_as

    def ids(self) -> set[str]:
        """Ids of the videos that have features, of the annotations where these know them."""
        return (self._source.ids() - set(self._stored_as.values())) | set(self._stored_as)

    def read(self, video_id: str) -> np.ndarray:
        """Features of a video; see `FeatureSource.read`."""
        return self._source.read(self._stored_as.get(video_id, video_id))

    def times(self, video_id: str, frames: int) -> np.ndarray | None:
        """Seconds of its frames; see `FeatureSource.times`."""
        return self._source.times(self._stored_as.get(video_id, video_id), frames)

    def provenance(self) -> Provenance | None:
        """What made the features; see `FeatureSource.provenance`."""
        return self._source.provenance()

    def clip(self, video_id: str) -> SourceClip | None:
        """The clip of a video; see `FeatureSource.clip`."""
        return self._source.clip(self._stored_as.get(video_id, video_id))


def match_without_endings(asked: Collection[str], known: Collection[str]) -> dict[str, str]:
    """Finds known videos under ids that may have the ending of a file where the known ones have none, or the reverse.

    Returns:
        The known id of each id that was found; one that several known ids match without their endings is not found.
    """
    by_form: dict[str, list[str]] = {}
    for each in known:
        by_form.setdefault(_without_ending(each), []).append(each)
    found = {each: [each] if each in known else by_form.get(_without_ending(each), []) for each in set(asked)}
    return {each: ids[0] for each, ids in found.items() if len(ids) == 1}


def match_ids(
    annotated: Collection[str], features: Mapping[str, FeatureSource]
) -> tuple[dict[str, FeatureSource], list[str]]:
    """Gives features the ids of the annotations where both mean the same video beyond doubt.

    Ids that are the same match. Where ids are left on both sides, rules make them alike (`_RULES`), as few as match
    the most. A rule that makes two ids of one side the same is not taken: there the difference has a meaning.

    Args:
        annotated: ids under which the annotations expect features.
        features: sources by the stream's name.

    Returns:
        The sources, and sentences about what was done.

    Raises:
        InputError: a stream has features of no annotated video.
    """
    matched: dict[str, FeatureSource] = {}
    notes: list[str] = []
    faults: list[str] = []
    for stream, source in features.items():
        matched[stream], said = _match(annotated, stream, source)
        notes += said
        if not matched[stream].ids() & set(annotated):
            faults.append(
                f"none of the {len(annotated)} annotated videos has features in stream {stream!r} "
                f"({source.description}); the annotations name videos like {_shown(min(annotated))}, the features "
                f"like {_shown(min(source.ids(), default='(none)'))}; "
                + "; ".join([*said, f"nearest: {nearest_pairs(annotated, source.ids())}"])
            )
    if faults:
        raise InputError("\n  ".join(faults))
    return matched, notes


def _match(annotated: Collection[str], stream: str, source: FeatureSource) -> tuple[FeatureSource, list[str]]:
    stored = source.ids()
    wanted = set(annotated)
    if wanted <= stored or stored <= wanted:
        return source, []
    same = len(wanted & stored)
    attempts = [_Attempt.make(rules, wanted, stored) for rules in _subsets(_effective_rules(wanted | stored))]
    notes: list[str] = []
    result = source
    # `max` takes the first of several, which has the fewest rules.
    best = max(attempts, key=lambda attempt: attempt.matches)
    unique = [attempt for attempt in attempts if attempt.unique]
    chosen = max(unique, key=lambda attempt: attempt.matches, default=None)
    if chosen is not None and chosen.matches > same:
        pairs = _pairs(wanted, stored, chosen.rules)
        meant: dict[str, set[str]] = {}
        for attempt in unique:
            if attempt.matches > same:
                for name, other in _pairs(wanted, stored, attempt.rules).items():
                    meant.setdefault(name, set()).add(other)
        same = chosen.matches
        differing = {name: other for name, other in pairs.items() if meant[name] == {other} != {name}}
        if differing:
            result = MatchedFeatures(source, differing)
            example = min(differing)
            notes.append(
                f"stream {stream!r}: {len(differing)} ids of features match those of the annotations when compared "
                f"{', '.join(chosen.rules)}, such as {_shown(differing[example])} and {_shown(example)}"
            )
        if unsure := sorted(name for name, others in meant.items() if len(others) > 1):
            others = " or ".join(map(_shown, sorted(meant[unsure[0]])))
            notes.append(
                f"stream {stream!r}: {len(unsure)} ids of the annotations match several of the features, which is not "
                f"decided: {_shown(unsure[0])} may be {others}"
            )
    if best.matches > same:
        forms = [*_by_form(wanted, best.rules).values(), *_by_form(stored, best.rules).values()]
        twins = next(ids for ids in forms if len(ids) > 1)
        notes.append(
            f"stream {stream!r}: {best.matches - same} more ids would match when compared {', '.join(best.rules)}, "
            f"which is not done because {_shown(twins[0])} and {_shown(twins[1])} would be the same"
        )
    left = wanted - result.ids()
    if 10 * len(left) > len(wanted) > len(left):
        notes.append(
            f"stream {stream!r}: {len(left)} annotated videos have no features under their ids; nearest: "
            f"{nearest_pairs(left, result.ids() - wanted)}"
        )
    return result, notes


def _pairs(annotated: Collection[str], stored: Collection[str], rules: Sequence[str]) -> dict[str, str]:
    """Ids of the annotations with those of the features that rules make the same, where each side stays unique."""
    ours, theirs = _by_form(annotated, rules), _by_form(stored, rules)
    return {ours[form][0]: theirs[form][0] for form in ours if form in theirs}


@dataclasses.dataclass(frozen=True)
class _Attempt:
    """What rules achieve.

    Attributes:
        rules: names of the rules.
        matches: forms that ids of both sides get.
        unique: whether ids of one side stay different.
    """

    rules: tuple[str, ...]
    matches: int
    unique: bool

    @staticmethod
    def make(rules: tuple[str, ...], annotated: Collection[str], stored: Collection[str]) -> "_Attempt":
        ours, theirs = _by_form(annotated, rules), _by_form(stored, rules)
        unique = len(ours) == len(annotated) and len(theirs) == len(stored)
        return _Attempt(rules, len(ours.keys() & theirs.keys()), unique)


def _effective_rules(ids: Iterable[str]) -> list[str]:
    """The rules that change any of the ids when they are applied one after another."""
    effective = []
    current = set(ids)
    for name, rule in _RULES.items():
        changed = {rule(each) for each in current}
        if changed != current:
            effective.append(name)
        current = changed
    return effective


def _subsets(rules: Sequence[str]) -> Iterable[tuple[str, ...]]:
    return itertools.chain.from_iterable(
        itertools.combinations(rules, count) for count in range(len(rules) + 1)
    )


def _by_form(ids: Iterable[str], rules: Iterable[str]) -> dict[str, list[str]]:
    """The ids by what the rules make of them."""
    forms: dict[str, list[str]] = {}
    for each in sorted(ids):
        form = each
        for name in rules:
            form = _RULES[name](form)
        forms.setdefault(form, []).append(each)
    return forms


def nearest_pairs(ids: Collection[str], others: Collection[str]) -> str:
    """For the first few ids the most similar of the others, written so that look-alikes can be told apart."""
    # Similarity takes long to compute, and an example is enough.
    candidates = sorted(others)[:5000]
    pairs = []
    for each in sorted(ids)[:3]:
        found = difflib.get_close_matches(each, candidates, n=1, cutoff=0.5)
        pairs += [f"{_shown(each)} and {_shown(other)}" for other in found]
    return ", ".join(pairs) or "none are similar"


def _shown(name: str) -> str:
    """An id as a literal; of one that is not ASCII also its characters' codes."""
    return repr(name) if name.isascii() else f"{name!r} ({name!a})"
