"""Other ways to make one score of a trained model's levels, to learn what each level is worth."""

import dataclasses
from collections.abc import Iterable

from mcsan_jax.config import Config

USUAL_ATTRIBUTE_WEIGHT = 0.3
"""Share of the attribute agreement that is tried where a model was trained without it."""


@dataclasses.dataclass(frozen=True)
class Fusion:
    """A way to fuse.

    Attributes:
        name: for tables.
        without: levels that are left out.
        missing_levels: what becomes of a level that a caption lacks: renormalize, or zero.
        attribute_share: share of the attribute agreement.
    """

    name: str
    without: tuple[str, ...]
    missing_levels: str
    attribute_share: float

    def kept(self, parts: Iterable[str]) -> list[str]:
        """The parts that go into this score."""
        return [part for part in parts if part not in self.without]


def ablations(config: Config) -> tuple[Fusion, ...]:
    """Each level left out, missing levels in the other way, and the attribute agreement off (or on)."""
    similarity = config.similarity
    as_trained = Fusion("", (), similarity.missing_levels, similarity.attribute_share)
    levels = config.model.levels if len(config.model.levels) > 1 else ()
    fusions = [dataclasses.replace(as_trained, name=f"without {level}", without=(level,)) for level in levels]
    if similarity.missing_levels == "renormalize":
        zero = dataclasses.replace(as_trained, name="missing levels count as zero", missing_levels="zero")
        fusions.append(zero)
    else:
        other = dataclasses.replace(
            as_trained, name="renormalized over a caption's levels", missing_levels="renormalize"
        )
        fusions.append(other)
    if similarity.attribute_share > 0:
        fusions.append(dataclasses.replace(as_trained, name="without attributes", attribute_share=0.0))
    else:
        name = f"with attributes ({USUAL_ATTRIBUTE_WEIGHT:g})"
        fusions.append(dataclasses.replace(as_trained, name=name, attribute_share=USUAL_ATTRIBUTE_WEIGHT))
    return tuple(fusions)
