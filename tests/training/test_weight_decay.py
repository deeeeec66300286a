"""Which parameters decay, over the networks of all configs and of all choices that no config makes."""

import dataclasses

import jax

from mcsan_jax.config import Config, ModelConfig, defaults, from_config_dict
from mcsan_jax.configs import ablations, peers
from mcsan_jax.configs.derived import BASES
from mcsan_jax.models.bert import BertShape
from mcsan_jax.models.mcsan import MCSAN
from mcsan_jax.training.optimizers import decays
from tests.support.tiny_model import SHAPE_WITH_REGIONS, SIZES, random_batch

BERT = BertShape(20, 8, 2, 2, 12, 16, 2, 1e-12, 1, 2)
# Endings of the parameters' paths.
DECAYED = {
    "kernel",
    "recurrent",
    "tokens/embedding/embedding",
    "tokens/places",
    "entity/places",
    "region_motion/places",
    "action/places",
    "pretrained/words/embedding",
    "pretrained/places",
    "pretrained/segments",
}
KEPT = {
    "bias",
    "recurrent_bias",
    "scale",
    "roles/embedding",
    "modifier_kinds/embedding",
    "log_temperature",
    "level_weight_logits",
}


def networks() -> list[ModelConfig]:
    """The different networks of the config files, and those of the fields' other values."""
    made = [from_config_dict(module.get_config()) for module in BASES.values()]
    tables = ((ablations, ablations.ablations_of(defaults())), (peers, peers.PEERS))
    made += [from_config_dict(table.get_config(entry)) for table, entries in tables for entry in entries]
    assert len(made) > 10
    own = [
        ModelConfig(context="transformer"),
        *(ModelConfig(temporal=kind) for kind in ("bigru", "attention")),
    ]
    small = [dataclasses.replace(model, width=8, word_width=4) for model in [*(c.model for c in made), *own]]
    return list(dict.fromkeys(small))


def ending(path: str) -> str:
    """The listed ending of a parameter's path; the whole path where none is listed."""
    return next((known for known in DECAYED | KEPT if f"/{path}".endswith(f"/{known}")), path)


def decayed_and_kept(model: ModelConfig) -> tuple[set[str], set[str]]:
    network = MCSAN(Config(data=SIZES, model=model), SHAPE_WITH_REGIONS, BERT if model.pretrained else None)
    batch = random_batch(2, shape=SHAPE_WITH_REGIONS)
    params = jax.eval_shape(network.init, jax.random.key(0), batch)["params"]
    found: tuple[set[str], set[str]] = (set(), set())
    for path, decayed in jax.tree_util.tree_leaves_with_path(decays(params)):
        found[0 if decayed else 1].add(ending("/".join(key.key for key in path)))
    return found


def test_every_parameter_of_every_network_is_listed_as_one_that_decays_or_not() -> None:
    decayed, kept = zip(*map(decayed_and_kept, networks()), strict=True)
    assert set().union(*decayed) == DECAYED
    assert set().union(*kept) == KEPT
