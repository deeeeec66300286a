"""The names of the four semantic levels, and of the kinds of captions made false.

Axis letters used everywhere: ``v`` video, ``t`` text, ``f`` frame, ``k`` region, ``n`` node,
``w`` token, ``r`` relationship, ``d`` feature, ``a`` attribute.
"""

GLOBAL = "global"
ENTITY = "entity"
ACTION = "action"
RELATIONSHIP = "relationship"

LEVELS = (GLOBAL, ENTITY, ACTION, RELATIONSHIP)
NODE_LEVELS = (ENTITY, ACTION, RELATIONSHIP)
"""Levels that hold several vectors per item: one per frame of a video, one per node of a caption."""

ROLE = "role"
MODIFIER = "modifier"
POLARITY = "polarity"
ORDER = "order"

FOIL_KINDS = (ROLE, ACTION, ENTITY, MODIFIER, POLARITY, ORDER)
"""A foil exchanges who does it to whom, replaces an action, an entity or a modifier, says the opposite, or exchanges
the order of two actions. A kind's id is its place here."""
