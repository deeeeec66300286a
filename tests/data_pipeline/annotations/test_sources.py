import pytest

from data_pipeline.annotations.sources import PROTOCOLS, READERS, read_annotations
from data_pipeline.annotations.splits import OFFICIAL_COUNTS
from mcsan_jax.errors import InputError


def test_every_reader_has_protocols_and_every_count_a_protocol():
    assert READERS.keys() == PROTOCOLS.keys()
    assert all(protocol in PROTOCOLS[source] for source, protocol in OFFICIAL_COUNTS)


@pytest.mark.parametrize("source", READERS)
def test_every_reader_refuses_an_unknown_protocol_and_an_empty_folder(source, tmp_path):
    with pytest.raises(InputError, match=f"{source}: no protocol 'odd'"):
        read_annotations(source, [tmp_path], "odd")
    with pytest.raises(InputError, match="in this folder"):
        read_annotations(source, [tmp_path])


def test_unknown_source_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected one of msrvtt, vatex, msvd, jsonl"):
        read_annotations("imagenet", [tmp_path])
