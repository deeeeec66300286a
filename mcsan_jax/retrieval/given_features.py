"""This module reads how features are named on a command line: a path, or a path for each stream."""

from collections.abc import Sequence

from data_pipeline.errors import InputError


def by_stream(features: Sequence[str], flag: str = "--features=") -> str | dict[str, str] | None:
    """Returns features as `Mcsan.encode_document` takes them.

    Args:
        features: ``PATH``, or ``STREAM=PATH`` for each stream.
        flag: what stands before each, for messages.

    Raises:
        InputError: of several, one has no stream, or two have the same.
    """
    if len(features) < 2 and not (features and "=" in features[0]):
        return features[0] if features else None
    if without := [one for one in features if "=" not in one]:
        raise InputError(f"{flag}{without[0]}: of several, each is given as STREAM=PATH")
    pairs = [one.partition("=") for one in features]
    names = [stream for stream, _, _ in pairs]
    if twice := [stream for stream in names if names.count(stream) > 1]:
        raise InputError(f"{flag.rstrip('=') or 'features'}: stream {twice[0]!r} is given twice")
    return {stream: path for stream, _, path in pairs}
