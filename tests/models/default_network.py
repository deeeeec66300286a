import dataclasses
from typing import Any

import jax

from data_pipeline.batches.batch import PairBatch
from mcsan_jax.encodings import Encoding, ScoringParameters
from mcsan_jax.models.mcsan import MCSAN

COUNT = 4

encode = jax.jit(lambda model, variables, batch: model.apply(variables, batch), static_argnums=0)


@dataclasses.dataclass(frozen=True)
class DefaultNetwork:
    """The default network with a batch and what comes out of it."""

    model: MCSAN
    variables: Any
    batch: PairBatch
    videos: Encoding
    texts: Encoding

    def apply(self, batch: PairBatch) -> tuple[Encoding, Encoding, ScoringParameters]:
        return encode(self.model, self.variables, batch)
