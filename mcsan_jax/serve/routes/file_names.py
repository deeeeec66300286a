"""This module names the files as which answers are saved."""

import re
from urllib.parse import quote

_LONGEST = 60
"""Characters of a stem; as UTF-8 they fit in the 255 bytes that file systems allow."""


def saved_as(stem: str, rest: str) -> dict[str, str]:
    """Returns the header under which an answer is saved as a file.

    Args:
        stem: what the file is of, such as the id of a video; letters, digits, dots, minuses and underscores of it stay,
            and an underscore takes the place of all others.
        rest: of the name, with its ending.
    """
    name = (re.sub(r"[^\w.-]+", "_", stem)[:_LONGEST].strip("._-") or "unnamed") + rest
    # A header is plain ASCII; RFC 6266 has another form for other letters.
    form = f'filename="{name}"' if name.isascii() else f"filename*=UTF-8''{quote(name)}"
    return {"content-disposition": f"attachment; {form}"}
