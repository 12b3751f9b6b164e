"""Trying an algorithm before traffic depends on it.

The edge's own core (pools, exchanges, balancers) runs against backends that are
made up, in time that is made up: an hour of traffic takes seconds, and two runs
with one seed are equal. No Django in here.
"""
