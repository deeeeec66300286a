"""This module writes rankings and relevant items in the format of TREC, for `trec_eval` and programs like it.

``S_t2v.qrels`` and ``S_v2t.qrels`` hold the relevant items of split S, a line ``query 0 item 1`` each; ``S_t2v.run``
and ``S_v2t.run`` the best answers of each query, a line ``query Q0 item rank score mcsan_jax`` each.

`trec_eval` does not read the ranks: it sorts by score and, among equal scores, by id, the largest string first. Scores
are written so that they are read as the same float32, and order and recalls (Success@K) are ours wherever scores
differ. Where a relevant item ties with another, the id decides in `trec_eval`, while our figures are the
expectation over all orders of the tie group. Runs end after the answers that an evaluation keeps of each query, so
that measures of the whole list (average precision) are smaller than ours.
"""

import itertools
import pathlib
from collections.abc import Collection
from typing import TextIO

from data_pipeline.errors import InputError
from data_pipeline.host.files import check_writable, replacing
from mcsan_jax.evaluation.query_table import DIRECTIONS, QueryTable

_TAG = "mcsan_jax"
_NAMED = 3


def write_trec(table: QueryTable, name: str, folder: pathlib.Path) -> list[pathlib.Path]:
    """Writes the four files of an evaluation, in place of those that are there.

    Args:
        table: its queries, with their answers.
        name: with which the names of the files begin, such as that of the split.
        folder: where the files are written; made if it is absent.

    Returns:
        Paths of the files.

    Raises:
        InputError: an id is empty or has white space, which the format cannot hold, or the folder cannot be written.
    """
    check_writable(folder, "name another folder with --out")
    for direction in DIRECTIONS:
        _check_ids(table.of_direction(direction), direction)
    folder.mkdir(parents=True, exist_ok=True)
    files = trec_files(name, folder)
    kinds = itertools.product(DIRECTIONS, (_write_qrels, _write_run))
    for path, (direction, write) in zip(files, kinds, strict=True):
        with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
            write(table.of_direction(direction), file)
    return files


def trec_files(name: str, folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the paths of the four files that `write_trec` writes."""
    return [
        folder / f"{name}_{direction}.{ending}" for direction in DIRECTIONS for ending in ("qrels", "run")
    ]


def _write_qrels(queries: QueryTable, file: TextIO) -> None:
    for query, items in zip(queries["query"], queries["relevant_items"], strict=True):
        file.writelines(f"{query} 0 {item} 1\n" for item in items)


def _write_run(queries: QueryTable, file: TextIO) -> None:
    columns = (queries[name] for name in ("query", "answers", "answer_scores"))
    for query, items, scores in zip(*columns, strict=True):
        # Nine digits tell every float32 from its neighbours.
        file.writelines(
            f"{query} Q0 {item} {rank} {score:.9g} {_TAG}\n"
            for rank, (item, score) in enumerate(zip(items, scores, strict=True), start=1)
        )


def _check_ids(queries: QueryTable, direction: str) -> None:
    lists = (each for name in ("relevant_items", "answers") for each in queries[name])
    ids = set(queries["query"]).union(*lists)
    wrong = sorted(each for each in ids if each.split() != [each])
    if wrong:
        raise InputError(
            f"{queries.path}, {direction}: {len(wrong)} ids are empty or have white space, which separates the columns "
            f"of the TREC format: {_some(wrong)}; rename these videos or captions in the annotations, prepare the data "
            "and evaluate again"
        )


def _some(ids: Collection[str]) -> str:
    return ", ".join(repr(each) for each in list(ids)[:_NAMED]) or "(none)"
