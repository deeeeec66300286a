"""The names of `mcsan_jax` for those who use it as a library, and the page that describes them."""

import ast
import inspect
import pathlib
import re
import subprocess
import sys
import textwrap
from typing import Any

import pytest

import mcsan_jax
from data_pipeline.errors import InputError
from mcsan_jax.config import Config, from_config_dict
from mcsan_jax.configs import demo
from tests.docs.documents import PAGES
from tests.support import ROOT

# ml_collections loads config files in a way that Python is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")

[API] = [page for page in PAGES if page.name == "docs/api.md"]


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


def test_the_example_of_the_page_works(
    finished_run: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All but the training itself, which takes minutes."""
    [train, use, _] = API.blocks("python")
    assert "mcsan_jax.train(" in train
    compile(train, API.name, "exec")
    assert use.count('"runs/demo"') == 1
    exec(use.replace('"runs/demo"', repr(str(finished_run))), {})
    *answers, explanation = capsys.readouterr().out.splitlines()
    assert len(answers) == 3 and "fused" in explanation


def test_the_example_of_programs_works(finished_run: pathlib.Path, tmp_path: pathlib.Path) -> None:
    [*_, example] = API.blocks("python")
    mcsan_jax.Mcsan.from_pretrained(finished_run).save_pretrained(tmp_path / "model")
    assert example.count('"models/demo"') == 1
    names: dict[str, Any] = {}
    exec(example.replace('"models/demo"', repr(str(tmp_path / "model"))), names)
    assert len(names["texts"]) == 1
