import pathlib

import pytest

from data_pipeline.annotations import msrvtt
from data_pipeline.annotations.caption import SPLITS
from data_pipeline.annotations.moments import LEVELS
from data_pipeline.annotations.sources import CUSTOM, OFFICIAL_CAPTIONS, OFFICIAL_COUNTS
from data_pipeline.annotations.sources import PROTOCOLS as READ_PROTOCOLS
from data_pipeline.moving_shapes import dataset as moving_shapes
from mcsan_jax.evaluation.protocols import PROTOCOLS, describe_protocol

MADE = (("moving_shapes", "seed 0"), ("crowded_shapes", "seed 0"))
PUBLISHED = sorted(set(PROTOCOLS) - set(MADE))

Facts = dict[str, object]


def describe(
    names: tuple[str, str],
    split: str,
    videos: int,
    captions: int,
    selected_on: str | None = "val",
    share_from: str | None = None,
) -> Facts:
    features = "vgg16 [128]"
    return describe_protocol(
        *names, split, videos, captions, False, selected_on, 1200, features, share_from=share_from
    )


def said(facts: Facts) -> str:
    lines = facts["lines"]
    assert isinstance(lines, list) and all(isinstance(line, str) and line.endswith(".") for line in lines)
    return "\n".join(lines)


def test_the_counts_are_those_that_preparing_checks() -> None:
    videos = {names: PROTOCOLS[names].videos for names in PUBLISHED}
    assert {names: counts for names, counts in videos.items() if counts} == OFFICIAL_COUNTS
    captions = {
        names: {splits[0]: count for splits, count in counts.items() if len(splits) == 1}
        for names, counts in OFFICIAL_CAPTIONS.items()
    }
    assert {names: PROTOCOLS[names].captions for names in PUBLISHED if not videos[names]} == captions


def test_every_protocol_that_can_be_prepared_is_known_or_has_no_counts() -> None:
    readable = {(source, protocol) for source, protocols in READ_PROTOCOLS.items() for protocol in protocols}
    assert set(PUBLISHED) <= readable
    own = {(source, CUSTOM) for source in ("jsonl", "csv", "hybrid_space")}
    own |= {("activitynet", f"{level}-{CUSTOM}") for level in LEVELS}
    lists = {("collaborative_experts", protocol) for protocol in READ_PROTOCOLS["collaborative_experts"]}
    assert readable - set(PUBLISHED) == {("hgr", "published"), *own, *lists}


@pytest.mark.parametrize("made", MADE)
def test_the_embedded_data_sets_have_their_usual_size(made: tuple[str, str]) -> None:
    shapes = PROTOCOLS[made]
    assert shapes.videos == moving_shapes.SPLITS
    each = moving_shapes.CAPTIONS_PER_CLIP
    assert shapes.captions == {split: each * count for split, count in moving_shapes.SPLITS.items()}


@pytest.mark.parametrize("protocol", ["full", "1k-A"])
def test_the_counts_are_those_of_the_real_annotations(protocol: str, shared_data: pathlib.Path) -> None:
    captions = msrvtt.read([shared_data / "annotations" / "msrvtt"], protocol).captions
    known = PROTOCOLS["msrvtt", protocol]
    for split in SPLITS:
        own = [caption.video_id for caption in captions if caption.split == split]
        assert len(set(own)) == known.videos[split]
        assert known.captions.get(split, len(own)) == len(own)


@pytest.mark.parametrize("names", PROTOCOLS)
@pytest.mark.parametrize("split", SPLITS)
def test_right_counts_are_official_and_wrong_ones_are_not(names: tuple[str, str], split: str) -> None:
    known = PROTOCOLS[names]
    videos, captions = known.videos.get(split), known.captions.get(split)
    right = describe(names, split, videos or 1234, captions or 12_345)
    assert right["official"] is (None if videos is captions is None else True)
    assert right["expected"] == {"videos": videos, "captions": captions}
    assert known.selection in said(right)
    first = f"{videos:,} videos" if videos else f"{captions:,} captions" if captions else ""
    assert (f"The counts are those of the protocol: {first}" in said(right)) is bool(first)
    wrong = [describe(names, split, videos - 1, captions or 12_345)] if videos else []
    wrong += [describe(names, split, videos or 1234, captions + 1)] if captions else []
    for facts in wrong:
        assert facts["official"] is False
        assert f"NOT THE SPLIT OF {known.name}: expected {first}" in said(facts)
        assert "not comparable with published numbers" in said(facts)


def test_a_wrong_split_is_named_with_what_was_expected_and_found() -> None:
    facts = describe(("msrvtt", "full"), "test", 2989, 59_780)
    assert "expected 2,990 videos and 59,800 captions, found 2,989 videos and 59,780 captions" in said(facts)
    facts = describe(("msrvtt", "full"), "dev", 2990, 59_800)
    assert facts["official"] is False
    assert "expected one of the splits train, val, test, not dev" in said(facts)


def test_one_caption_a_video_is_part_of_the_protocols_of_1000_videos() -> None:
    for protocol in ("1k-A", "1k-A-7k", "1k-B"):
        assert describe(("msrvtt", protocol), "test", 1000, 1000)["official"] is True
        assert describe(("msrvtt", protocol), "test", 1000, 20_000)["official"] is False
        assert "carved from the training list" in said(describe(("msrvtt", protocol), "test", 1000, 1000))


@pytest.mark.parametrize(
    "names", [("msrvtt", CUSTOM), ("jsonl", CUSTOM), ("hgr", "published"), ("moving_shapes", "seed 7")]
)
def test_data_of_the_users_own_is_neither_official_nor_wrong(names: tuple[str, str]) -> None:
    facts = describe(names, "val", 100, 2000)
    assert facts["official"] is None
    assert facts["expected"] == {"videos": None, "captions": None}
    assert facts["name"] == f"{names[0]} ({names[1]})"
    assert "NOT THE SPLIT" not in said(facts)
    assert "compare only with numbers on the very same videos" in said(facts)


def test_a_split_that_chose_its_own_checkpoint_is_called_optimistic() -> None:
    names = ("msrvtt", "full")
    own = describe(names, "val", 497, 9940, selected_on="val")
    other = describe(names, "test", 2990, 59_800, selected_on="val")
    none = describe(names, "test", 2990, 59_800, selected_on=None)
    assert "OPTIMISTIC: split val itself chose the checkpoint" in said(own)
    for facts in (other, none):
        assert "OPTIMISTIC" not in said(facts)
    assert other["selection"] == "step 1,200 has the best Rsum on split val"
    assert none["selection"] == "step 1,200, which no split chose"


def test_a_training_that_ended_early_says_so_above_every_table() -> None:
    stopped = "stopped after step 1,500 of 5,000: 3 evaluations without a better one"
    facts = describe_protocol("own", "one", "test", 9, 9, False, "val", 1200, "vgg16 [128]", stopped=stopped)
    assert facts["selection"] == f"step 1,200 has the best Rsum on split val; training {stopped}"
    assert f"Selection: {facts['selection']}." in said(facts)


def test_a_split_that_chose_the_share_of_the_linear_branch_alone_is_called_optimistic() -> None:
    facts = describe(("msrvtt", "full"), "val", 497, 9940, selected_on=None, share_from="val")
    assert "split val itself chose the share of the linear branch, with which" in said(facts)
    both = describe(("msrvtt", "full"), "val", 497, 9940, selected_on="val", share_from="val")
    assert "chose the checkpoint and the share of the linear branch" in said(both)


def test_the_rule_for_the_same_text_is_stated_and_is_another_protocol() -> None:
    names = ("custom", "own", "test", 17, 250, False, "val", 5, "resnet [2048]")
    relevant, wrong = (describe_protocol(*names, same_text) for same_text in ("relevant", "wrong"))
    assert "to which every video with a caption of its text is relevant" in said(relevant)
    assert "is relevant" not in said(wrong)
    # Runs whose rules differ are not compared.
    assert relevant["duplicate_captions"] != wrong["duplicate_captions"]


def test_the_rule_for_duplicate_captions_and_the_features_are_stated() -> None:
    for merged, rule in ((False, "every caption is its own query"), (True, "one query with several correct")):
        facts = describe_protocol("msvd", "official", "test", 670, 27_763, merged, "val", 5, "I3D [1024]")
        assert rule in facts["duplicate_captions"]
        assert rule in said(facts)
        assert facts["features"] == "I3D [1024]"
        assert "Features: I3D [1024]." in said(facts)
        assert facts["official"] is True
    assert set(facts) == {
        *("name", "source", "lines", "official", "duplicate_captions", "selection", "expected", "features")
    }
