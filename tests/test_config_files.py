"""How `--config` finds its file, from the checkout, from elsewhere, and from an installed wheel."""

import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

from data_pipeline.errors import InputError
from mcsan_jax.config import from_config_dict
from mcsan_jax.config_files import config_names, find_config
from mcsan_jax.configs import ablations, demo, peers
from mcsan_jax.configs.derived import BASES
from tests.docs.documents import use_of_the_demo_model
from tests.support import ROOT
from tests.support.command_line import config_of, run_main

# In the checkout the second and the third are files; elsewhere they stand for those of the package.
SPELLINGS = ("{}", "configs/{}.py", "mcsan_jax/configs/{}.py")


def argument(name: str) -> str:
    """What stands after the colon, where a config needs something there."""
    return {"ablations": ":no_divergence:demo-tiny", "peers": ":hgr:demo-tiny"}.get(name, ":tiny")


@pytest.mark.parametrize("name", [*BASES, "ablations", "peers"])
def test_a_config_is_the_same_by_its_name_and_by_its_paths(
    name: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for folder in (ROOT, tmp_path):
        monkeypatch.chdir(folder)
        found += [config_of(f"--config={spelling.format(name)}{argument(name)}") for spelling in SPELLINGS]
    assert found == [found[0]] * len(found)
    assert found[0].name and name.partition("_")[0] in found[0].name


def test_what_comes_after_the_colon_reaches_the_config() -> None:
    assert config_of("--config=demo") == from_config_dict(demo.get_config())
    assert config_of("--config=demo:tiny", "--config.train.epochs=3").train.epochs == 3
    assert config_of("--config=ablations:full:msvd-tiny") == from_config_dict(
        ablations.get_config("full:msvd-tiny")
    )
    assert config_of("--config=peers:hgr") == from_config_dict(peers.get_config("hgr:msrvtt-small"))


def test_a_file_of_the_users_own_is_taken_as_it_is(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = (
        "from mcsan_jax.configs import demo\n\n\ndef get_config(size):\n    return demo.get_config(size)\n"
    )
    for path in ("configs/demo.py", "configs/mine.py", "mine.py"):
        file = pathlib.Path(path)
        file.parent.mkdir(exist_ok=True)
        file.write_text(source)
        assert find_config(f"{path}:tiny") == f"{path}:tiny"
        assert config_of(f"--config={path}:tiny") == config_of("--config=demo:tiny")


@pytest.mark.parametrize(
    ("value", "nearest"),
    [("demmo:tiny", "demo"), ("configs/msrvt.py", "msrvtt"), ("msrvtt-1ka", "msrvtt_1ka"), ("sizes", None)],
)
def test_an_unknown_config_is_answered_with_the_nearest_name(value: str, nearest: str | None) -> None:
    with pytest.raises(InputError, match=f"there is no config '{value}'") as refused:
        find_config(value)
    assert (f"did you mean {nearest!r}?" in str(refused.value)) == (nearest is not None)
    assert ", ".join(config_names()) in str(refused.value)
    ended = run_main(f"--config={value}")
    assert ended.status == 2
    assert f"there is no config '{value}'" in ended.stderr and "Traceback" not in ended.stderr


def test_what_get_config_refuses_is_said_without_a_traceback() -> None:
    ended = run_main("--config=demo:huge")
    assert ended.status == 2
    assert "size 'huge' of config 'demo' is unknown; expected one of hard, full, small, tiny" in ended.stderr
    assert "Traceback" not in ended.stderr and len(ended.stderr.splitlines()) == 1


@pytest.mark.slow
def test_an_installed_wheel_has_the_configs_and_installs_no_other_package(tmp_path: pathlib.Path) -> None:
    """Built from a copy, because building leaves files in the source; unpacked, because a wheel is a zipped package."""
    source, site = tmp_path / "source", tmp_path / "site"
    for folder in ("configs", "launch", "mcsan_jax", "data_pipeline", "benchmarks", "tests"):
        shutil.copytree(
            ROOT / folder, source / folder, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, f"--wheel-dir={tmp_path}", str(source)], check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)

    assert {path.name.partition("-")[0] for path in site.glob("*.dist-info")} == {"mcsan_jax"}
    assert {path.name for path in site.iterdir() if path.suffix != ".dist-info"} == {
        "mcsan_jax",
        "data_pipeline",
    }
    for folder, place in (
        ("configs", "mcsan_jax/configs"),
        ("launch", "mcsan_jax/launch"),
        ("mcsan_jax", "mcsan_jax"),
        ("data_pipeline", "data_pipeline"),
    ):
        wanted = [path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix != ".pyc"]
        assert wanted
        missing = [path for path in wanted if not (site / place / path.relative_to(ROOT / folder)).is_file()]
        assert not missing

    # Without the editable installation, which a new Python would follow to the checkout.
    installed = (
        "import sys\n"
        f"sys.path[:0] = [{str(site)!r}, *{[path for path in sys.path if path.endswith('site-packages')]!r}]\n"
        "import mcsan_jax.configs\n"
        f"assert mcsan_jax.configs.__file__.startswith({str(site)!r}), mcsan_jax.configs.__file__\n"
    )
    program = f"{installed}from mcsan_jax.main import main\nmain()\n"
    for spelling in SPELLINGS:
        done = subprocess.run(
            [sys.executable, "-S", "-c", program, f"--config={spelling.format('msrvtt')}:tiny"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        # As far as it gets without data, with the name and the hint of this config.
        assert done.returncode == 2
        assert f"looked for manifest.json in {tmp_path}/data/msrvtt" in done.stderr, done.stderr

    used = subprocess.run(
        [sys.executable, "-S", "-c", f"{installed}{use_of_the_demo_model()}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert used.returncode == 0, used.stderr
    assert used.stdout.startswith("test_00006 ")
    assert not (tmp_path / "data").exists()
