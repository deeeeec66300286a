"""The documents, and the commands that they show."""

import ast
import dataclasses
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from tests.support import ROOT

PROGRAMS = ("python", "python3", ".venv/bin/python", "mcsan", "pip", "pytest", "sbatch", "docker")
PLACEHOLDERS = {
    "N": "2",
    "DEVICES": "2",
    "BASE": "demo-tiny",
    "BASE-SIZE": "demo-tiny",
    "VERB": "logs",
    "OPTIONS-OF-SBATCH": "--nodes=4",
    "FLAGS": "--config=configs/demo.py",
    "FLAGS-OF-MCSAN_JAX.MAIN": "--config=configs/demo.py",
    "--config=FILE": "--config=configs/demo.py",
}
"""Something that can be meant, for words that stand for a number or for several words. Other words in capitals are
names of files and folders, and as good as any."""

_FENCE = re.compile(r"^(```+)(\w*)[^\n]*\n(.*?)^\1\s*$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_SCRIPT = re.compile(r"(?:launch|benchmarks)/\w+\.(?:sh|sbatch)")
_CALL = rf"(?:sbatch|docker|(?:bash )?{_SCRIPT.pattern}) [^`]*"


@dataclasses.dataclass(frozen=True)
class Document:
    """A text in Markdown.

    Attributes:
        name: of its file, from the root of the repository.
        text: what it says.
    """

    name: str
    text: str

    def blocks(self, language: str) -> list[str]:
        """Contents of the fenced blocks of a language."""
        return [body for _, found, body in _FENCE.findall(self.text) if found == language]

    def languages(self) -> set[str]:
        """Those of all fenced blocks; "" where one has none."""
        return {language for _, language, _ in _FENCE.findall(self.text)}

    def prose(self) -> str:
        """What stands outside of fenced blocks."""
        return _FENCE.sub("", self.text)

    def spans(self) -> list[str]:
        """The code in the prose."""
        return [" ".join(code.split()) for _, code in _SPAN.findall(self.prose())]


def _read(paths: list[Path]) -> list[Document]:
    return [
        Document(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
        for path in paths
        if path.is_file()
    ]


PAGES = _read(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "benchmarks" / "README.md",
        *sorted((ROOT / "docs").glob("*.md")),
        *sorted((ROOT / "tests").rglob("*.md")),
    ]
)


def use_of_the_demo_model() -> str:
    """The program in docs/data.md that searches a few clips with the model that comes with the package."""
    [page] = [document for document in PAGES if document.name == "docs/data.md"]
    [program] = [block for block in page.blocks("python") if 'from_pretrained("demo")' in block]
    return program


def _notebooks() -> Iterator[Document]:
    for path in sorted((ROOT / "colab").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        yield Document(str(path.relative_to(ROOT)), text)


def _docstrings() -> Iterator[Document]:
    for folder in ("benchmarks", "configs", "data_pipeline", "mcsan_jax"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            # A docstring stands before all else.
            said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
            if said and "`" in said:
                yield Document(str(path.relative_to(ROOT)), said)


DOCUMENTS = [*PAGES, *_notebooks(), *_docstrings()]


def simple_commands(script: str) -> list[list[str]]:
    """The words of each simple command of a shell script."""
    found: list[list[str]] = []
    for line in script.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        found.append([])
        for token in lexer:
            if token and set(token) <= set("();<>|&"):
                found.append([])
            else:
                found[-1].append(token)
    return [words for words in found if words]


def begins_a_command(text: str) -> bool:
    """Whether the first word is a program that the documents show."""
    first = text.split(maxsplit=1)[0] if text.strip() else ""
    return first in PROGRAMS or bool(_SCRIPT.fullmatch(first))


def filled_in(words: list[str]) -> list[str]:
    """A command with something in the place of placeholders, also in values: ``--frame_count=N``."""
    filled = []
    for word in words:
        name, equals, value = word.rpartition("=")
        filled.append(PLACEHOLDERS.get(word, name + equals + PLACEHOLDERS.get(value, value)))
    return filled


def is_mention(words: list[str]) -> bool:
    """Whether a program is only named, not called with arguments: ``mcsan compare``, ``mcsan index stats --recall``."""
    words = (
        [word for word in words if not word.startswith("--")] if words[:2] == ["mcsan", "index"] else words
    )
    if words[1:2] == ["-m"]:
        return len(words) <= (4 if words[2] == "benchmarks" else 3)
    of_mcsan = 3 if words[1:2] == ["index"] else 2
    return len(words) <= (of_mcsan if words[0] == "mcsan" else 1)


def usages(script: str) -> Iterator[list[str]]:
    """The calls that comments and messages of a script show, without and with what may be left out."""
    for line in re.sub(r"\\\n#? *", " ", script).splitlines():
        comment, message = re.search(rf"^#.*?({_CALL})(?:`|$)", line), re.search(rf"usage: ({_CALL})", line)
        shown = comment or message
        if shown:
            call = re.sub(r'\.\.\.|, such as .*|" >&2$', "", shown[1])
            without, whole = (shlex.split(re.sub(left_out, "", call)) for left_out in (r"\[[^]]*\]", r"[][]"))
            yield without
            if whole != without:
                yield whole
