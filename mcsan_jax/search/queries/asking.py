"""This module finds the words with which people ask for a video ("show me", "a video of"), which describe none."""

import re
from collections.abc import Sequence

from mcsan_jax.search.query_words import QueryWord

_VIDEOS = r"(?:videos?|clips?|footage|films?|scenes?|moments?)"
_PLEASE = (
    r"(?:please|hi|hello|ok|okay|(?:can|could|would) you|help me|i want (?:you )?to|(?:i would|i'd) like to)"
)
_ASKS = "|".join(
    (
        r"(?:show|find|get|give) (?:me|us)",
        r"(?:search|look) for",
        r"(?:(?:i am|i'm|im|we are|we're) )?looking for",
        r"(?:i want to|(?:i would|i'd) like to|let me) see",
        r"(?:do you have|have you got|is there|are there)",
        rf"find(?= (?:an?|the|all|any|some|every|{_VIDEOS}) )",
        rf"(?:where|which|what) is(?= (?:the|an?) {_VIDEOS} )",
        rf"(?:which|what)(?= {_VIDEOS} )",
        rf"(?:i|we) (?:want|need)(?= (?:an?|the|all|any|some|every|{_VIDEOS}) )",
    )
)
_SHOWING = r"(?:of|with|about|where|when|showing|in which|(?:that |which )?(?:shows?|has|have))"
_MEDIUM = rf"(?:(?:all|any|some|every|the|an?|one|more|your) )*{_VIDEOS} {_SHOWING} "
_REQUEST = re.compile(rf"(?:{_PLEASE} )*(?:(?:{_ASKS}) (?:{_MEDIUM})?|{_MEDIUM})(?:(?:any|some|all) )?")
_END = re.compile(rf" in (?:the|this|that|an?|any|your) {_VIDEOS}$")
_NO_WORD = '"'
_LONGEST = 16
"""No request has more words."""


def without_request(words: Sequence[QueryWord]) -> list[QueryWord]:
    """Returns the words of a query without a request that they begin with; all of them where it has none.

    "Show me a video of a dog" and "videos of a dog" become "a dog", and "is there a dog in the video" does, too.
    """
    spoken: list[int] = []
    for place, word in enumerate(words):
        if not word.is_mark:
            spoken.append(place)
            if not word.key:
                break
    # A word in quotes or after a minus is none of a request, though one may end before it.
    keys = [words[place].key or _NO_WORD for place in spoken]
    asks = _REQUEST.match(" ".join(keys[:_LONGEST]))
    if asks is None:
        return list(words)
    first, last = spoken[len(asks.group().split())], len(words)
    end = _END.search(" ".join(keys))
    if end is not None and len(spoken) == sum(not word.is_mark for word in words):
        last = spoken[len(keys) - len(end.group().split())]
    return list(words[first : max(first + 1, last)])
