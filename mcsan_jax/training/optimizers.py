"""The optimiser: AdamW, linear warm-up, cosine decay, gradient clipping."""

import jax
import optax

from mcsan_jax.config import OptimConfig


def learning_rate_schedule(config: OptimConfig, steps_per_epoch: int, total_steps: int) -> optax.Schedule:
    """Learning rate at each step: linear warm-up from zero, then a cosine down to ``final_fraction`` of the peak."""
    warmup = min(max(1, round(config.warmup_epochs * steps_per_epoch)), max(1, total_steps - 1))
    return optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=config.learning_rate,
        warmup_steps=warmup,
        decay_steps=max(total_steps, warmup + 1),
        end_value=config.learning_rate * config.final_fraction,
    )


def make_optimizer(config: OptimConfig, schedule: optax.Schedule) -> optax.GradientTransformation:
    """AdamW on all parameters; weight decay on matrices only (not on biases, norms and scalars)."""
    clip = optax.clip_by_global_norm(config.clip_norm) if config.clip_norm > 0 else optax.identity()
    adam = optax.adamw(
        schedule,
        weight_decay=config.weight_decay,
        mask=lambda params: jax.tree.map(lambda leaf: leaf.ndim > 1, params),
    )
    return optax.chain(clip, adam)
