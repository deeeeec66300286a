"""The names of `mcsan_jax` for those who use it as a library, and the page that describes them."""

import ast
import functools
import inspect
import pathlib
import re
import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest

import mcsan_jax
from data_pipeline.errors import InputError
from mcsan_jax.config import Config, from_config_dict
from mcsan_jax.configs import demo
from tests.docs.documents import PAGES, Document
from tests.support import ROOT

# ml_collections loads config files in a way that Python is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")

[API] = [page for page in PAGES if page.name == "docs/api.md"]
[README] = [page for page in PAGES if page.name == "README.md"]

FOR_THE_PACKAGE = {
    "Mcsan": ("__init__", "parser"),
    "SimilarityMatrix": ("of",),
    "TextEmbeddings": ("of", "collection"),
    "VideoEmbeddings": ("of", "collection"),
    "VideoIndex": ("__init__", "content", "description", "embeddings", "stage_one"),
    "IndexSearcher": ("__init__", "parsed"),
}
"""What the parts of the package call of each other: its types are no public names."""


def signature(node: ast.FunctionDef, source: str, name: str) -> str:
    """What stands in the code between `def` and the last colon, under the name by which it is called."""
    lines = source.splitlines()[node.lineno - 1 : node.body[0].lineno - 1]
    return textwrap.dedent("\n".join(lines)).replace(f"def {node.name}", name, 1).rstrip().removesuffix(":")


def interface(name: str, value: object) -> str:
    """The signature of a function; the fields of a class, and the signatures of its public methods."""
    source = textwrap.dedent(inspect.getsource(value))
    [node] = ast.parse(source).body
    if isinstance(node, ast.FunctionDef):
        return signature(node, source, name)
    assert isinstance(node, ast.ClassDef)
    parts = [f"class {node.name}"]
    for one in node.body:
        if isinstance(one, ast.AnnAssign) and not ast.unparse(one.target).startswith("_"):
            parts.append(f"{ast.unparse(one.target)}: {ast.unparse(one.annotation)}")
        elif isinstance(one, ast.Assign) and isinstance(one.value, ast.Name):
            parts.append(ast.unparse(one))
        elif isinstance(one, ast.FunctionDef) and one.name in FOR_THE_PACKAGE.get(name, ()):
            continue
        elif isinstance(one, ast.FunctionDef) and (one.name == "__init__" or not one.name.startswith("_")):
            decorators = [f"@{ast.unparse(decorator)}\n" for decorator in one.decorator_list]
            parts.append("".join(decorators) + signature(one, source, one.name))
    return "\n".join([parts[0], *(textwrap.indent(part, "    ") for part in parts[1:])])


def entry(name: str) -> str:
    """What the page says of a name."""
    value = getattr(mcsan_jax, name)
    paragraph = " ".join(str(inspect.getdoc(value)).partition("\n\n")[0].split())
    [sentence] = re.findall(r"^.*?[.](?= [A-Z]|$)", paragraph)
    return f"### {name}\n\n{sentence}\n\n```text\n{interface(name, value)}\n```\n"


@pytest.mark.parametrize("name", mcsan_jax.__all__)
def test_the_page_describes_a_name_as_the_code_does(name: str) -> None:
    assert entry(name) in API.text, f"docs/api.md should say:\n\n{entry(name)}"


def test_the_page_describes_nothing_else() -> None:
    assert sorted(re.findall(r"^### (.*)$", API.text, re.MULTILINE)) == sorted(mcsan_jax.__all__)


def test_the_names_known_to_type_checkers_are_those_that_are_loaded() -> None:
    tree = ast.parse((ROOT / "mcsan_jax" / "__init__.py").read_text(encoding="utf-8"))
    [choice] = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in choice.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    [loaded] = [node.value for node in choice.orelse if isinstance(node, ast.Assign)]
    assert ast.literal_eval(loaded) == typed
    assert sorted(typed) == sorted(mcsan_jax.__all__)


def test_the_names_are_listed_and_others_refused() -> None:
    assert set(mcsan_jax.__all__) <= set(dir(mcsan_jax))
    assert mcsan_jax.InputError is InputError and mcsan_jax.Config is Config
    with pytest.raises(AttributeError, match="module 'mcsan_jax' has no attribute 'trian'"):
        getattr(mcsan_jax, "".join(["tri", "an"]))
    with pytest.raises(ImportError, match="cannot import name 'Trainer'"):
        exec("from mcsan_jax import Trainer", {})


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = ("jax", "flax", "numpy", "tensorflow", "spacy", "absl", "pydantic")
    program = (
        f"import sys, mcsan_jax\ndir(mcsan_jax)\nprint(*sorted(set({heavy!r}) & set(sys.modules)))\n"
        "from mcsan_jax import InputError\nprint(InputError.__name__, 'jax' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["", "InputError False"]


def test_a_config_is_loaded_as_on_the_command_line() -> None:
    assert mcsan_jax.load_config("demo:tiny") == from_config_dict(demo.get_config("tiny"))
    config = mcsan_jax.load_config("demo:tiny", ["train.epochs=3", "model.levels=('global', 'entity')"])
    assert (config.train.epochs, config.model.levels) == (3, ("global", "entity"))


@pytest.mark.parametrize(
    ("config", "overrides", "message"),
    [
        ("dmeo", (), "did you mean 'demo'"),
        ("demo", ("train.epoch=3",), "Did you mean: config.train.epochs"),
        ("demo", ("train.epochs=many",), "config.train.epochs=many: expected a whole number, found 'many'"),
        ("demo", ("train.epochs=-1",), "config.train.epochs is -1"),
    ],
)
def test_a_wrong_config_is_refused(config: str, overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(mcsan_jax.InputError, match=re.escape(message)):
        mcsan_jax.load_config(config, overrides)


def test_what_is_left_out_of_the_page_is_there() -> None:
    for name, methods in FOR_THE_PACKAGE.items():
        assert all(hasattr(getattr(mcsan_jax, name), method) for method in methods)


PUBLIC_ANSWERS = [
    *(name for name in mcsan_jax.__all__ if inspect.isfunction(getattr(mcsan_jax, name))),
    *(
        "Mcsan.encode_document",
        "Mcsan.encode_query",
        "Mcsan.similarity",
        "Mcsan.explain",
        "Mcsan.from_pretrained",
    ),
    *("IndexSearcher.search", "IndexSearcher.similar", "IndexSearcher.captions_for", "IndexSearcher.explain"),
    *("Searcher.search", "Searcher.explain", "SimilarityMatrix.explain", "RunFolder.read_record"),
]


@pytest.mark.parametrize("name", PUBLIC_ANSWERS)
def test_what_a_public_function_returns_is_a_public_name(name: str) -> None:
    """So that users can annotate with it, and read what is in it."""
    first, *rest = name.split(".")
    function = functools.reduce(getattr, rest, getattr(mcsan_jax, first))
    returned = set(re.findall(r"\b[A-Z]\w+", str(inspect.get_annotations(function)["return"])))
    # A figure is one of matplotlib's; what holds clips is described where they are made.
    assert returned and returned - {"Figure", "EmbeddedClips"} <= set(mcsan_jax.__all__)


@pytest.mark.parametrize("page", [API, README], ids=lambda page: page.name)
def test_the_five_lines_work(
    page: Document, finished_run: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    five = page.blocks("python")[0]
    assert len([line for line in five.splitlines() if line.strip()]) <= 7
    assert five.count('"demo"') == 1
    names: dict[str, Any] = {}
    exec(five.replace('"demo"', repr(str(finished_run))), names)
    assert names["scores"].shape == (1, 40) and names["scores"].dtype == np.float32
    assert "fused" in capsys.readouterr().out


def test_the_axes_of_the_page_are_those_of_the_arrays(finished_run: pathlib.Path) -> None:
    """The table of the page says `[v, f, d]` of `frames[level].directions`, and so on."""
    model = mcsan_jax.Mcsan.from_pretrained(finished_run)
    clips = mcsan_jax.embedded_clips(3)
    videos = model.encode_document(clips.features)
    texts = model.encode_query(["a red ball pushes a blue box", "something red"])
    explanation = model.explain(texts.texts[0], videos, 1)
    scores = model.similarity(texts, videos)
    sizes = {"v": 3, "t": 2, "f": 12, "n": 2, "w": 7}
    arrays: dict[str, Any] = {"videos": videos, "texts": texts, "explanation": explanation, "scores": scores}
    rows = re.findall(r"^\| `([^`]+)` \| `\[(.*)\]` \|", API.text, re.MULTILINE)
    assert len(rows) >= 15
    for expression, axes in rows:
        array = eval(expression, arrays | {"level": "entity"})
        names = axes.split(", ")
        assert len(array.shape) == len(names), expression
        for axis, size in zip(names, array.shape, strict=True):
            assert sizes.setdefault(axis, size) == size, expression


def test_the_drawing_of_the_page_works(finished_run: pathlib.Path, tmp_path: pathlib.Path) -> None:
    draw = API.blocks("python")[1]
    assert draw.count('"demo"') == draw.count('"answer.svg"') == 1
    picture = tmp_path / "answer.svg"
    given = draw.replace('"demo"', repr(str(finished_run))).replace('"answer.svg"', repr(str(picture)))
    exec(given, {})
    assert "draw_explanation" in given and picture.stat().st_size > 10_000


def test_the_other_examples_of_the_page_work(
    finished_run: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All but the training itself, which takes minutes."""
    [_, _, search, train, _] = API.blocks("python")
    assert "mcsan_jax.train(" in train
    compile(train, API.name, "exec")
    assert search.count('"runs/demo"') == 1
    exec(search.replace('"runs/demo"', repr(str(finished_run))), {})
    *answers, explanation = capsys.readouterr().out.splitlines()
    assert len(answers) == 3 and "fused" in explanation


def test_the_example_of_programs_works(finished_run: pathlib.Path, tmp_path: pathlib.Path) -> None:
    [*_, example] = API.blocks("python")
    mcsan_jax.Mcsan.from_pretrained(finished_run).save_pretrained(tmp_path / "model")
    assert example.count('"models/demo"') == 1
    names: dict[str, Any] = {}
    exec(example.replace('"models/demo"', repr(str(tmp_path / "model"))), names)
    assert len(names["texts"]) == 1
