"""This module is `mcsan search` without its flags: it checks what is asked, searches, and writes the answers."""

import dataclasses
import enum
import pathlib
import shutil
import sys
from collections.abc import Sequence

from data_pipeline.errors import Faults, InputError
from data_pipeline.host.files import check_not_there, check_writable, write_text
from mcsan_jax.compiled_programs import keep_compiled_programs
from mcsan_jax.index.engines.open_engine import open_engine
from mcsan_jax.index.video_index import VideoIndex
from mcsan_jax.retrieval.explain import Explanation
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.search import answer_formats
from mcsan_jax.search.answering.answer_table import WIDTH_OF_FILES, as_table, captions_as_table
from mcsan_jax.search.answering.found_captions import FoundCaption, caption_notes
from mcsan_jax.search.answers import SearchRequest, SearchResult
from mcsan_jax.search.index_searcher import IndexSearcher
from mcsan_jax.search.request_checks import add_faults, check_count
from mcsan_jax.search.stages.start_up import parser_loading


class Form(enum.Enum):
    """It is the form of the answers."""

    TABLE = "table"
    JSON = "--json"
    CSV = "--csv"
    EDL = "--edl"


@dataclasses.dataclass(frozen=True)
class SearchOptions:
    """They are the flags of `mcsan search`.

    Attributes:
        query: a sentence; empty where `like` or `captions_for` is given.
        like: id of a video whose similar ones are searched for.
        captions_for: id of a video whose captions are searched for.
        texts: file of texts, one a line, for `captions_for`.
        k: how many answers at most.
        where, min_probability, sort, group_by: see `SearchRequest`.
        forms: of those for other programs, the ones that were asked for.
        frame_rate: of the clips in an edit decision list.
        explain: whether each answer is explained.
        milvus: where candidates are found, as `open_engine` takes it.
        out: the file for the answers; None for the terminal.
        overwrite: whether a file that is there is replaced.
    """

    query: str
    like: str | None = None
    captions_for: str | None = None
    texts: pathlib.Path | None = None
    k: int = 10
    where: str = ""
    min_probability: float | None = None
    sort: str = "score"
    group_by: str = ""
    forms: tuple[Form, ...] = ()
    frame_rate: float = 25.0
    explain: bool = False
    milvus: str = ""
    out: pathlib.Path | None = None
    overwrite: bool = False

    @property
    def form(self) -> Form:
        """Returns the form of the answers."""
        return self.forms[0] if self.forms else Form.TABLE

    @property
    def request(self) -> SearchRequest:
        """Returns what is asked of the searcher."""
        return SearchRequest(
            self.query,
            k=self.k,
            where=self.where,
            min_probability=self.min_probability,
            sort=self.sort,
            group_by=self.group_by,
        )


@dataclasses.dataclass(frozen=True)
class Said:
    """It is what a search has to say.

    Attributes:
        text: for the standard output.
        notes: for the person at the keyboard.
    """

    text: str
    notes: tuple[str, ...] = ()


def search_index(folder: pathlib.Path, options: SearchOptions) -> Said:
    """Searches an index and writes the answers.

    Everything is checked before the model is loaded.

    Args:
        folder: of the index.
        options: what is searched for, and how it is shown.

    Raises:
        InputError: names everything that is wrong with the options, or what is wrong with the index.
    """
    faults = Faults()
    for fault in _faults_of(options):
        faults.add(fault)
    if options.out is not None and not options.overwrite:
        with faults.gathered():
            check_not_there([options.out], "--out")
    if options.out is not None:
        with faults.gathered():
            check_writable(options.out.parent, "name another --out")
    texts: list[str] | None = None
    if options.texts is not None:
        with faults.gathered():
            texts = _read_texts(options.texts)
    index = _checked_index(folder, options, faults)
    said = _answers(index, options, texts)
    if options.out is None:
        return said
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_text(options.out, said.text)
    return Said(f"written to {options.out}\n", said.notes)


def _faults_of(options: SearchOptions) -> list[str]:
    """Returns what is wrong with the options beside each other."""
    faults = []
    wanted = {
        "a query": options.query.strip(),
        "--like": options.like,
        "--captions-for": options.captions_for,
    }
    given = [name for name, value in wanted.items() if value]
    if len(given) > 1:
        faults.append(f"{' and '.join(given)} are given; choose one of them")
    if not given:
        faults.append("there is nothing to search for; give a sentence, --like=VIDEO or --captions-for=VIDEO")
    if len(options.forms) > 1:
        faults.append(f"{' and '.join(form.value for form in options.forms)} are given; choose one of them")
    usual = SearchOptions("")
    of_queries = {
        "--min-probability": options.min_probability is not None,
        "--sort": options.sort != usual.sort,
        "--group-by": bool(options.group_by),
        "--explain": options.explain,
    }
    if not wanted["a query"]:
        faults += [
            f"{flag} is for queries; leave it out" for flag, is_given in of_queries.items() if is_given
        ]
    if options.captions_for and options.where:
        faults.append("--filter chooses among videos; leave it out with --captions-for")
    if options.captions_for and Form.EDL in options.forms:
        faults.append("--edl lists moments, and captions have none; leave it out with --captions-for")
    if options.texts is not None and not options.captions_for:
        faults.append("--texts are those for --captions-for=VIDEO; leave it out")
    if options.explain and options.form in (Form.CSV, Form.EDL):
        faults.append(f"{options.form.value} has no place for --explain; choose --json, or leave it out")
    if options.frame_rate != usual.frame_rate and Form.EDL not in options.forms:
        faults.append("--frame-rate is for --edl; leave it out")
    return faults


def _read_texts(path: pathlib.Path) -> list[str]:
    """Reads the lines of a file that are not empty."""
    try:
        texts = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise InputError(f"--texts={path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"--texts={path}: expected UTF-8 text, found something else ({error})") from error
    if not texts:
        raise InputError(f"--texts={path}: expected a text on each line, found none")
    return texts


def _checked_index(folder: pathlib.Path, options: SearchOptions, faults: Faults) -> VideoIndex:
    """Opens an index, and ends the program where there are faults of the options, of the index, or of both."""
    try:
        index = VideoIndex.open(folder)
    except InputError as error:
        faults.add(str(error))
        _add_faults(faults, options, None)
        faults.check()
        raise
    _add_faults(faults, options, index)
    faults.check()
    return index


def _add_faults(faults: Faults, options: SearchOptions, index: VideoIndex | None) -> None:
    """Adds what is wrong with the values of the options, for this index if there is one."""
    if options.query.strip():
        add_faults(faults, options.request, index)
    else:
        with faults.gathered():
            check_count(options.k)
    video = options.like or options.captions_for
    if index is not None and video:
        with faults.gathered():
            index.row_of(video)
        # A query has had its filter looked at.
        if not options.query.strip():
            with faults.gathered():
                index.matching(options.where)
    if Form.EDL in options.forms:
        with faults.gathered():
            answer_formats.check_frame_rate(options.frame_rate)


def _answers(index: VideoIndex, options: SearchOptions, texts: Sequence[str] | None) -> Said:
    keep_compiled_programs()
    model = Mcsan.from_pretrained(index.model_folder)
    with parser_loading(model):
        searcher = IndexSearcher(model, index, open_engine(index.folder, options.milvus))
    if options.captions_for:
        found = searcher.captions_for(options.captions_for, options.k, texts)
        notes = tuple(f"note: {note}" for note in caption_notes(found, model.calibration is not None))
        return _captions(found, options.form, notes)
    if options.like:
        return _shown(searcher.similar(options.like, options.k, options.where), options, None)
    result = searcher.search(options.request)
    return _shown(result, options, _explanations(searcher, result) if options.explain else None)


def _captions(captions: Sequence[FoundCaption], form: Form, notes: tuple[str, ...]) -> Said:
    if form is Form.JSON:
        return Said(answer_formats.captions_as_json(captions), notes)
    if form is Form.CSV:
        return Said(answer_formats.captions_as_csv(captions), notes)
    return Said(captions_as_table(captions, _width()), notes)


def _explanations(searcher: IndexSearcher, result: SearchResult) -> dict[str, list[Explanation]]:
    """Returns by video the explanations of each step of the query."""
    steps = range(len(result.steps))
    return {
        answer.video: [searcher.explain(result.query, answer.video, step) for step in steps]
        for answer in result.answers
    }


def _shown(
    result: SearchResult, options: SearchOptions, explanations: dict[str, list[Explanation]] | None
) -> Said:
    if options.form is Form.TABLE:
        return Said(as_table(result, options.group_by, explanations, _width()))
    notes = [f"note: {note}" for note in result.notes]
    if result.no_good_match:
        notes.insert(0, answer_formats.no_good_match(result))
    if options.form is Form.JSON:
        return Said(answer_formats.as_json(result, explanations), tuple(notes))
    if options.form is Form.CSV:
        return Said(answer_formats.as_csv(result), tuple(notes))
    return Said(answer_formats.as_edl(result, options.frame_rate), tuple(notes))


def _width() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH_OF_FILES
