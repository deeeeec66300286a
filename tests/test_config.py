import dataclasses
from typing import Any

import ml_collections
import pytest

from mcsan_jax.config import Config, ModelConfig, defaults, flatten, from_config_dict
from mcsan_jax.errors import InputError


def with_value(key: str, value: Any) -> ml_collections.ConfigDict:
    """The defaults with one value changed, which a `ConfigDict` itself would refuse where the type differs."""
    values = defaults().to_dict()
    group, _, name = key.rpartition(".")
    (values[group] if group else values)[name] = value
    return ml_collections.ConfigDict(values)


def test_every_field_is_in_the_defaults() -> None:
    values = defaults()
    for group in dataclasses.fields(Config):
        assert group.name in values
        if dataclasses.is_dataclass(group.default):
            names = {field.name for field in dataclasses.fields(group.default)}
            assert set(values[group.name]) == names
    assert from_config_dict(values) == Config()


def test_flat_names() -> None:
    flat = flatten(Config(name="x", model=ModelConfig(width=8)))
    assert flat["name"] == "x"
    assert flat["model.width"] == 8
    groups = [getattr(Config(), field.name) for field in dataclasses.fields(Config)]
    count = sum(len(dataclasses.fields(one)) if dataclasses.is_dataclass(one) else 1 for one in groups)
    assert len(flat) == count


def test_a_whole_number_serves_as_a_float() -> None:
    config = from_config_dict(with_value("optim.learning_rate", 1))
    assert config.optim.learning_rate == 1.0
    assert isinstance(config.optim.learning_rate, float)


def test_levels_may_be_a_list() -> None:
    assert from_config_dict(with_value("model.levels", ["entity", "action"])).model.levels == (
        "entity",
        "action",
    )


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("model.widht", 8, r"unknown config key config\.model\.widht; known keys .*width"),
        ("colour", "red", r"unknown config key config\.colour"),
        ("model.width", "8", r"config\.model\.width is '8'; expected int"),
        ("model.width", 8.0, r"config\.model\.width is 8\.0; expected int"),
        ("train.epochs", True, r"config\.train\.epochs is True; expected int"),
        ("optim.learning_rate", True, r"config\.optim\.learning_rate is True; expected float"),
        ("optim.learning_rate", "1e-3", r"config\.optim\.learning_rate is '1e-3'; expected float"),
        ("loss.hardest_negative", 1, r"config\.loss\.hardest_negative is 1; expected bool"),
        ("name", 3, r"config\.name is 3; expected str"),
        ("name", None, r"config\.name is None; expected str"),
        ("model", 3, r"config\.model is 3; expected a group of fields"),
        ("model.levels", "entity", r"config\.model\.levels is 'entity'; expected a tuple of strings"),
        ("model.levels", (1, 2), r"config\.model\.levels is \(1, 2\); expected a tuple of strings"),
        ("model.levels", (), r"config\.model\.levels is \(\); expected some of global"),
        ("model.levels", ("entity", "entity"), r"config\.model\.levels .*each once"),
        ("model.levels", ("entity", "verb"), r"config\.model\.levels .*'verb'.*expected some of"),
        ("model.width", 7, r"config\.model\.width is 7; expected a multiple of 2"),
        (
            "data.made_from",
            "thin_air",
            r"config\.data\.made_from is 'thin_air'; expected one of .*moving_shapes",
        ),
        (
            "model.context",
            "lstm",
            r"config\.model\.context is 'lstm'; expected one of 'bigru', 'transformer'",
        ),
        ("model.temporal", "lstm", r"config\.model\.temporal .*'bigru', 'attention', 'none'"),
        ("model.compute_dtype", "float16", r"config\.model\.compute_dtype .*'float32', 'bfloat16'"),
        ("model.matmul_precision", "low", r"config\.model\.matmul_precision .*'default', 'high', 'highest'"),
        ("similarity.missing_levels", "drop", r"config\.similarity\.missing_levels .*'renormalize', 'zero'"),
        ("loss.ranking", "softmax", r"config\.loss\.ranking .*'info_nce', 'triplet', 'none'"),
        ("loss.divergence_direction", "both", r"config\.loss\.divergence_direction .*'symmetric'"),
    ],
)
def test_wrong_values_name_the_key(key: str, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_config_dict(with_value(key, value))


def test_the_sentence_node_needs_the_global_level() -> None:
    values = with_value("model.sentence_node", True)
    assert from_config_dict(values).model.sentence_node
    values.model.levels = ("entity", "action")
    with pytest.raises(InputError, match=r"config\.model\.levels .*without global, .*sentence_node"):
        from_config_dict(values)


@pytest.mark.parametrize(
    ("key", "value"), [("model.context", "transformer"), ("model.temporal", "attention")]
)
def test_width_divides_into_attention_heads(key: str, value: str) -> None:
    values = with_value(key, value)
    values.model.width = 6
    with pytest.raises(InputError, match=r"config\.model\.width is 6; expected a multiple of 4"):
        from_config_dict(values)


@pytest.mark.parametrize("key", ["train.seed", "loss"])
def test_missing_keys_name_the_key(key: str) -> None:
    values = defaults().to_dict()
    group, _, name = key.rpartition(".")
    del (values[group] if group else values)[name]
    with pytest.raises(InputError, match=rf"config key config\.{key} is missing"):
        from_config_dict(ml_collections.ConfigDict(values))


@pytest.mark.parametrize(
    ("group", "key", "value", "message"),
    [
        ("train", "epochs", 0, r"config\.train\.epochs is 0; expected 1 or more"),
        ("loss", "temperature", 0.0, r"config\.loss\.temperature is 0\.0; expected 0\.01 or more"),
        ("model", "dropout", 1.0, r"config\.model\.dropout is 1\.0; expected less than 1"),
        ("train", "seed", 2**32, r"config\.train\.seed is 4294967296; expected less than 4294967296"),
    ],
)
def test_values_out_of_range_are_refused(group: str, key: str, value: float, message: str) -> None:
    values = defaults()
    values[group][key] = value
    with pytest.raises(InputError, match=message):
        from_config_dict(values)


@pytest.mark.parametrize(("context", "name"), [("pretrained", ""), ("bigru", "minilm")])
def test_a_pretrained_encoder_needs_its_context(context: str, name: str) -> None:
    values = defaults()
    values.model.update(context=context, pretrained=name)
    with pytest.raises(InputError, match=r"config\.model\.context is .* and config\.model\.pretrained is"):
        from_config_dict(values)


def test_a_triplet_has_one_caption() -> None:
    values = defaults()
    values.loss.ranking, values.train.captions_per_video = "triplet", 2
    with pytest.raises(InputError, match=r"config\.train\.captions_per_video is 2; a triplet has one"):
        from_config_dict(values)
