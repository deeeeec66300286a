"""What will hurt a training on prepared data, though nothing in it is wrong."""

import collections
import re
from collections.abc import Mapping, Sequence

from data_pipeline.annotations.caption import ENGLISH, SPLITS, TRAIN, VALIDATION, Video
from data_pipeline.errors import shown
from data_pipeline.graphs.parser import english_stop_words
from data_pipeline.manifest import FEWEST_VALIDATION_VIDEOS
from data_pipeline.preparation.runner import CAPTIONS, WITHOUT_ACTION, Count
from data_pipeline.text.same_text import text_key

_SHARED_TEXTS = 0.1
_WITHOUT_VERB = 0.5
_FOREIGN = 0.5


def advice_on(videos: Sequence[Video], counts: Mapping[Count, int]) -> list[str]:
    """Sentences about what will hurt, and what helps.

    Args:
        videos: all that are prepared.
        counts: of the survey.
    """
    advice = [found for split in SPLITS if (found := _shared_texts(videos, split))]
    validation = sum(video.split == VALIDATION for video in videos)
    if not validation:
        advice.append(
            "there is no validation split, which a training needs: give some videos the split val in the annotations, "
            "or list them with --split_file=val=FILE"
        )
    elif validation < FEWEST_VALIDATION_VIDEOS:
        advice.append(
            f"the validation split has only {validation} videos, too few to tell which checkpoint is the best one; "
            f"give it {FEWEST_VALIDATION_VIDEOS} or more"
        )
    captions = sum(len(video.captions) for video in videos)
    without_verb = counts.get((CAPTIONS, WITHOUT_ACTION), 0)
    if without_verb >= _WITHOUT_VERB * captions:
        advice.append(
            f"{without_verb:,} of {captions:,} captions have no verb: the levels action and relationship have little "
            "to compare; captions that are sentences use them"
        )
    if foreign := _foreign(videos):
        advice.append(foreign)
    if all(len(video.captions) == 1 for video in videos if video.split == TRAIN):
        advice.append(
            "every training video has one caption: the same thing said in several ways teaches most, so give a video "
            "all the captions that you have"
        )
    return advice


def _foreign(videos: Sequence[Video]) -> str:
    """A sentence where most captions seem to be no English sentences; empty otherwise.

    Captions that the source says to be in another language have no graph anyway.
    """
    texts = [caption.text for video in videos for caption in video.captions if caption.language == ENGLISH]
    frequent = english_stop_words()
    foreign = []
    for text in texts:
        words = set(re.findall(r"[\w']+", text.lower()))
        # In languages that write accents "a" is a frequent word, too.
        if frequent.isdisjoint(words if text.isascii() else words - {"a"}):
            foreign.append(text)
    if len(foreign) <= _FOREIGN * len(texts):
        return ""
    return (
        f"{len(foreign):,} of {len(texts):,} captions have none of the words that English sentences have (the, is, "
        f"with), such as {shown(foreign[0])}: the parser and the published text encoder read English sentences, so "
        "that the levels below the global one will have little to compare; captions in English use them"
    )


def _shared_texts(videos: Sequence[Video], split: str) -> str:
    """A sentence where many captions of a split are also captions of another video of it; empty otherwise."""
    captions = [
        (text_key(caption.text), video.video_id)
        for video in videos
        if video.split == split
        for caption in video.captions
    ]
    videos_of: dict[str, set[str]] = collections.defaultdict(set)
    for text, video_id in captions:
        videos_of[text].add(video_id)
    shared = sum(len(videos_of[text]) > 1 for text, _ in captions)
    if not captions or shared < _SHARED_TEXTS * len(captions):
        return ""
    return (
        f"{shared:,} of {len(captions):,} captions of {split} describe several of its videos in the same words "
        f"({len(videos_of):,} distinct texts): no model can tell these videos apart by them; read the figures that "
        "count the same text as relevant"
    )
