"""The foils that come with the captions of a training batch."""

import collections
import dataclasses
import itertools
from pathlib import Path

import jax
import numpy as np
import pytest

from data_pipeline.batches.pipeline import TrainBatches
from data_pipeline.errors import InputError
from data_pipeline.levels import FOIL_KINDS
from tests.support.batches import ROOMY, rows_of, same, take, train_batches
from tests.support.plain_decoding import assert_text
from tests.support.prepared_data import Prepared, make_record, write_prepared


def test_each_caption_has_its_own_foil_or_none(prepared: Prepared) -> None:
    stream = train_batches(prepared, foils=True, captions_per_video=2).numbered_from_step(0)
    seen: collections.Counter[str] = collections.Counter()
    for info, batch in itertools.islice(stream, 24):
        assert batch.foils is not None and batch.foil_kinds is not None and info.foils is not None
        for row, video in enumerate(info.videos):
            for place in range(2):
                text = 2 * row + place
                number = info.foils[row, place]
                record = prepared.records["train"].get(video)
                made_from = [foil.caption_index for foil in record.foils] if record else []
                if info.captions[row, place] not in made_from:
                    assert number == batch.foil_kinds[text] == -1
                    assert not any(leaf[text].any() for leaf in jax.tree.leaves(batch.foils))
                    seen["without"] += 1
                    continue
                foil = prepared.records["train"][video].foils[number]
                assert foil.caption_index == info.captions[row, place]
                assert FOIL_KINDS[batch.foil_kinds[text]] == foil.kind
                assert_text(batch.foils, text, foil.caption, ROOMY)
                seen[foil.kind] += 1
    assert all(seen[kind] > 10 for kind in ("role", "action", "without"))


def test_the_captions_are_those_of_training_without_foils(prepared: Prepared) -> None:
    with_foils = take(train_batches(prepared, foils=True), 6)
    bare = [dataclasses.replace(batch, foils=None, foil_kinds=None) for batch in with_foils]
    assert all(map(same, bare, take(train_batches(prepared), 6)))


def test_every_foil_of_a_caption_has_its_turn(prepared: Prepared, tmp_path: Path) -> None:
    """A video of three captions, each with four foils, is shown for twelve epochs."""
    record = make_record("v", prepared.manifest.streams, 1)
    caption = record.captions[0]
    captions = [dataclasses.replace(caption, caption_id=f"v#{n}") for n in range(3)]
    foil = dataclasses.replace(
        next(one.foils[0] for one in prepared.records["train"].values() if one.foils), caption_index=0
    )
    foils = [dataclasses.replace(foil, caption_index=n % 3) for n in range(12)]
    one = write_prepared(
        tmp_path,
        prepared.manifest.streams,
        {"train": [dataclasses.replace(record, captions=captions, foils=foils)]},
    )
    stream = train_batches(one, batch_size=1, foils=True).numbered_from_step(0)
    shown = [info.foils for info, _ in itertools.islice(stream, 12)]
    assert sorted(int(numbers.item()) for numbers in shown if numbers is not None) == list(range(12))


@pytest.mark.parametrize("step", [1, 7])
def test_any_step_can_be_resumed_by_any_number_of_processes(prepared: Prepared, step: int) -> None:
    whole = take(train_batches(prepared, foils=True, shuffle_buffer=6), 4 + step)[step:]
    part = train_batches(prepared, foils=True, shuffle_buffer=6, process_index=1, process_count=2)
    for own, batch in zip(take(part, 4, step), whole, strict=True):
        assert same(own, rows_of(batch, slice(4, 8)))


def test_data_without_foils_are_refused(prepared: Prepared, tmp_path: Path) -> None:
    records = [
        dataclasses.replace(record, foils=[]) for record in list(prepared.records["train"].values())[:2]
    ]
    bare = write_prepared(tmp_path, prepared.manifest.streams, {"train": records})
    with pytest.raises(InputError, match=r"split 'train' has no foils.*--foils=2"):
        TrainBatches(bare.folder, bare.manifest, "train", 2, ROOMY, seed=0, foils=True)


def test_a_kind_that_no_loss_knows_is_refused(prepared: Prepared, tmp_path: Path) -> None:
    record = next(one for one in prepared.records["train"].values() if one.foils)
    foils = [dataclasses.replace(record.foils[0], kind="mirrored")]
    odd = write_prepared(
        tmp_path, prepared.manifest.streams, {"train": [dataclasses.replace(record, foils=foils)]}
    )
    with pytest.raises(InputError, match="of kind 'mirrored'; expected one of role, action, entity"):
        take(train_batches(odd, batch_size=1, foils=True), 1)


def test_a_batch_has_integers_of_32_bits(prepared: Prepared) -> None:
    (batch,) = take(train_batches(prepared, foils=True), 1)
    assert batch.foil_kinds is not None and batch.foil_kinds.dtype == np.int32
