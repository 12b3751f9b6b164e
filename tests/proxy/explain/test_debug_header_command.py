"""`lb debug-header`."""

import sys
import time
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from lbsite import cli
from proxy.core.debug import DebugKey


def made(*options):
    out = StringIO()
    call_command("debug_header", *options, stdout=out)
    name, value = out.getvalue().strip().split(": ")
    assert name == "X-LB-Debug"
    return value.encode()


@pytest.mark.parametrize(("options", "minutes"), [([], 15), (["--minutes", "60"], 60)])
def test_it_holds_for_the_minutes_asked_for(settings, options, minutes):
    left = DebugKey(settings.SECRET_KEY).expiry(made(*options)) - time.time()
    assert 60 * minutes - 30 < left <= 60 * minutes


@pytest.mark.parametrize("minutes", ["0", "-1", "1441"])
def test_one_that_is_over_or_lasts_for_ever_is_refused(minutes):
    with pytest.raises(CommandError, match="from 1 to 1440"):
        made("--minutes", minutes)


def test_lb_takes_the_name_with_a_hyphen(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["lb", "debug-header", "--minutes", "1"])
    cli.main()
    assert capsys.readouterr().out.startswith("X-LB-Debug: ")
