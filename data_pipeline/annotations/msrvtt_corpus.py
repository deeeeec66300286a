"""Contents of MSR-VTT's official files ``*_videodatainfo.json``."""

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping, Sequence

from data_pipeline.annotations.caption import TEST, TRAIN, VALIDATION, Caption
from data_pipeline.annotations.reading import field, read_json
from mcsan_jax.errors import InputError

OFFICIAL_IDS = {
    TRAIN: tuple(f"video{number}" for number in range(6513)),
    VALIDATION: tuple(f"video{number}" for number in range(6513, 7010)),
    TEST: tuple(f"video{number}" for number in range(7010, 10_000)),
}
"""Videos of the official split."""

_SPLIT_NAMES = {"train": TRAIN, "validate": VALIDATION, "test": TEST}


@dataclasses.dataclass
class Corpus:
    """All videos and sentences of the files.

    Attributes:
        split_of: official split of each video.
        source_of: web address of the longer video from which each video was cut.
        sentences: video id, sentence id and text of each sentence.
    """

    split_of: dict[str, str] = dataclasses.field(default_factory=dict)
    source_of: dict[str, str] = dataclasses.field(default_factory=dict)
    sentences: list[tuple[str, str, str]] = dataclasses.field(default_factory=list)

    def captions(self, split_of: Mapping[str, str]) -> Iterator[Caption]:
        """All captions of the videos that have a split."""
        for video_id, sentence_id, text in self.sentences:
            if video_id in split_of:
                yield Caption(video_id, sentence_id, text, split_of[video_id])


def read_corpus(files: Sequence[pathlib.Path]) -> Corpus:
    """Reads the official files, plain or gzip.

    Raises:
        InputError: a file is missing, broken or not of the official form.
    """
    corpus = Corpus()
    for path in files:
        content = read_json(path)
        for number, video in enumerate(field(content, "videos", list, str(path))):
            _add_video(corpus, video, f"{path}, videos[{number}]")
        for number, sentence in enumerate(field(content, "sentences", list, str(path))):
            where = f"{path}, sentences[{number}]"
            video_id = field(sentence, "video_id", str, where)
            if video_id not in corpus.split_of:
                raise InputError(f"{where}: video {video_id!r} is not in 'videos'; use the official file")
            sentence_id = str(field(sentence, "sen_id", (int, str), where))
            corpus.sentences.append((video_id, sentence_id, field(sentence, "caption", str, where)))
    return corpus


def _add_video(corpus: Corpus, video: object, where: str) -> None:
    video_id = field(video, "video_id", str, where)
    split = field(video, "split", str, where)
    if split not in _SPLIT_NAMES:
        raise InputError(f"{where}: split must be one of {', '.join(_SPLIT_NAMES)}, found {split!r}")
    if video_id in corpus.split_of:
        raise InputError(f"{where}: video {video_id!r} occurs twice; give each annotation file once")
    corpus.split_of[video_id] = _SPLIT_NAMES[split]
    corpus.source_of[video_id] = field(video, "url", str, where)
