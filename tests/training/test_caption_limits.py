import dataclasses
import json
import re
from pathlib import Path

import numpy as np

from data_pipeline.manifest import CAPTION_PARTS, CaptionSizes, Manifest
from data_pipeline.records.schema import ACTION_NODE
from mcsan_jax.config import Config, DataConfig, ModelConfig
from mcsan_jax.recipes.caption_limits import describe_limits, with_derived_limits
from mcsan_jax.runs.folder import RunFolder
from mcsan_jax.training.experiment import build_experiment
from tests.support.finished_run import SAID
from tests.support.image_text_folder import save_encoder_with_tokenizer
from tests.support.prepared_data import Prepared

OPEN = Config(
    data=DataConfig(max_tokens=0, max_actions=0, max_entities=0, max_relationships=0, max_modifiers=0)
)


def sizes_of(*tokens: int) -> CaptionSizes:
    """Captions with these numbers of tokens, one action and no other node each."""
    histogram = tuple(tokens.count(number) for number in range(max(tokens) + 1))
    return CaptionSizes(histogram, (0, len(tokens)), (len(tokens),), (len(tokens),), (len(tokens),))


def with_sizes(prepared: Prepared, **sizes: CaptionSizes) -> Manifest:
    return dataclasses.replace(prepared.manifest, caption_sizes=sizes)


def test_sizes_are_those_of_the_records(prepared: Prepared) -> None:
    for split, records in prepared.records.items():
        captions = [caption for record in records.values() for caption in record.captions]
        actions = [caption.node_levels.count(ACTION_NODE) for caption in captions]
        found = {
            "tokens": [len(caption.token_ids) for caption in captions],
            "actions": actions,
            "entities": [len(caption.node_levels) - n for caption, n in zip(captions, actions, strict=True)],
            "relationships": [len(caption.edges) for caption in captions],
            "modifiers": [len(caption.modifiers) for caption in captions],
        }
        for part in CAPTION_PARTS:
            histogram = getattr(prepared.manifest.caption_sizes[split], part)
            np.testing.assert_array_equal(histogram, np.bincount(found[part]))


def test_counts_and_quantiles_are_those_of_the_captions() -> None:
    tokens = np.random.default_rng(0).integers(3, 70, 500).tolist()
    sizes = CaptionSizes.total([sizes_of(*tokens[:200]), CaptionSizes(), sizes_of(*tokens[200:])])
    assert sizes.longest("tokens") == max(tokens) and sum(sizes.tokens) == 500
    for limit in (0, 3, 30, 68, 69, 100):
        assert sizes.longer("tokens", limit) == sum(one > limit for one in tokens)
    for share in (0.01, 0.5, 0.99, 1.0):
        assert sizes.quantile("tokens", share) == np.quantile(tokens, share, method="inverted_cdf")
    assert CaptionSizes().quantile("tokens", 0.99) == CaptionSizes().longest("tokens") == 0


def test_limits_that_are_left_open_come_from_the_training_captions(prepared: Prepared) -> None:
    manifest = with_sizes(prepared, train=sizes_of(*[10] * 98, 12, 90), val=sizes_of(50))
    derived = with_derived_limits(OPEN, manifest)
    assert derived.data.limits == {
        "tokens": 12,
        "actions": 1,
        "entities": 1,
        "relationships": 1,
        "modifiers": 1,
    }
    fixed = dataclasses.replace(OPEN, data=dataclasses.replace(OPEN.data, max_tokens=7))
    assert with_derived_limits(fixed, manifest).data.limits == {**derived.data.limits, "tokens": 7}
    assert with_derived_limits(Config(), manifest) == Config()


def test_a_derived_limit_has_an_end(prepared: Prepared) -> None:
    sizes = CaptionSizes(*(((0,) * 500 + (9,)) for _ in CAPTION_PARTS))
    derived = with_derived_limits(OPEN, with_sizes(prepared, train=sizes))
    most = {"tokens": 64, "actions": 8, "entities": 16, "relationships": 16, "modifiers": 16}
    assert derived.data.limits == most


def test_no_more_tokens_are_derived_than_an_image_text_encoder_reads(
    prepared: Prepared, tmp_path: Path
) -> None:
    folder = save_encoder_with_tokenizer(tmp_path / "encoder", places=16)
    given = dataclasses.replace(OPEN, model=ModelConfig(pretrained_video=str(folder)))
    manifest = with_sizes(prepared, train=sizes_of(40, 40))
    # Two places are of the tokens at the begin and the end.
    derived = with_derived_limits(given, manifest)
    assert derived.data.limits["tokens"] == 14
    assert f"2 of {manifest.splits['train'].captions:,} in train" in (
        told := describe_limits(given, derived, manifest, ["train"])
    )
    assert f"({folder} reads no more)" in told and "max_tokens" not in told
    short = with_derived_limits(given, with_sizes(prepared, train=sizes_of(9, 9)))
    assert short.data.limits["tokens"] == 9


def test_what_is_cut_is_counted_and_has_a_remedy(prepared: Prepared) -> None:
    manifest = with_sizes(prepared, train=sizes_of(10, 11, 40), val=sizes_of(5, 31), test=sizes_of(99))
    told = describe_limits(Config(), Config(), manifest, ["train", "val"])
    assert "30 tokens, 4 actions, 6 entities, 8 relationships, 8 modifiers are read" in told
    assert (
        "captions with more than 30 tokens: 1 of" in told and "(--config.data.max_tokens=40 keeps it)" in told
    )
    assert "actions:" not in told and "training captions" not in told
    assert len(told.splitlines()) == 2
    derived = with_derived_limits(OPEN, manifest)
    assert "is enough for 99 of 100 training captions" in describe_limits(OPEN, derived, manifest, ["train"])


def test_data_of_an_earlier_version_open_as_before(prepared: Prepared, tmp_path: Path) -> None:
    content = json.loads((prepared.folder / "manifest.json").read_text())
    del content["caption_sizes"]
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    earlier = Manifest.load(tmp_path)
    assert earlier.fingerprint == prepared.manifest.fingerprint and not earlier.caption_sizes
    assert with_derived_limits(OPEN, earlier) == Config()
    told = describe_limits(OPEN, Config(), earlier, ["train"])
    assert "30 tokens" in told and "not known" in told and len(told.splitlines()) == 1


def test_an_experiment_has_numbers(prepared: Prepared) -> None:
    experiment = build_experiment(OPEN, prepared.manifest)
    assert experiment.config.data == with_derived_limits(OPEN, prepared.manifest).data


def test_a_run_keeps_the_limits_that_it_was_trained_with(tmp_path: Path) -> None:
    """Whatever a later version would derive."""
    run = RunFolder(tmp_path / "run")
    assert run.with_stored_limits(OPEN) == OPEN
    run.claim(Config(), "f1")
    assert run.with_stored_limits(OPEN).data.limits == Config().data.limits
    run.claim(OPEN, "f1")
    assert run.stored_config() == Config()


def test_the_banner_of_a_training_says_what_is_cut(finished_run: Path, shapes: Path) -> None:
    said = (finished_run.parent / SAID).read_text()
    sizes = Manifest.load(shapes).caption_sizes
    for part, limit, cuts in (("tokens", 9, True), ("entities", 2, False), ("relationships", 2, False)):
        cut = {split: sizes[split].longer(part, limit) for split in ("train", "val", "test")}
        assert any(cut.values()) is cuts
        most = max(sizes[split].longest(part) for split in cut)
        lines = re.findall(rf"^captions with more than {limit} {part}: (.*)$", said, re.M)
        assert not cuts or lines == [
            f"{cut['train']} of 300 in train, {cut['val']} of 30 in val, {cut['test']} of 50 in test; the rest of each "
            f"is cut off (--config.data.max_{part}={most} keeps it)"
        ]
        assert bool(lines) is cuts


def test_every_part_has_a_limit() -> None:
    assert tuple(DataConfig().limits) == CAPTION_PARTS
