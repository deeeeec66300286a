"""The commands, snippets, links and module names in README.md and docs/ are right."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from absl import flags
from absl.testing import flagsaver
from ml_collections import config_flags

from data_pipeline import inspect as inspection
from data_pipeline.annotations.caption import SPLITS
from data_pipeline.annotations.sources import PROTOCOLS
from data_pipeline.prepare import MOVING_SHAPES
from mcsan_jax import cli
from mcsan_jax import main as training
from mcsan_jax.config import Config, from_config_dict
from mcsan_jax.errors import InputError
from tests.support import ROOT
from tests.support.corpus import run_command

# ml_collections loads config files in a way that Python is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")

DOCS = [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if path.is_file()]
PREPARE, INSPECT, TRAIN = "data_pipeline.prepare", "data_pipeline.inspect", "mcsan_jax.main"

_FENCE = re.compile(r"^(```+)(\w*)[^\n]*\n(.*?)^\1\s*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)[^)]*\)")
_PYTHON_FILE = re.compile(r"[\w-][\w./-]*\.py\b")


def blocks(text: str, language: str) -> list[str]:
    return [body for _, found, body in _FENCE.findall(text) if found == language]


def prose(path: Path) -> str:
    return _FENCE.sub("", path.read_text(encoding="utf-8"))


def commands(script: str) -> Iterator[tuple[str, list[str]]]:
    """Module and arguments of each `python -m MODULE …` of a shell script."""
    simple: list[list[str]] = []
    for line in script.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        simple.append([])
        for token in lexer:
            if set(token) <= set("();<>|&"):
                simple.append([])
            else:
                simple[-1].append(token)
    for words in simple:
        for index in range(len(words) - 2):
            if Path(words[index]).name.startswith("python") and words[index + 1] == "-m":
                yield words[index + 2], words[index + 3 :]


COMMANDS = [
    pytest.param(module, arguments, id=f"{path.name}: {module} {' '.join(arguments)[:60]}")
    for path in DOCS
    for script in blocks(path.read_text(encoding="utf-8"), "bash")
    for module, arguments in commands(script)
]


def check_prepare(arguments: list[str]) -> None:
    with flagsaver.flagsaver():
        assert flags.FLAGS(["prepare", *arguments]) == ["prepare"]
        names = ("dataset", "protocol", "annotations", "features", "out")
        values = {name: flags.FLAGS[name].value for name in names}
    assert values["dataset"] and values["out"]
    if values["dataset"] == MOVING_SHAPES:
        assert not values["annotations"] and not values["features"] and values["protocol"] is None
    else:
        assert values["annotations"] and values["features"]
        assert values["protocol"] in (None, *PROTOCOLS[values["dataset"]])


def check_inspect(arguments: list[str]) -> None:
    with flagsaver.flagsaver():
        [_, folder] = flags.FLAGS(["inspect", *arguments])
        assert not folder.startswith("-")
        assert flags.FLAGS["split"].value in (None, *SPLITS)


def check_train(arguments: list[str]) -> Config:
    """Parses with a copy of the entry point's flags: those of a config file cannot be taken back."""
    arguments = ["main", *arguments]
    values = flags.FlagValues()
    for flag in flags.FLAGS.get_flags_for_module(training):
        if flag.name == "config":
            config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=arguments)
        elif "." not in flag.name:
            values[flag.name] = flag
    with flagsaver.flagsaver():
        assert values(arguments) == ["main"]
    assert {"config", "workdir", "mode"} <= set(values)
    return from_config_dict(values["config"].value)


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_the_readme_begins_with_the_two_commands() -> None:
    """Continuous integration runs both as they stand there."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first, second = blocks(text, "bash")
    assert "pip install" in first and "mcsan_jax.main --config=configs/demo.py" in first
    assert "pip install" in second and "-m pytest" in second
    assert text.count("\n") <= 200
    assert text[: text.index(second)].count("\n") < 25


def test_commands_are_found() -> None:
    found = [parameters.values[0] for parameters in COMMANDS]
    assert found.count(PREPARE) >= 7
    assert found.count(INSPECT) >= 3
    assert inspection.__name__ == INSPECT
    script = (
        "X=1 python3 -m a.b --c=d && cd e | python -m f 'g h' # python -m i\n" + "python -m j \\\n  --k\n"
    )
    assert list(commands(script)) == [("a.b", ["--c=d"]), ("f", ["g h"]), ("j", ["--k"])]


MCSAN = [
    pytest.param(shlex.split(line, comments=True)[1:], id=f"{path.name}: {line[:60]}")
    for path in DOCS
    for language in ("bash", "text")
    for script in blocks(path.read_text(encoding="utf-8"), language)
    for line in script.splitlines()
    if line.startswith("mcsan ")
]


@pytest.mark.parametrize("arguments", MCSAN)
def test_commands_of_mcsan_parse(arguments: list[str]) -> None:
    verb, *rest = arguments
    command = typer.main.get_command(cli.app).commands[verb]
    assert command.make_context(verb, rest).params


def test_all_verbs_of_mcsan_are_shown() -> None:
    assert {parameters.values[0][0] for parameters in MCSAN} == set(typer.main.get_command(cli.app).commands)


@pytest.mark.parametrize(("module", "arguments"), COMMANDS)
def test_commands_parse(module: str, arguments: list[str]) -> None:
    if module == PREPARE:
        check_prepare(arguments)
    elif module == INSPECT:
        check_inspect(arguments)
    elif module == TRAIN:
        assert check_train(arguments).name
    else:
        assert (
            not module.startswith(("mcsan_jax", "data_pipeline", "benchmarks"))
            or (ROOT / f"{module.replace('.', '/')}.py").is_file()
        )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--dataset=msrvtt", "--feature=x", "--annotations=x", "--features=x", "--out=x"],
        ["--dataset=coco", "--annotations=x", "--features=x", "--out=x"],
        ["--dataset=msrvtt", "--protocol=1k-C", "--annotations=x", "--features=x", "--out=x"],
        ["--dataset=msrvtt", "--annotations=x", "--features=x"],
        ["--dataset=moving_shapes", "--out=x", "stray"],
    ],
)
def test_a_wrong_preparation_is_noticed(arguments: list[str]) -> None:
    with pytest.raises((flags.Error, AssertionError)):
        check_prepare(arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--config=configs/demo.py", "--work_dir=x"],
        ["--config=configs/demo.py", "--mode=test"],
        ["--config=configs/absent.py"],
        ["--config=configs/demo.py:huge"],
        ["--config=configs/demo.py", "--config.train.epoch=3"],
        ["--config=configs/demo.py", "--config.model.context=lstm"],
    ],
)
def test_a_wrong_training_is_noticed(arguments: list[str]) -> None:
    with pytest.raises((flags.Error, InputError, OSError, AttributeError, KeyError)):
        check_train(arguments)


def test_overrides_reach_the_config_and_nothing_else() -> None:
    before = set(flags.FLAGS)
    config = check_train(["--config=configs/demo.py:tiny", "--config.train.epochs=3", "--mode=train"])
    assert (config.train.epochs, config.model.width) == (3, 16)
    assert set(flags.FLAGS) == before
    assert flags.FLAGS["mode"].value == "train_and_eval"


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_relative_links_lead_somewhere(path: Path) -> None:
    targets = [link.partition("#")[0] for link in _LINK.findall(prose(path)) if "://" not in link]
    assert not [target for target in targets if target and not (path.parent / target).exists()]


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_named_modules_exist(path: Path) -> None:
    spans = re.findall(r"`([^`]+)`", prose(path))
    names = {name for span in spans for name in _PYTHON_FILE.findall(span)}
    assert not [name for name in sorted(names) if not (ROOT / name).is_file()]


def test_the_snippets_of_data_md_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    make, read = (compile(source, "docs/data.md", "exec") for source in blocks(text, "python"))
    scripts = blocks(text, "bash")
    [arguments] = [a for s in scripts for m, a in commands(s) if m == PREPARE and "--dataset=jsonl" in a]
    monkeypatch.chdir(tmp_path)
    exec(make, {})
    assert run_command(arguments) == 0
    capsys.readouterr()
    exec(read, {})
    said = capsys.readouterr().out
    assert said.count("{'features': (") == 3 and "two men play guitar [" in said
