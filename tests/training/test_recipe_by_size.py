"""What a recipe makes of data of some sizes, and what it leaves to whoever set it by hand."""

import dataclasses

import pytest

from data_pipeline.manifest import Manifest, SplitSummary
from mcsan_jax.config import Config, from_config_dict
from mcsan_jax.configs import custom
from mcsan_jax.pretrained.bert_files import read_bert
from mcsan_jax.recipes.recipe_by_size import recipe_by_size
from mcsan_jax.runs.stored_config import flatten
from mcsan_jax.training.optimizers import learning_rate_schedule
from tests.support.prepared_data import Prepared

OPEN = from_config_dict(custom.get_config())


def sized(manifest: Manifest, videos: int, captions: int, held_out: int = 10, tokens: int = 5000) -> Manifest:
    splits = {"train": SplitSummary(videos, captions, 0), "val": SplitSummary(held_out, held_out, 0)}
    tokenizer = dataclasses.replace(manifest.tokenizer, size=tokens)
    return dataclasses.replace(manifest, splits=splits, tokenizer=tokenizer)


def with_minilm(manifest: Manifest) -> Manifest:
    sha256 = read_bert("minilm").tokenizer_sha256[0]
    return dataclasses.replace(manifest, tokenizer=dataclasses.replace(manifest.tokenizer, sha256=sha256))


@pytest.mark.parametrize(
    ("videos", "batch", "steps"),
    [(1, 8, 14), (50, 56, 99), (129, 72, 160), (3000, 128, 768), (26_000, 128, 4080)],
)
def test_batches_are_equal_and_steps_grow_slowly(
    prepared: Prepared, videos: int, batch: int, steps: int
) -> None:
    config, choices = recipe_by_size(OPEN, sized(prepared.manifest, videos, videos))
    assert config.train.batch_size == batch
    per_epoch = -(-videos // batch)
    assert config.train.epochs * per_epoch == steps
    assert any(f"{steps} steps" in choice for choice in choices)


def test_a_warm_up_ends_long_before_the_training(prepared: Prepared) -> None:
    config, _ = recipe_by_size(OPEN, sized(prepared.manifest, 50, 50))
    schedule = learning_rate_schedule(config.optim, 1, config.train.epochs)
    peak = max(range(config.train.epochs), key=lambda step: float(schedule(step)))
    assert 0 < peak <= config.train.epochs / 10


def test_few_validation_videos_choose_no_checkpoint(prepared: Prepared) -> None:
    few, choices = recipe_by_size(OPEN, sized(prepared.manifest, 400, 400, held_out=49))
    assert few.train.evaluate_every_epochs == few.train.epochs
    assert any("the last state is taken" in choice for choice in choices)
    many, _ = recipe_by_size(OPEN, sized(prepared.manifest, 400, 400, held_out=50))
    assert 5 <= many.train.epochs / many.train.evaluate_every_epochs <= 6
    assert (few.train.patience, many.train.patience) == (0, 3)


def test_the_encoder_is_used_where_the_captions_have_its_tokens(prepared: Prepared) -> None:
    other, _ = recipe_by_size(OPEN, sized(prepared.manifest, 100, 2000))
    assert (other.model.context, other.model.pretrained) == ("bigru", "")
    config, choices = recipe_by_size(OPEN, with_minilm(sized(prepared.manifest, 100, 2000)))
    assert (config.model.context, config.model.pretrained) == ("pretrained", "minilm")
    assert config.train.token_state_cache and config.train.captions_per_video == 4
    assert any("minilm" in choice for choice in choices)
    by_hand, _ = recipe_by_size(OPEN, with_minilm(sized(prepared.manifest, 100, 2000)), ["model.context"])
    assert by_hand.model.context == "bigru"


def test_a_small_language_has_small_vectors(prepared: Prepared) -> None:
    small, _ = recipe_by_size(OPEN, sized(prepared.manifest, 100, 100, tokens=200))
    large, _ = recipe_by_size(OPEN, sized(prepared.manifest, 100, 100, tokens=8000))
    assert small.model.width < large.model.width and small.model.word_width < large.model.word_width


def test_what_was_set_stays(prepared: Prepared) -> None:
    manifest = sized(prepared.manifest, 700, 14_000)
    # Also a value that happens to be the default.
    default = Config().train.epochs
    config, choices = recipe_by_size(OPEN, manifest, ["train.epochs"])
    assert config.train.epochs == default and not any(choice.startswith("train.epochs") for choice in choices)
    changed = dataclasses.replace(OPEN, train=dataclasses.replace(OPEN.train, batch_size=32))
    config, _ = recipe_by_size(changed, manifest)
    assert config.train.batch_size == 32 and config.train.epochs * 22 == pytest.approx(370, abs=22)


@pytest.mark.parametrize("held_out", [7, 500])
@pytest.mark.parametrize(("videos", "captions"), [(25, 25), (300, 6000), (30_000, 300_000)])
@pytest.mark.parametrize("tokens", [200, 5000, None])
def test_every_choice_is_a_field_its_value_and_a_sentence(
    prepared: Prepared, videos: int, captions: int, held_out: int, tokens: int | None
) -> None:
    manifest = sized(prepared.manifest, videos, captions, held_out, tokens or 5000)
    config, choices = recipe_by_size(OPEN, manifest if tokens else with_minilm(manifest))
    for choice in choices:
        shown, _, reason = choice.partition(" (")
        name, _, value = shown.partition(" = ")
        assert str(flatten(config)[name]) == value
        assert len(reason.split()) >= 8 and "√" not in reason, choice


def test_a_resolved_recipe_is_resolved_to_itself(prepared: Prepared) -> None:
    manifest = sized(prepared.manifest, 700, 14_000)
    config, _ = recipe_by_size(OPEN, manifest)
    assert recipe_by_size(config, manifest)[0] == config


def test_other_configurations_are_left_alone(prepared: Prepared) -> None:
    assert recipe_by_size(Config(), prepared.manifest) == (Config(), [])
