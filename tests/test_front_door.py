"""`mcsan` and the programs behind it: the same flags, help and messages by either way; nearest names for slips."""

import pathlib
import subprocess
import sys

import pytest
from absl import flags

from data_pipeline import inspect, prepare
from mcsan_jax import main
from mcsan_jax.runs.folder import RunFolder
from tests.support import ROOT
from tests.support.command_line import run_command, run_mcsan
from tests.support.finished_run import arguments

PROGRAMS = {"prepare": prepare, "inspect": inspect, "train": main}
DEMO = "--config=demo:tiny"
PREPARED = ("--dataset=moving_shapes", "--out=absent")


@pytest.mark.parametrize(
    ("verb", "words", "said"),
    [
        ("prepare", ("--datset=msrvtt",), "'datset'. Did you mean: dataset"),
        ("prepare", ("--role",), "'role'. Did you mean: role_foils"),
        ("prepare", ("--dataset=msrvt", "--out=x"), "should be one of <msrvtt|"),
        ("prepare", ("--dataset=msrvt", "--out=x"), "; did you mean 'msrvtt'?"),
        ("prepare", ("--dataset=msrvtt",), "--out is missing; --help shows the flags"),
        ("prepare", (), "--dataset is missing"),
        ("prepare", (*PREPARED, "stray", "words"), "unexpected arguments: stray words"),
        ("prepare", (*PREPARED, "--frame_count=-1"), "--frame_count=-1"),
        ("prepare", (*PREPARED, "--frame_count", "many"), "expected a whole number, found 'many'"),
        ("inspect", (), "the folder of a prepared data set; found none"),
        ("inspect", ("a", "b"), "the folder of a prepared data set; found a b"),
        ("inspect", ("data", "--spilt=val"), "'spilt'. Did you mean: split"),
        ("train", (), "--config is missing; expected one of "),
        ("train", ("--confg=demo",), "'confg'. Did you mean: config"),
        ("train", ("--config=dmeo",), "did you mean 'demo'?"),
        ("train", ("--config=demo:tny",), "size 'tny' of config 'demo' is unknown; did you mean 'tiny'?"),
        ("train", ("--config=demo:Ful",), "did you mean 'full'?"),
        ("train", (DEMO, "--mode=evaluate"), "; did you mean 'eval'?"),
        ("train", (DEMO, "--config.model.levels=('global', 'entty')"), "did you mean 'entity'?"),
        ("train", (DEMO, "--config.model.context=trasformer"), "did you mean 'transformer'?"),
        ("train", (DEMO, "--work=x"), "'work'. Did you mean: workdir"),
        ("train", (DEMO, "stray"), "unexpected arguments: stray"),
        (
            "train",
            (DEMO, "--config.train.epoch=3"),
            "'config.train.epoch'. Did you mean: config.train.epochs ?",
        ),
        ("train", (DEMO, "--config.trian.epochs=3"), "Did you mean: config.train.epochs ?"),
        ("train", (DEMO, "--config.train.micro=3"), "Did you mean: config.train.micro_batches ?"),
        ("train", (DEMO, "--config.learning_rate=3"), "Did you mean: config.optim.learning_rate ?"),
        ("train", (DEMO, "--noconfig.data.cach"), "Did you mean: config.data.cache ?"),
        ("train", (DEMO, "--config.train.epochs.x=3"), "'config.train.epochs.x'"),
        ("train", (DEMO, "--config.data.xyzzyqq=3"), "Unknown command line flag 'config.data.xyzzyqq'"),
        ("train", (DEMO, "--config.train=3"), "flag --config.train=3"),
        ("train", (DEMO, "--config.train.epochs=many"), "epochs=many: expected a whole number, found 'many'"),
        ("train", (DEMO, "--config.train.epochs=1.5"), "epochs=1.5: expected a whole number, found '1.5'"),
        ("train", (DEMO, "--config.train.epochs="), "epochs=: expected a whole number, found ''"),
        ("train", (DEMO, "--config.optim.clip_norm=a"), "clip_norm=a: expected a number, found 'a'"),
        ("train", (DEMO, "--config.data.cache=maybe"), "cache=maybe: expected true or false, found 'maybe'"),
        (
            "train",
            (DEMO, "--config.model.levels=(global,entity)"),
            """expected values in quotes, such as "('a', 'b')", found (global,entity)""",
        ),
        ("train", (DEMO, "--config.model=3"), "expected a field of this group and its value, found '3'"),
        ("train", (DEMO, "--process_count=two"), "expected a whole number, found 'two'"),
        ("prepare", (*PREPARED, "--strict=maybe"), "expected true or false, found 'maybe'"),
        ("train", ("--config.train.epochs=3", DEMO), "before a value for --config was specified"),
        ("train", ("--flagfile=absent",), "absent"),
    ],
)
def test_a_slip_gets_one_line_and_the_nearest_name(verb: str, words: tuple[str, ...], said: str) -> None:
    by_the_door, by_itself = run_mcsan(verb, *words), run_command(PROGRAMS[verb].main, *words)
    assert by_the_door == by_itself
    check_message(by_itself.status, by_itself.stderr, said)
    assert by_itself.stdout == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("evl",), "No such command 'evl'. Did you mean 'eval'?"),
        (("inspct", "data"), "Did you mean 'inspect'?"),
        (("--hlep",), "--help"),
        (("eval",), "Missing argument"),
        (("eval", "absent"), "absent"),
        (("eval", "absent", "--ablat"), "--ablate"),
        (("eval", "absent", "--hubnes"), "--hubness"),
        (("compare", "a", "b", "--merge-duplicats"), "--merge-duplicates"),
        (("report", "absent", "--split", "val"), "absent: no such folder"),
        (("card", "absent", "--uot=x"), "--out"),
        (("export", "absent"), "--out"),
        (("export", "absent", "--out=new"), "there is no model 'absent'"),
        (("export", "dmeo", "--out=new"), "did you mean 'demo'?"),
        (
            ("export", "absent", "--out=new", "--to=modle"),
            "'modle' is not one of 'model', 'stablehlo', 'trec'",
        ),
        (("export", "absent", "--out=new", "--split=val"), "--split: not an option of --to=model"),
        (
            ("export", "absent", "--out=new", "--to=trec", "--include_encoder", "--dtype=float16"),
            "--include_encoder, --dtype: not an option of --to=trec",
        ),
        (("explain", "demo", "--text=a ball", "--video=clip"), "--out"),
        (("explain", "demo", "--txet=a ball"), "--text"),
    ],
)
def test_a_slip_in_what_is_done_with_runs_gets_one_line(words: tuple[str, ...], said: str) -> None:
    ended = run_mcsan(*words)
    check_message(ended.status, ended.stderr, said)


def check_message(status: int, stderr: str, said: str) -> None:
    assert status == 2
    # A reader says before which split it takes.
    [line] = [line for line in stderr.splitlines() if not line.startswith("split ")]
    assert line.startswith("error: ") and said in line


@pytest.mark.parametrize("verb", ["export", "report", "compare"])
def test_a_slip_in_a_split_gets_the_nearest_name(verb: str, finished_run: pathlib.Path) -> None:
    others = {"export": ["--out=absent", "--to=trec"], "report": [], "compare": [finished_run]}[verb]
    ended = run_mcsan(verb, finished_run, *others, "--split=tets")
    check_message(
        ended.status, ended.stderr, "split 'tets' was never evaluated (did you mean 'test'? evaluated: "
    )


def test_a_file_that_cannot_be_written_ends_with_a_message(
    finished_run: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "file").touch()
    for words in ((), ("--to=trec",)):
        ended = run_mcsan("export", finished_run, *words, "--out", tmp_path / "file" / "folder")
        check_message(ended.status, ended.stderr, str(tmp_path / "file"))


@pytest.mark.parametrize("word", ["--help", "-h"])
@pytest.mark.parametrize("verb", PROGRAMS)
def test_the_help_of_a_program_shows_its_flags(verb: str, word: str) -> None:
    program = PROGRAMS[verb]
    ended = run_mcsan(verb, word)
    assert ended == run_command(program.main, word)
    assert (ended.status, ended.stderr) == (0, "")
    assert str(program.__doc__).splitlines()[0] in ended.stdout
    names = {flag.name for flag in flags.FLAGS.get_key_flags_for_module(program) if "." not in flag.name}
    shown = {line.split(":")[0].strip() for line in ended.stdout.splitlines() if line.startswith("  --")}
    assert {name.removeprefix("--").removeprefix("[no]") for name in shown} == names


def test_the_help_of_the_door_names_every_verb() -> None:
    verbs = ("train", "eval", "prepare", "inspect", "compare", "report", "card", "export", "explain")
    for words in ((), ("--help",)):
        ended = run_mcsan(*words)
        assert (ended.status, ended.stderr) == (0, "")
        assert all(f" {verb} " in ended.stdout for verb in verbs)


def test_training_by_the_door_stores_the_command_that_is_documented(
    finished_run: pathlib.Path, shapes: pathlib.Path
) -> None:
    """The shared run was trained by `mcsan train`, and other tests evaluate it by `python -m mcsan_jax.main`."""
    command = RunFolder(finished_run).identity()["command"]
    assert command[:3] == ["python", "-m", "mcsan_jax.main"]
    assert command[3:] == arguments(shapes, finished_run)


def _modules_after(statement: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{statement}\nprint(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "statement",
    [
        "from mcsan_jax.cli import app; app(['--help'], standalone_mode=False)",
        "import mcsan_jax.cli",
    ],
)
def test_the_door_opens_without_what_is_heavy(statement: str) -> None:
    loaded = _modules_after(statement)
    assert "mcsan_jax.cli" in loaded
    assert not loaded & {"jax", "flax", "numpy", "tensorflow", "spacy", "h5py", "pydantic", "ml_collections"}
