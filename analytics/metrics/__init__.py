"""/metrics: what other monitoring reads, in Prometheus' and OpenMetrics' text.

Counters are those of the rollups: what edges have counted and ingest has added up, each
request once. They lag by a second or two, and never go back. Gauges are read from Redis
as edges and probes left them there. Nothing is kept in a process, so that any number of
web processes say the same.
"""
