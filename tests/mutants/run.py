"""Shows that the tests notice faults: ``python -m tests.mutants.run`` puts each of `MUTANTS` into a copy of the
repository, one at a time, and runs the related tests there. It takes some minutes and is no part of CI.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from tests.mutants.mutants import MUTANTS, Mutant, NotFoundOnce
from tests.support import ROOT

KILLED, SURVIVED, ERROR = "killed", "SURVIVED", "ERROR"
LEAST_BY_DEFAULT = 34
"""Of all mutants, how many the default selection of tests must kill; with the slow tests, all."""
_PASSED, _FAILED, _BROKEN, _NOTHING_SELECTED = 0, 1, 2, 5
_SECONDS = 900.0


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What became of a mutant.

    Attributes:
        mutant: its name.
        outcome: `KILLED`, `SURVIVED` or `ERROR`.
        by: the first test that failed, or what else ended the run.
        seconds: that it took.
    """

    mutant: str
    outcome: str
    by: str
    seconds: float


def copy_repository(folder: pathlib.Path) -> pathlib.Path:
    """A copy of all files that git knows or would take."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        # What was deleted and not committed is still listed.
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def run_tests(
    repository: pathlib.Path, tests: Sequence[str], options: Sequence[str], seconds: float
) -> tuple[int | None, str]:
    """pytest's exit status, None where it was stopped after `seconds`, and what it printed."""
    # No time counts against a test here, and no compiled module may outlive the text that it was compiled from.
    command = [sys.executable, "-B", "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", "--tb=no", "-rfE"]
    command += ["-o", "processor_seconds=inf", *options, *(f"tests/{each}" for each in tests)]
    shared = os.environ.get("MCSAN_SHARED_DATA", str(ROOT.parent / "shared" / "data"))
    environment = {
        **os.environ,
        "PYTHONPATH": str(repository),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MCSAN_SHARED_DATA": shared,
    }
    with subprocess.Popen(
        command,
        cwd=repository,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            printed = process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            # Programs that a test started are of the same group.
            os.killpg(process.pid, signal.SIGKILL)
            return None, process.communicate()[0]
    return process.returncode, printed


def failures(printed: str) -> list[str]:
    """The tests and files that pytest's summary names as failed or broken."""
    return re.findall(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", printed, re.MULTILINE)


def judge(
    repository: pathlib.Path, mutant: Mutant, options: Sequence[str] = (), seconds: float = _SECONDS
) -> Verdict:
    """Puts the mutant into the copy, runs its tests up to the first failure, and takes it out again."""
    start, path = time.monotonic(), repository / mutant.file
    before = path.read_bytes()

    def verdict(outcome: str, by: str) -> Verdict:
        return Verdict(mutant.name, outcome, by, time.monotonic() - start)

    try:
        path.write_text(mutant.mutated(repository), encoding="utf-8")
        status, printed = run_tests(repository, mutant.tests, ["-x", *options], seconds)
    except NotFoundOnce as error:
        return verdict(ERROR, str(error))
    finally:
        path.write_bytes(before)
    if status is None:
        return verdict(KILLED, f"a hang: stopped after {seconds:.0f} s")
    if status in (_FAILED, _BROKEN) and (found := failures(printed)):
        return verdict(KILLED, found[0])
    if status == _PASSED:
        return verdict(SURVIVED, "")
    if status == _NOTHING_SELECTED:
        return verdict(SURVIVED, "no related test is selected")
    return verdict(ERROR, f"pytest ended with status {status}: {printed[-500:]}")


def judge_all(mutants: Sequence[Mutant], options: Sequence[str], jobs: int) -> list[Verdict]:
    """Judges each mutant in one of `jobs` copies of the repository.

    Raises:
        SystemExit: the related tests fail without any mutant; their names are printed.
    """
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, _workers(jobs) as workers:
        copies: queue.Queue[pathlib.Path] = queue.Queue()
        for number in range(jobs):
            copies.put(copy_repository(pathlib.Path(folder) / str(number)))
        related = list(dict.fromkeys(each for mutant in mutants for each in mutant.tests))
        print(f"{len(mutants)} mutants; without any: {', '.join(related)}", flush=True)
        status, printed = run_tests(pathlib.Path(folder) / "0", related, options, 4 * _SECONDS)
        if status != _PASSED:
            sys.exit("the tests do not pass without a mutant:\n" + ("\n".join(failures(printed)) or printed))

        def judge_one(mutant: Mutant) -> Verdict:
            repository = copies.get()
            try:
                found = judge(repository, mutant, options)
            finally:
                copies.put(repository)
            print(f"{found.outcome:8} {found.seconds:5.0f} s  {found.mutant}: {found.by}", flush=True)
            return found

        return list(workers.map(judge_one, mutants))


def _workers(jobs: int) -> concurrent.futures.ThreadPoolExecutor:
    return concurrent.futures.ThreadPoolExecutor(jobs)


def table(verdicts: Sequence[Verdict]) -> str:
    """The verdicts as Markdown."""
    rows = [f"| {each.mutant} | {each.outcome} | {each.by} | {each.seconds:.0f} |" for each in verdicts]
    return "\n".join(["| mutant | outcome | by | seconds |", "|---|---|---|---:|", *rows])


def make_parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.run", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="those whose names hold one of these words")
    parser.add_argument("--whole", action="store_true", help="with the tests that are marked slow")
    parser.add_argument("--jobs", type=int, default=1, help="copies that are tested at a time")
    parser.add_argument("--json", type=pathlib.Path, help="file to which the verdicts are written")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status: 1 where too few mutants were killed."""
    given = make_parser().parse_args(arguments)
    wanted = given.only or [""]
    if unknown := [name for name in wanted if not any(name in mutant.name for mutant in MUTANTS)]:
        make_parser().error(f"no mutant's name holds {', '.join(map(repr, unknown))}")
    chosen = [mutant for mutant in MUTANTS if any(name in mutant.name for name in wanted)]
    verdicts = judge_all(chosen, ["-m", ""] if given.whole else [], given.jobs)
    if given.json:
        given.json.write_text(json.dumps([dataclasses.asdict(each) for each in verdicts], indent=1) + "\n")
    killed = sum(each.outcome == KILLED for each in verdicts)
    needed = len(chosen) if given.whole else min(LEAST_BY_DEFAULT, len(chosen))
    print(f"\n{table(verdicts)}\n\n{killed} of {len(chosen)} killed; {needed} are needed")
    return int(killed < needed or any(each.outcome == ERROR for each in verdicts))


if __name__ == "__main__":
    sys.exit(main())
