"""Memory that the process frees stays with it, so that it is not cleared again for each use."""

import platform
import resource
import subprocess
import sys

import pytest

_PROGRAM = """
import resource, sys, threading
from data_pipeline.host.memory import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def work():
    for _ in range(10):
        b"x" * (64 * 2**20)

for thread in (threading.Thread(target=work), threading.Thread(target=work)):
    before = faults()
    thread.start()
    thread.join()
print(faults() - before)
"""


def _faults_of_second_use(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", _PROGRAM, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the GNU C library alone has these options")
def test_freed_memory_is_used_again_without_the_system() -> None:
    pages = 10 * 64 * 2**20 // resource.getpagesize()
    assert _faults_of_second_use("returned") > pages // 2
    assert _faults_of_second_use("kept") < pages // 100
