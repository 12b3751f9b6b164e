"""``lb``: Django's management commands under the product's name."""

import argparse
import os
import signal
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from environs import EnvError

from lbsite.unavailable import AWAY, in_words
from proxy.build import build_name

_READER_GONE = 128 + signal.SIGPIPE  # as a shell tells of a program that SIGPIPE ended


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lbsite.settings")
    arguments = _take_data_dir(sys.argv)
    if arguments[1:] in (["--version"], ["version"]):  # Django would tell its own
        print(f"lbsite {build_name()}")
        return
    try:
        _ = settings.INSTALLED_APPS  # loads them
    except (EnvError, ImproperlyConfigured) as error:
        sys.exit(f"lb: {error}")
    try:
        execute_from_command_line(_with_module_name(arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        # Who reads, as `head` does, has had enough. Nothing is left to write to at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_READER_GONE)
    except AWAY as error:
        if "--traceback" in arguments:
            raise
        sys.exit(f"lb: {in_words(error)}")


def _with_module_name(arguments: list[str]) -> list[str]:
    """`debug-header` is the command debug_header: a module's name has no hyphens."""
    return [
        argument.replace("-", "_") if place == 1 and not argument.startswith("-") else argument
        for place, argument in enumerate(arguments)
    ]


def _take_data_dir(arguments: list[str]) -> list[str]:
    """Put `--data-dir` into the environment, and return the other arguments.

    The settings read the variable when they are loaded, which is before a
    command sees its options; and so every command understands the option.
    """
    parser = argparse.ArgumentParser(prog="lb", add_help=False, allow_abbrev=False)
    parser.add_argument("--data-dir")
    known, others = parser.parse_known_args(arguments)
    if known.data_dir is not None:
        os.environ["LB_DATA_DIR"] = known.data_dir
    return others
