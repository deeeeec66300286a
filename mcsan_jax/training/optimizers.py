"""This module makes the optimiser (AdamW, warm-up, cosine decay, clipping) and averages the parameters."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int

from mcsan_jax.config import OptimConfig
from mcsan_jax.models.text_encoder import MODIFIER_KINDS, PRETRAINED, ROLES
from mcsan_jax.models.zero_shot_branch import TOWER

_DECAYED = frozenset({"kernel", "recurrent", "embedding", "places", "segments"})
"""Weight decay pulls parameters with these last names towards zero, except for embeddings that multiply."""


def learning_rate_schedule(config: OptimConfig, steps_per_epoch: int, total_steps: int) -> optax.Schedule:
    """Returns the learning rate by step: linear warm-up from zero, then a cosine to ``final_fraction`` of the peak."""
    warmup = min(max(1, round(config.warmup_epochs * steps_per_epoch)), max(1, total_steps - 1))
    return optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=config.learning_rate,
        warmup_steps=warmup,
        decay_steps=max(total_steps, warmup + 1),
        end_value=config.learning_rate * config.final_fraction,
    )


def pretrained_schedule(config: OptimConfig, total_steps: int) -> optax.Schedule:
    """Returns the learning rate of a pretrained encoder: zero up to ``pretrained_start``, then warm-up and cosine."""
    start = round(config.pretrained_start * total_steps)
    left = max(total_steps - start, 2)
    tuning = optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=config.pretrained_learning_rate,
        warmup_steps=max(1, left // 10),
        decay_steps=left,
        end_value=config.pretrained_learning_rate * config.final_fraction,
    )
    return optax.join_schedules([optax.constant_schedule(0.0), tuning], [start])


def make_optimizer(
    config: OptimConfig,
    schedule: optax.Schedule,
    total_steps: int,
    has_pretrained: bool = False,
    has_tower: bool = False,
) -> optax.GradientTransformation:
    """Makes AdamW for all parameters, with weight decay on those that `decays` names.

    The parameters of a pretrained encoder have their own learning rate and their own clipping, or stay as they are.

    Args:
        config: the configuration of the optimiser.
        schedule: the learning rate by step, of all parameters but those of a pretrained encoder.
        total_steps: the number of steps of the whole run.
        has_pretrained: whether there is a pretrained encoder.
        has_tower: whether there is the text tower of a zero-shot branch, which always stays as it is.
    """
    own = _adamw(config, schedule)
    if not has_pretrained and not has_tower:
        return own
    tuned = (
        _adamw(config, pretrained_schedule(config, total_steps))
        if config.pretrained_learning_rate > 0
        else optax.set_to_zero()
    )

    groups = {"own": own, **({"pretrained": tuned} if has_pretrained else {})}
    if has_tower:
        groups["tower"] = optax.set_to_zero()

    def group_of(path: tuple[Any, ...], _: Any) -> str:
        names = {key.key for key in path}
        return "tower" if TOWER in names else "pretrained" if PRETRAINED in names else "own"

    return optax.partition(groups, functools.partial(jax.tree_util.tree_map_with_path, group_of))


def decays(params: Any) -> Any:
    """Returns a tree like the parameters: True for those that weight decay pulls towards zero.

    The names of a parameter decide, never its shape. Decay applies to the matrices of products (``kernel``,
    ``recurrent``) and to the embeddings that are states or are added to states (``embedding``, ``places``,
    ``segments``): all of them start around zero. It applies to nothing else: neither to biases, norms and scalars nor
    to the embeddings of ``roles`` and of ``modifier_kinds``, which multiply and start at one, so that zero would erase
    every node and modifier.
    """

    def is_decayed(path: tuple[Any, ...], _: Any) -> bool:
        names = [key.key for key in path]
        return names[-1] in _DECAYED and not {ROLES, MODIFIER_KINDS} & set(names)

    return jax.tree_util.tree_map_with_path(is_decayed, params)


def moving_average(average: Any, params: Any, step: Int[Array, ""], decay: float) -> Any:
    """Returns the exponential moving average after one more step.

    ``a ← d a + (1 − d) p`` with ``d = min(decay, (1 + step) / (10 + step))``, so that the random start is soon
    forgotten (the rule of TensorFlow's ``ExponentialMovingAverage``).
    """
    done = step.astype(jnp.float32)
    share = 1 - jnp.minimum(decay, (1 + done) / (10 + done))
    return optax.incremental_update(params, average, share)


def _adamw(config: OptimConfig, schedule: optax.Schedule) -> optax.GradientTransformation:
    clip = optax.clip_by_global_norm(config.clip_norm) if config.clip_norm > 0 else optax.identity()
    adam = optax.adamw(schedule, weight_decay=config.weight_decay, mask=decays)
    return optax.chain(clip, adam)
