"""MSR-VTT: 10,000 clips with 20 captions each, under its official split or one with 1,000 test videos.

The folder holds the official files ``*_videodatainfo.json`` and, but for protocol ``full``, two lists:

========  =======================================  ================================================
protocol  training list                            test list
========  =======================================  ================================================
full      (none: the official split)               (none)
1k-A      MSRVTT_train.9k.csv: video_id            MSRVTT_JSFUSION_test.csv: key, video_id, sentence
1k-A-7k   MSRVTT_train.7k.csv: video_id            the same
1k-B      MSRVTT_1kB_train.csv or .txt             MSRVTT_1kB_test.csv or .txt
========  =======================================  ================================================

The lists of 1k-B are the user's: a ``.csv`` has a header with ``video_id``, a ``.txt`` one id a line. If its
test list has a column ``sentence``, that is the one caption of each test video, named by a column ``key`` if
there is one; if not, test videos keep all their captions and a note says so.
"""

import pathlib
from collections.abc import Sequence

from data_pipeline.annotations.caption import Annotations, make_annotations
from data_pipeline.annotations.locating import find_files
from data_pipeline.annotations.msrvtt_corpus import OFFICIAL_IDS, read_corpus
from data_pipeline.annotations.msrvtt_lists import LIST_PROTOCOLS, Selection, select
from data_pipeline.annotations.reading import check_protocol, first_few

FULL = "full"
PROTOCOLS = (FULL, *LIST_PROTOCOLS)
HOMEPAGE = (
    "https://www.microsoft.com/en-us/research/publication/"
    "msr-vtt-a-large-video-description-dataset-for-bridging-video-and-language/"
)
LICENCE = "Owner's terms (Microsoft), research use; the videos belong to their uploaders."
CITATION = (
    "Xu, Mei, Yao and Rui: MSR-VTT: A Large Video Description Dataset for Bridging Video and Language. "
    "CVPR 2016."
)


def read(paths: Sequence[pathlib.Path], protocol: str) -> Annotations:
    """Reads the official files, plain or gzip, given one by one or as the folder that holds them.

    Protocol `FULL` follows the official split, the others lists of ids (`msrvtt_lists`).

    Raises:
        InputError: a file is missing, broken or not of the form above.
    """
    check_protocol("msrvtt", protocol, PROTOCOLS)
    corpus = read_corpus(find_files(paths, ["*videodatainfo.json"]))
    if protocol == FULL:
        selection = Selection(list(corpus.captions(corpus.split_of)), [], OFFICIAL_IDS)
        citation = CITATION
    else:
        selection = select(corpus, paths, LIST_PROTOCOLS[protocol])
        citation = f"{CITATION} {LIST_PROTOCOLS[protocol].citation}"
    silent = corpus.split_of.keys() - {video_id for video_id, _, _ in corpus.sentences}
    notes = [f"{len(silent)} videos have no caption: {first_few(sorted(silent))}"] if silent else []
    return make_annotations(
        selection.captions,
        name="msrvtt",
        protocol=protocol,
        licence=LICENCE,
        citation=citation,
        homepage=HOMEPAGE,
        notes=[*notes, *selection.notes],
        official_ids=selection.official_ids,
    )
