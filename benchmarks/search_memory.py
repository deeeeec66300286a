"""Prints the most bytes that a process holds which opens a model and the videos of `benchmarks.search`, and searches.

`python -m benchmarks.search_memory FOLDER` reads what `made_up_index.write_videos` wrote into the folder. It begins as
`mcsan search` does: compiled programs are kept, and the parser loads no PyTorch.
"""

from data_pipeline.host.command_line import ends_with_a_message

import argparse
import pathlib

import numpy as np

from benchmarks.machine import peak_memory_bytes
from benchmarks.made_up_index import KINDS, MadeUp, map_videos, open_search
from mcsan_jax.compiled_programs import keep_compiled_programs
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.search.stages.start_up import parser_loading
from mcsan_jax.search.stages.two_stages import Mix


def make_parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path, help="with the videos")
    parser.add_argument("--kind", choices=KINDS, default=KINDS[0], help="of the vectors")
    parser.add_argument("--texts", type=int, default=20, help="that are searched for")
    return parser


@ends_with_a_message()
def main() -> None:
    """Entry point."""
    arguments = make_parser().parse_args()
    keep_compiled_programs()
    model = Mcsan.from_pretrained("demo")
    with parser_loading(model):
        segments = map_videos(arguments.folder)
        search = open_search(segments)
    model.encode_query("a red ball", show_progress=False)
    videos, width = len(search.numbers), segments[0].arrays["pooled"].shape[1]
    texts = MadeUp(arguments.kind, videos, 1, width, 0).texts(arguments.texts)
    for row in range(len(texts)):
        search.search(texts.rows(np.array([row])), [Mix((0,), (1.0,))], 10)
    print(peak_memory_bytes())


if __name__ == "__main__":
    main()
