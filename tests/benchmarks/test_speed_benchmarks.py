"""The benchmarks against the PyTorch peer run through and print consistent figures; nothing here is timed."""

import re

import pytest

from tests.support.benchmark_programs import NUMBER, run_benchmark

pytest.importorskip("torch")

FASTEST = r"of the fastest rounds \d+\.\d"


def benchmark(name: str, *arguments: str) -> list[str]:
    """What it prints after naming the machine and the versions."""
    machine, versions, *figures = run_benchmark(name, *arguments).stdout.splitlines()
    assert re.fullmatch(r"machine: .+, \d+ cores; \d+ x \S+ under JAX", machine)
    assert re.fullmatch(r"versions: python 3\.\S+, jax \S+, jaxlib \S+, torch \S+, numpy \S+", versions)
    return figures


def test_similarity_compares_the_same_scores_and_gradients() -> None:
    sizes = ("--videos=3", "--captions=5", "--pairs=4", "--frames=3", "--nodes=2", "--width=8", "--rounds=1")
    settings, *figures = benchmark("similarity", *sizes)
    assert settings.startswith("float32, seed 0, ")
    titles = [
        *(
            "scores of 3 videos x 5 captions, 2 nodes each",
            "scores of 3 videos x 5 captions, nodes of real captions",
        ),
        "scores and gradients of 4 videos x 4 captions, 2 nodes each",
        "scores and gradients of 4 videos x 4 captions, nodes of real captions",
    ]
    for title, bar, line in zip(titles, (10, 10, 5, 5), figures, strict=True):
        found = re.fullmatch(
            rf"{title}.*: ours {NUMBER} ms, peer {NUMBER} ms, ratio {NUMBER}, {FASTEST} \(wanted: {bar} or more\), "
            r"relative difference (\S+)",
            line,
        )
        assert found, line
        ours, peer, ratio, difference = map(float, found.groups())
        # Both times are rounded to a tenth of a millisecond.
        assert (peer - 0.06) / (ours + 0.06) - 0.06 <= ratio
        assert ours <= 0.06 or ratio <= (peer + 0.06) / (ours - 0.06) + 0.06
        assert difference < 1e-4


def test_train_step_compares_three_steps_and_states_the_memory() -> None:
    sizes = ("--width=8", "--word_width=6", "--frame_dim=5", "--vocabulary=20")
    # Equal batches, so that the second process finds the step compiled.
    settings, batch, *figures = benchmark("train_step", *sizes, "--batch=4", "--large_batch=4", "--rounds=1")
    assert settings.startswith(
        "float32, --width=8 --word_width=6 --frame_dim=5 --vocabulary=20 --micro_batches=1 --seed=0, "
    )
    assert re.fullmatch(rf"batch 4: {NUMBER} words a caption, \d+ at most; {NUMBER} nodes", batch)
    peer, three, four, memory = figures
    assert re.fullmatch(rf"peer, three levels: {NUMBER} ms", peer)
    assert re.fullmatch(
        rf"ours, three levels: {NUMBER} ms, ratio {NUMBER}, {FASTEST} \(wanted: 3 or more\)", three
    )
    assert re.fullmatch(
        rf"ours, four levels with FBCE and KL: {NUMBER} ms, ratio {NUMBER}, {FASTEST} \(wanted: 2 or more\)",
        four,
    )
    found = re.fullmatch(
        rf"memory of ours, four levels, batch 4: {NUMBER} GB \(wanted: 8 or less\); the peer's .*", memory
    )
    assert found and 0.05 < float(found.group(1)) < 4
