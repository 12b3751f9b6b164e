"""Seconds for which all who agree over Redis collect, wait and rest: edges, and the view."""

BATCH = 0.02  # in which news are collected before they are told
TICK = 0.05  # between two looks while a circuit is not closed
IDLE_TICK = 0.25  # and otherwise
PATIENCE = 0.5  # with Redis
RETRY = 0.5  # until Redis is tried again
REREAD_INTERVAL = 5.0  # announcements can be lost, a key cannot
