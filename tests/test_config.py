import dataclasses
import re
from typing import Any

import ml_collections
import pytest
from pydantic import TypeAdapter, ValidationError

from data_pipeline.errors import InputError
from mcsan_jax.config import Config, LossConfig, ModelConfig, defaults, from_config_dict
from mcsan_jax.configs import ablations, peers
from mcsan_jax.configs.derived import BASES
from mcsan_jax.configs.sizes import SIZES
from mcsan_jax.runs.stored_config import flatten, from_flat
from tests.support import ROOT

OUT_OF_RANGE = {
    "similarity.smoothing": (-4, r"a number in \[0, ∞\): λ of the attention over frames"),
    "loss.margin": (-3, r"a number in \[0, ∞\): Amount by which a triplet's positive"),
    "loss.focal_alpha": (2, r"a number in \[0, 1\]: Weight of the present attributes"),
    "loss.divergence_temperature": (0, r"a number in \(0, ∞\): The KL divergence divides"),
    "optim.learning_rate": (-1e-3, r"a number in \(0, ∞\): Learning rate at its peak"),
    "optim.warmup_epochs": (-2, r"a number in \[0, ∞\): Epochs in which the learning rate rises"),
    "optim.final_fraction": (
        5,
        r"a number in \[0, 1\]: Learning rate at the last step, as a share of the peak",
    ),
    "optim.weight_decay": (-1, r"a number in \[0, ∞\): Decoupled weight decay"),
}
"""Values with which a run would learn nothing or worse, and what belongs there, in the order of the fields."""


def with_values(changes: dict[str, Any]) -> ml_collections.ConfigDict:
    """The defaults with some values changed, which a `ConfigDict` itself would refuse where the type differs."""
    values = defaults().to_dict()
    for key, value in changes.items():
        group, _, name = key.rpartition(".")
        (values[group] if group else values)[name] = value
    return ml_collections.ConfigDict(values)


def refusal(changes: dict[str, Any]) -> str:
    with pytest.raises(InputError) as caught:
        from_config_dict(with_values(changes))
    return str(caught.value)


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


def test_a_configuration_is_a_frozen_dataclass_that_can_be_a_key() -> None:
    config = Config(loss=LossConfig(focal_alpha=0.25))
    same = dataclasses.replace(Config(), loss=dataclasses.replace(LossConfig(), focal_alpha=0.25))
    assert config == same and len({config, same, Config()}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.name = "other"


def test_a_whole_number_serves_as_a_float() -> None:
    config = from_config_dict(with_values({"optim.learning_rate": 1}))
    assert config.optim.learning_rate == 1.0
    assert isinstance(config.optim.learning_rate, float)


def test_levels_may_be_a_list() -> None:
    config = from_config_dict(with_values({"model.levels": ["entity", "action"]}))
    assert config.model.levels == ("entity", "action")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("model.widht", 8, r"config\.model\.widht is no known key; did you mean 'model\.width'\?"),
        (
            "learning_rate",
            1.0,
            r"config\.learning_rate is no known key; did you mean 'optim\.learning_rate'\?",
        ),
        ("colour", "red", r"config\.colour is no known key; expected one of name, data, model, "),
        ("loss.xyz", "red", r"config\.loss\.xyz is no known key; expected one of ranking, positives, "),
        ("model.width", "8", r"config\.model\.width is '8'; expected a whole number in \[1, ∞\): Size of"),
        ("model.width", 8.0, r"config\.model\.width is 8\.0; expected a whole number"),
        ("train.epochs", True, r"config\.train\.epochs is True; expected a whole number"),
        ("train.epochs", 0, r"config\.train\.epochs is 0; expected a whole number in \[1, ∞\): Passes over"),
        (
            "train.seed",
            2**32,
            r"config\.train\.seed is 4294967296; expected a whole number in \[0, 4294967296\)",
        ),
        ("optim.learning_rate", True, r"config\.optim\.learning_rate is True; expected a number"),
        ("optim.learning_rate", "1e-3", r"config\.optim\.learning_rate is '1e-3'; expected a number"),
        ("optim.learning_rate", float("nan"), r"config\.optim\.learning_rate is nan; expected a number"),
        ("similarity.smoothing", float("inf"), r"config\.similarity\.smoothing is inf; expected a number"),
        ("loss.temperature", 0.0, r"config\.loss\.temperature is 0\.0; expected a number in \[0\.01, ∞\)"),
        ("model.dropout", 1.0, r"config\.model\.dropout is 1\.0; expected a number in \[0, 1\)"),
        (
            "loss.hardest_negative",
            1,
            r"config\.loss\.hardest_negative is 1; expected True or False: Only the",
        ),
        ("name", 3, r"config\.name is 3; expected a string"),
        ("name", None, r"config\.name is None; expected a string"),
        ("model", 3, r"config\.model is 3; expected a group of fields"),
        ("model.levels", "entity", r"config\.model\.levels is 'entity'; expected a list"),
        ("model.levels", (1, "entity"), r"config\.model\.levels\.0 is 1; expected a string"),
        ("model.levels", (), r"config\.model\.levels is \(\); expected some of global"),
        ("model.levels", ("entity", "entity"), r"config\.model\.levels .*each once"),
        ("model.levels", ("entity", "verb"), r"config\.model\.levels .*'verb'.*expected some of"),
        ("model.width", 7, r"config\.model\.width is 7; expected a multiple of 2"),
        (
            "data.made_from",
            "air",
            r"config\.data\.made_from is 'air'; expected one of '', 'moving_shapes', 'crowded_shapes'",
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
        *[
            (key, value, rf"config\.{key} is {value}; expected {m}")
            for key, (value, m) in OUT_OF_RANGE.items()
        ],
    ],
)
def test_a_wrong_value_is_refused_with_its_key_and_what_belongs_there(
    key: str, value: Any, message: str
) -> None:
    (line,) = refusal({key: value}).splitlines()
    assert re.match(message, line), line


def test_all_faults_are_named_at_once() -> None:
    changes = {key: value for key, (value, _) in OUT_OF_RANGE.items()}
    crossed = {"model.sentence_node": True, "model.levels": ("entity",), "model.width": 7}
    message = refusal(
        {**changes, **crossed, "model.widht": 8, "colour": "red", "train.captions_per_video": 0}
    )
    named = sorted(line.split()[0] for line in message.splitlines())
    unknown = ["model.widht", "colour"]
    expected = {*changes, *crossed, *unknown, "train.captions_per_video"} - {"model.levels"}
    assert named == sorted(f"config.{key}" for key in expected)


def test_a_field_out_of_range_cannot_be_made() -> None:
    with pytest.raises(ValidationError, match="focal_alpha"):
        dataclasses.replace(LossConfig(), focal_alpha=2)


def test_every_field_has_a_bound_where_it_is_a_number_and_a_meaning() -> None:
    groups = TypeAdapter(Config).json_schema()["$defs"]
    fields = {
        f"{g}.{key}": field for g, group in groups.items() for key, field in group["properties"].items()
    }
    numbers = {key: one for key, one in fields.items() if one["type"] in ("integer", "number")}
    assert len(numbers) > 30
    assert not [key for key, one in numbers.items() if not {"minimum", "exclusiveMinimum"} & set(one)]
    assert not [key for key, one in numbers.items() if len(one.get("description", "")) < 15]


def test_the_sentence_node_needs_the_global_level() -> None:
    assert from_config_dict(with_values({"model.sentence_node": True})).model.sentence_node
    message = refusal({"model.sentence_node": True, "model.levels": ("entity", "action")})
    assert message.startswith("config.model.sentence_node needs global in config.model.levels")


@pytest.mark.parametrize(
    ("key", "value"), [("model.context", "transformer"), ("model.temporal", "attention")]
)
def test_width_divides_into_attention_heads(key: str, value: str) -> None:
    assert refusal({key: value, "model.width": 6}) == "config.model.width is 6; expected a multiple of 4"


@pytest.mark.parametrize(("context", "name"), [("pretrained", ""), ("bigru", "minilm")])
def test_a_pretrained_encoder_needs_its_context(context: str, name: str) -> None:
    message = refusal({"model.context": context, "model.pretrained": name})
    assert message.startswith(
        f"config.model.context is {context!r} and config.model.pretrained is {name!r}; the"
    )


def test_a_triplet_has_one_caption() -> None:
    message = refusal({"loss.ranking": "triplet", "train.captions_per_video": 2})
    assert message.startswith("config.train.captions_per_video is 2; a triplet has one caption")


@pytest.mark.parametrize("key", [*flatten(Config()), "loss"])
def test_a_key_that_is_not_there_has_its_default(key: str) -> None:
    """As in a run of a version that had no such field yet."""
    flat = {one: value for one, value in flatten(Config()).items() if not one.startswith(key)}
    assert len(flat) < len(flatten(Config()))
    assert from_flat(flat) == Config()


def test_the_configuration_of_a_run_comes_back_with_what_was_chosen() -> None:
    config = Config(name="x", model=ModelConfig(levels=("entity",), width=8), loss=LossConfig(margin=0.5))
    assert from_flat({**flatten(config), "model.levels": ["entity"]}) == config


def test_a_field_that_a_stored_configuration_alone_has_is_named() -> None:
    with pytest.raises(InputError) as caught:
        from_flat({**flatten(Config()), "model.depth": 3, "loss.focal_alfa": 0.5, "depth.x.y": 1})
    *faults, advice = str(caught.value).splitlines()
    assert [line.split(";")[0] for line in faults] == [
        "config.model.depth is no known key",
        "config.loss.focal_alfa is no known key",
        "config.depth is no known key",
    ]
    assert "another version" in advice
    with pytest.raises(InputError, match=r"config\.model is 3; expected a group of fields"):
        from_flat({"model": 3, **flatten(Config())})


CONFIGS = sorted(path.relative_to(ROOT) for path in (ROOT / "configs").rglob("*.py"))


def test_every_config_passes_and_comes_back_from_a_run() -> None:
    tables = [(ablations, ablations.ablations_of), (peers, lambda _: peers.PEERS)]
    configs = [module.get_config(size) for module in BASES.values() for size in SIZES]
    configs += [
        module.get_config(f"{entry}:msrvtt-{size}")
        for module, changes_of in tables
        for entry in changes_of(defaults())
        for size in SIZES
    ]
    for values in configs:
        config = from_config_dict(values)
        assert from_flat(flatten(config)) == config
    assert len(configs) >= 3 * 15
