"""The names of the four semantic levels.

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
