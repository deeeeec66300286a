"""The seconds of a video's frames: from what is stored beside the features and from a given frame rate."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mcsan_jax.errors import InputError

TIMES = "times"
RATE = "fps"

# Rates are rounded in different places (29.97, 30000/1001), and no frame is that short.
_TOLERANCE = 1e-3


def resolve_times(
    frames: int, stored: Mapping[str, Mapping[str, Any]], frame_rate: float | None, where: str
) -> np.ndarray | None:
    """Times of the frames from all that is known of them, which must agree to a millisecond.

    Args:
        frames: number of frames.
        stored: by the place (for messages), values named `TIMES` (seconds of the frames) or `RATE` (frames per
            second).
        frame_rate: frames per second that the user gave.
        where: source and video, for messages.

    Returns:
        Seconds, float32 ``[frames]``; at a rate, frame ``i`` is at ``(i + 0.5) / rate``. None if nothing is known.

    Raises:
        InputError: a value cannot be used, or two contradict each other.
    """
    claims: dict[str, np.ndarray] = {}
    for place, values in stored.items():
        if TIMES in values:
            claims[f"{TIMES!r} of {place}"] = check_times(
                values[TIMES], frames, f"{where}, {TIMES!r} of {place}"
            )
        if RATE in values:
            claims[f"{RATE!r} of {place}"] = _times_at(values[RATE], frames, f"{where}, {RATE!r} of {place}")
    if frame_rate is not None:
        claims["the given frame rate"] = _times_at(frame_rate, frames, f"{where}, the given frame rate")
    return _agreed(claims, where)


def check_times(values: Any, frames: int, where: str) -> np.ndarray:
    """Checks the times of a video's frames.

    Returns:
        The times as float32 ``[frames]``.

    Raises:
        InputError: they are not one finite number for each frame, from 0 on and strictly increasing.
    """
    array = np.asarray(values)
    if array.shape != (frames,) or array.dtype.kind not in "fiu":
        raise InputError(
            f"{where}: expected the seconds of {frames} frames, found dtype {array.dtype} with shape "
            f"{list(array.shape)}; store one number per frame"
        )
    seconds = array.astype(np.float32)
    wrong = ~np.isfinite(seconds) | (seconds < 0)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise InputError(
            f"{where}: frame {first} is at {array[first]} s; expected finite seconds from 0 on, correct it"
        )
    backwards = np.diff(seconds) <= 0
    if backwards.any():
        first = int(np.argmax(backwards))
        raise InputError(
            f"{where}: frame {first} is at {array[first]} s and the next one at {array[first + 1]} s; expected "
            "strictly increasing times, put the frames in order"
        )
    return seconds


def _times_at(rate: Any, frames: int, where: str) -> np.ndarray:
    value = np.asarray(rate)
    if value.size != 1 or value.dtype.kind not in "fiu" or not 0 < value.item() < np.inf:
        raise InputError(
            f"{where}: expected a positive number of frames per second, found {rate!r}; correct it"
        )
    return check_times((np.arange(frames) + 0.5) / value.item(), frames, where)


def _agreed(claims: Mapping[str, np.ndarray], where: str) -> np.ndarray | None:
    if not claims:
        return None
    (first, times), *others = claims.items()
    for origin, other in others:
        apart = np.abs(times - other) > _TOLERANCE
        if apart.any():
            frame = int(np.argmax(apart))
            raise InputError(
                f"{where}: {first} and {origin} contradict each other: frame {frame} is at {times[frame]:.6g} s and "
                f"at {other[frame]:.6g} s (at a rate, frame i is at (i + 0.5) / rate); correct or remove one"
            )
    return times
