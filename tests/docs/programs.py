"""Checks a command against the parser of the program that it calls; nothing is run."""

import argparse
import functools
import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
import typer
from absl import flags
from absl.testing import flagsaver
from packaging.requirements import Requirement

from benchmarks import __main__ as benchmarks
from benchmarks.quality import claims, quality
from benchmarks.quality.trained_runs import check_flags
from data_pipeline import inspect as inspection
from data_pipeline import prepare as preparation
from data_pipeline.annotations.caption import SPLITS
from data_pipeline.annotations.sources import PROTOCOLS
from data_pipeline.errors import InputError
from mcsan_jax import cli
from mcsan_jax import main as training
from mcsan_jax.config import Config, from_config_dict
from mcsan_jax.config_files import define_config_flag
from mcsan_jax.verbs.index_verbs import IndexGroup
from tests.docs.launching import python_calls
from tests.mutants import run as mutants
from tests.support import ROOT

VERBS = typer.main.get_command(cli.app).commands
_EXTRAS_OF_BEAM, _FLAGS_OF_BEAM = {"gcp"}, {"--flink_job_server_jar", "--spark_job_server_jar"}
"""Those that the documents name; Beam itself is asked where it is installed."""


def _has_beam() -> bool:
    return importlib.util.find_spec("apache_beam") is not None


def check_prepare(arguments: Sequence[str]) -> None:
    """Checks a call of `data_pipeline.prepare`."""
    with flagsaver.flagsaver():
        assert flags.FLAGS(["prepare", *arguments]) == ["prepare"]
        names = ("dataset", "protocol", "annotations", "features", "out", "split_file", "render_clips")
        values = {name: flags.FLAGS[name].value for name in names}
    own = values["dataset"] in ("csv", "jsonl")
    assert values["dataset"] and (values["out"] or values["render_clips"] or own)
    assert {line.partition("=")[0] for line in values["split_file"]} <= set(SPLITS)
    if values["dataset"] == preparation.MOVING_SHAPES:
        assert not values["annotations"] and not values["features"] and values["protocol"] is None
    else:
        assert values["annotations"] and (values["features"] or own)
        assert values["protocol"] in (None, *PROTOCOLS[values["dataset"]])


def check_inspect(arguments: Sequence[str]) -> None:
    """Checks a call of `data_pipeline.inspect`."""
    with flagsaver.flagsaver():
        [_, folder] = flags.FLAGS(["inspect", *arguments])
        assert not folder.startswith("-")
        assert flags.FLAGS["split"].value in (None, *SPLITS)


def check_train(arguments: Sequence[str]) -> Config:
    """Parses with a copy of the entry point's flags: those of a config file cannot be taken back."""
    arguments = ["main", *arguments]
    values = flags.FlagValues()
    for flag in flags.FLAGS.get_flags_for_module(training):
        if flag.name == "config":
            define_config_flag(values, arguments)
        elif "." not in flag.name:
            values[flag.name] = flag
    with flagsaver.flagsaver():
        assert values(arguments) == ["main"]
    assert {"config", "workdir", "mode"} <= set(values)
    return from_config_dict(values["config"].value)


def _parsed(verb: str, arguments: Sequence[str]) -> Any:
    """Parses a call of a verb, or of one of the verbs of a group."""
    command, words = VERBS[verb], list(arguments)
    if not isinstance(command, IndexGroup):
        return command.make_context(verb, words)
    name, inner, rest = command.resolve_command(command.make_context(verb, words), command.with_verb(words))
    return inner.make_context(name, rest)


def check_mcsan(arguments: Sequence[str]) -> None:
    """Checks a call of `mcsan`."""
    verb, *rest = arguments
    programs: dict[str, Callable[[Sequence[str]], object]] = {
        "prepare": check_prepare,
        "inspect": check_inspect,
        "train": check_train,
    }
    if verb in programs:
        programs[verb](rest)
    else:
        assert _parsed(verb, rest).params


def check_pip(arguments: Sequence[str]) -> None:
    """Checks that what is installed is this project, or one of its dependencies, with extras that exist."""
    verb, *rest = arguments
    words = [word for word in rest if word not in ("-q", "-e", "--no-deps")]
    assert verb == "install" and words
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    needed = {Requirement(line).name for line in sum(extras.values(), project["dependencies"])}
    for word in words:
        wanted = Requirement(re.sub(r"^\.", project["name"], word))
        if wanted.name == project["name"]:
            assert wanted.extras <= set(extras), word
        else:
            assert wanted.name in needed, word
            offered = _EXTRAS_OF_BEAM
            if wanted.name != "apache-beam" or _has_beam():
                offered = set(importlib.metadata.metadata(wanted.name).get_all("Provides-Extra") or [])
            assert wanted.extras <= offered, word


def check_environment(arguments: Sequence[str]) -> None:
    """Checks that the scripts read the variables that are set."""
    scripts = [path for part in ("launch", "benchmarks") for path in (ROOT / part).glob("*.s[hb]*")]
    known = {name for path in scripts for name in re.findall(r"\$\{?([A-Z_]+)", path.read_text())}
    names = [word.partition("=")[0] for word in arguments if "=" in word]
    assert len(names) == len(arguments) and set(names) <= known, names


def check_docker(arguments: Sequence[str]) -> None:
    """Checks what of a call of Docker depends on the project: its file, its variants, its folders, its flags."""
    image = (ROOT / "launch" / "Dockerfile").read_text(encoding="utf-8")
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers(dest="verb", required=True)
    build = verbs.add_parser("build", allow_abbrev=False)
    for name in ("--file", "--build-arg", "--tag"):
        build.add_argument(name, required=True)
    build.add_argument("context", choices=["."])
    run = verbs.add_parser("run", allow_abbrev=False)
    run.add_argument("--gpus")
    run.add_argument("--volume", action="append", default=[])
    run.add_argument("image")
    run.add_argument("arguments", nargs=argparse.REMAINDER)
    given = parser.parse_args(arguments)
    if given.verb == "build":
        name, _, value = given.build_arg.partition("=")
        assert (ROOT / given.file).is_file()
        assert f"\nARG {name}=" in image and re.search(rf"^ *{value}\)", image, re.MULTILINE)
    else:
        [there] = re.findall(r"^WORKDIR (.*)$", image, re.MULTILINE)
        assert all(volume.partition(":")[2].startswith(f"{there}/") for volume in given.volume)
        check_train(given.arguments)


class Checker:
    """Checks commands.

    Args:
        pytest_parser: pytest's own.
    """

    def __init__(self, pytest_parser: pytest.Parser) -> None:
        self._pytest_parser = pytest_parser

    def check(self, words: Sequence[str]) -> None:
        """Checks a command with what stands before it.

        Raises:
            LookupError: there is no rule for its program.
            AssertionError, SystemExit, or an exception of the program's parser: it is wrong.
        """
        program, *arguments = words
        script = re.fullmatch(r"(launch|benchmarks)/\w+\.sh", program)
        rules = {
            "mcsan": check_mcsan,
            "pip": check_pip,
            "pytest": self._check_pytest,
            "docker": check_docker,
            "sbatch": self._check_sbatch,
            "bash": self._check_bash,
            "export": check_environment,
            "cat": _check_files,
            "sort": _check_files,
        }
        if re.fullmatch(r"(\.venv/bin/)?python3?", program):
            self.check_python(arguments)
        elif script:
            self._check_script(program, arguments)
        elif re.match(r"[A-Z_]+=", program):
            check_environment([program])
            self.check(arguments)
        else:
            rules[program](arguments)

    def check_mention(self, words: Sequence[str]) -> None:
        """Checks that what is named without arguments exists."""
        *_, name = [word for word in words if not word.startswith("--")]
        if "/" in name and not name.startswith(".venv"):
            assert (ROOT / name).is_file(), name
        elif words[0] == "mcsan":
            assert name in VERBS or name in VERBS["index"].commands or len(words) == 1, name
        elif words[2:3] == ["benchmarks"]:
            assert set(words[3:]) <= {*benchmarks.PLACES, "tables"}, name
        elif "-m" in words and name not in ("pytest", "venv", "pip", "ruff", "mypy"):
            assert (ROOT / f"{name.replace('.', '/')}.py").is_file(), name

    def check_python(self, arguments: Sequence[str]) -> None:
        """Checks a call of Python."""
        option, name, *rest = arguments
        rules = {
            preparation.__name__: check_prepare,
            inspection.__name__: check_inspect,
            training.__name__: check_train,
            cli.__name__: check_mcsan,
            mutants.__name__: mutants.make_parser().parse_args,
            "benchmarks": _check_benchmark,
            "pip": check_pip,
            "pytest": self._check_pytest,
            "venv": _check_files,
            "ruff": _check_ruff,
            "mypy": _check_nothing,
        }
        if option == "-c":
            compile(name, "-c", "exec")
            _check_nothing(rest)
        elif option == "-m":
            rules[name](rest)
        else:
            raise LookupError(f"python {option}: show it with -m")

    def _check_script(self, script: str, arguments: Sequence[str]) -> None:
        calls = python_calls(script, list(arguments))
        for call in calls:
            self.check_python(call)
        words = [word for word in arguments if word != "--dry_run"]
        assert calls or (script == "launch/tpu_vm.sh" and words[0] != "start")

    def _check_sbatch(self, arguments: Sequence[str]) -> None:
        script = "launch/slurm.sbatch"
        place = list(arguments).index(script)
        options = set(re.findall(r"^#SBATCH (--[\w-]+)", (ROOT / script).read_text(), re.MULTILINE))
        assert {word.partition("=")[0] for word in arguments[:place]} <= options
        self._check_script(script, arguments[place + 1 :])

    def _check_bash(self, arguments: Sequence[str]) -> None:
        self._check_script(arguments[0], arguments[1:])

    def _check_pytest(self, arguments: Sequence[str]) -> None:
        given = self._pytest_parser.parse(list(arguments))
        for path in given.file_or_dir:
            assert (ROOT / path.partition("::")[0]).exists(), path

    def check_flags(self, words: Sequence[str]) -> None:
        """Checks flags that stand alone, as words of the prose: one of the programs has them."""
        config: list[str] = []
        for word in words:
            name, _, value = word.partition("=")
            if name.startswith("--config."):
                fields = name.split(".")[1:]
                functools.reduce(getattr, fields, Config())
                config += [word.replace('"', "")] if "=" in word else []
            elif name.removeprefix("--") in flags.FLAGS:
                flag = flags.FLAGS[name.removeprefix("--")]
                assert not value or flag.parser.parse(value) is not None
            else:
                assert name in self._flag_names, name
        if config:
            _check_overrides(config)

    @functools.cached_property
    def _flag_names(self) -> set[str]:
        """The flags of all programs but those whose flags are known to absl here."""
        names = {"--", "--dry_run"}
        groups = [verb for verb in VERBS.values() if isinstance(verb, IndexGroup)]
        verbs = [*VERBS.values(), *(verb for group in groups for verb in group.commands.values())]
        names |= {option for verb in verbs for given in verb.params for option in given.opts}
        of_beam = _FLAGS_OF_BEAM
        if _has_beam():
            from apache_beam.options.pipeline_options import PipelineOptions

            of_beam = {f"--{name}" for name in PipelineOptions().get_all_options()}
        names |= of_beam
        commands = map(benchmarks.command_of, benchmarks.PLACES)
        names |= {option for command in commands for given in command.params for option in given.opts}
        return names


def _check_benchmark(arguments: Sequence[str]) -> None:
    """A benchmark, the list of all, or the tables of the documents."""
    if list(arguments) in ([], ["tables"]):
        return
    name, *rest = arguments
    assert name in benchmarks.PLACES, name
    given = benchmarks.command_of(name).make_context(name, rest).params
    for trained in _trained(name, given):
        check_train(trained)
    if name == "parse_captions":
        assert given["protocol"] in (None, *PROTOCOLS[given["dataset"]])


def _trained(name: str, given: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """Arguments of the trainings that a benchmark would start, or the config that it reads."""
    overrides = given.get("overrides") or []
    if name == "quality":
        models = quality.models_of(given["mcsan"], given["peers"], given["base"], given["dir"], overrides)
        yield from (model.flags for model in models)
    elif name == "claims":
        assert set(given["parts"].split(",")) <= set(claims.PARTS)
        names = given["ablations"].split(",")
        assert set(names) <= set(claims.ABLATIONS)
        models = claims.ablation_models(given["base"], check_flags(overrides), names)
        yield from (model.flags for model in models)
    elif "config" in given:
        dtype = given.get("compute_dtype")
        own = [f"--config.model.compute_dtype={dtype}"] if dtype else []
        yield [f"--config={given['config']}", *own, *overrides]


def _check_overrides(overrides: Sequence[str]) -> None:
    """Checks that one of two experiments, with words learned or read by a published encoder, takes them."""
    try:
        check_train(["--config=configs/demo.py", *overrides])
    except InputError:
        check_train(["--config=configs/msrvtt.py", *overrides])


def _check_files(arguments: Sequence[str]) -> None:
    """Names of files, which need not be there."""
    assert not [word for word in arguments if word.startswith("-")]


def _check_nothing(arguments: Sequence[str]) -> None:
    assert not arguments


def _check_ruff(arguments: Sequence[str]) -> None:
    """Ruff looks at all flags before it prints its help."""
    subprocess.run(
        [sys.executable, "-m", "ruff", *arguments, "--help"], check=True, capture_output=True, cwd=ROOT
    )
