"""Rankings and right answers in the format of TREC, for `trec_eval` and the programs that follow it.

``S_t2v.qrels`` and ``S_v2t.qrels`` hold the right answers of split S, a line ``query 0 item 1`` each; ``S_t2v.run``
and ``S_v2t.run`` the best answers of each query, a line ``query Q0 item rank score mcsan_jax`` each.

`trec_eval` does not read the ranks: it sorts by score and, among equal scores, by id, the largest string first. Scores
are written so that they are read as the same float32, and order and recalls (Success@K) are ours wherever scores
differ. Where the right answer ties with a wrong one, the id decides in `trec_eval`, while our figures are the
expectation over all orders of the tie group. Runs end after the answers that an evaluation keeps of each query, so
that measures of the whole list (average precision) are smaller than ours.
"""

import math
import pathlib
from collections.abc import Collection, Iterator, Mapping
from typing import TextIO, TypeVar

from data_pipeline.errors import InputError
from data_pipeline.host.files import replacing
from mcsan_jax.evaluation.query_table import DIRECTIONS, QueryTable

Run = dict[str, dict[str, float]]
"""Score of each answer of each query."""
Qrels = dict[str, dict[str, int]]
"""Relevance of each judged item of each query; 1 and more is right."""

Value = TypeVar("Value", int, float)

_TAG = "mcsan_jax"
_NAMED = 3


def write_trec(table: QueryTable, name: str, folder: pathlib.Path) -> list[pathlib.Path]:
    """Writes the four files of an evaluation.

    Args:
        table: its queries, with their answers.
        name: with which the names of the files begin, such as that of the split.
        folder: where the files are written; made if it is absent.

    Returns:
        Paths of the files.

    Raises:
        InputError: an id is empty or has white space, which the format cannot hold.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for direction in DIRECTIONS:
        queries = table.of_direction(direction)
        _check_writable(queries, direction)
        for ending, write in (("qrels", _write_qrels), ("run", _write_run)):
            path = folder / f"{name}_{direction}.{ending}"
            with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
                write(queries, file)
            written.append(path)
    return written


def read_run(path: pathlib.Path) -> Run:
    """Reads a run.

    Raises:
        InputError: there is no such file, or a line is not ``query Q0 item rank score tag``, has a score that is
            not a finite number, or names an item of the query a second time.
    """
    run: Run = {}
    for where, (query, _, item, _, text, _) in _lines(path, "query Q0 item rank score tag"):
        score = _number(text, where)
        if not math.isfinite(score):
            raise InputError(f"{where}: the score is {text}; expected a finite number, correct the run")
        _add(run, query, item, score, where)
    return run


def read_qrels(path: pathlib.Path) -> Qrels:
    """Reads right answers.

    Raises:
        InputError: there is no such file, or a line is not ``query 0 item relevance``, has a relevance that is no
            whole number, or names an item of the query a second time.
    """
    qrels: Qrels = {}
    for where, (query, _, item, text) in _lines(path, "query 0 item relevance"):
        relevance = _number(text, where)
        if not relevance.is_integer():
            raise InputError(f"{where}: the relevance is {text}; expected a whole number such as 0 or 1")
        _add(qrels, query, item, int(relevance), where)
    return qrels


def check_ids(run: Run, qrels: Qrels) -> None:
    """Checks that a run answers the queries that are judged.

    Raises:
        InputError: a query is in one of them alone, or no answer of the run is an item of the judgements, as where
            one of the two spells ids in another way. (Items that are judged for no query are no error: a video
            without captions is one.)
    """
    if missing := [query for query in qrels if query not in run]:
        raise InputError(
            f"the run has no answers for {len(missing)} of {len(qrels)} judged queries, such as {_some(missing)}; "
            f"its own are such as {_some(run)}: give the run and the qrels of the same split and direction"
        )
    if extra := [query for query in run if query not in qrels]:
        raise InputError(
            f"the run answers {len(extra)} queries that are not judged, such as {_some(extra)}; judged ones are such "
            f"as {_some(qrels)}: give the run and the qrels of the same split and direction"
        )
    answers, judged = _items(run), _items(qrels)
    if answers and judged and answers.isdisjoint(judged):
        raise InputError(
            f"no item of the run is judged for any query: the run has items such as {_some(sorted(answers))}, the "
            f"qrels such as {_some(sorted(judged))}; spell the ids in both in the same way"
        )


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


def _check_writable(queries: QueryTable, direction: str) -> None:
    lists = (each for name in ("relevant_items", "answers") for each in queries[name])
    ids = set(queries["query"]).union(*lists)
    wrong = sorted(each for each in ids if each.split() != [each])
    if wrong:
        raise InputError(
            f"{queries.path}, {direction}: {len(wrong)} ids are empty or have white space, which separates the columns "
            f"of the TREC format: {_some(wrong)}; rename these videos or captions in the annotations, prepare the data "
            "and evaluate again"
        )


def _lines(path: pathlib.Path, form: str) -> Iterator[tuple[str, list[str]]]:
    """Where each line stands, and its columns; blank lines are passed over."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected lines {form!r}")
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            columns = line.split()
            if columns and len(columns) != len(form.split()):
                raise InputError(
                    f"{path}, line {number}: expected {form!r}, found {len(columns)} columns: {line.strip()!r}"
                )
            if columns:
                yield f"{path}, line {number}", columns


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InputError(f"{where}: expected a number, found {text!r}") from error


def _add(found: dict[str, dict[str, Value]], query: str, item: str, value: Value, where: str) -> None:
    items = found.setdefault(query, {})
    if item in items:
        raise InputError(f"{where}: item {item!r} of query {query!r} occurs twice; remove one of the lines")
    items[item] = value


def _items(of_queries: Mapping[str, Collection[str]]) -> set[str]:
    return set().union(*of_queries.values())


def _some(ids: Collection[str]) -> str:
    return ", ".join(repr(each) for each in list(ids)[:_NAMED]) or "(none)"
