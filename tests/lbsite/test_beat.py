"""Beat tells once that Redis is away, and when it is back."""

import logging
from pathlib import Path
from typing import Any

import pytest

from lbsite.beat import PatientScheduler
from lbsite.celery import app


def test_ticks_that_cannot_be_sent_are_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    scheduler = PatientScheduler(app, schedule_filename=str(tmp_path / "schedule"))
    away = iter([True, True, False, False])

    def send(*_: Any, **__: Any) -> None:
        if next(away):
            raise ConnectionError("no Redis there")

    entry = next(iter(scheduler.schedule.values()))
    monkeypatch.setattr(entry, "task", "known.to.nobody")  # so that it is sent by its name
    monkeypatch.setattr(scheduler, "send_task", send)
    for _ in range(4):
        scheduler.apply_entry(entry)
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "no Redis there" in caplog.records[0].getMessage()
    assert "Traceback" not in caplog.text
    assert list(away) == []
