"""What `lb` does beside Django's own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from proxy.build import build_name

MANAGE = Path(__file__).parents[2] / "manage.py"


def test_a_reader_that_has_had_enough_ends_a_command_without_a_word(tmp_path: Path) -> None:
    environment = os.environ | {"LB_DATA_DIR": str(tmp_path)}
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            [sys.executable, MANAGE, "diffsettings", "--all"],
            env=environment,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGPIPE, "")


def test_its_version_is_the_product_s(tmp_path: Path) -> None:
    environment = os.environ | {"LB_DATA_DIR": str(tmp_path)}
    for asked in ("--version", "version"):
        told = subprocess.check_output([sys.executable, MANAGE, asked], env=environment, text=True)
        assert told == f"lbsite {build_name()}\n"
