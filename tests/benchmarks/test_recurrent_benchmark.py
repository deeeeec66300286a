import pathlib

from tests.benchmarks.programs import figures_of


def test_the_layer_and_the_plain_scan_are_timed_and_agree(tmp_path: pathlib.Path) -> None:
    sizes = ("--batch=4", "--slots=6", "--inputs=3", "--width=4", "--rounds=1")
    found = figures_of("recurrent", tmp_path, *sizes)
    assert list(found) == ["forward", "forward and backward"]
    for one in found.values():
        assert one["ratio"] > 0 and set(one["seconds"]) == {"plain", "layer"}
        assert one["difference"] < 1e-5
