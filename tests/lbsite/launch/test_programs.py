"""What Supervisor is told of the programs."""

import shlex
from pathlib import Path

import pytest

from lbsite.launch import programs
from lbsite.launch.programs import Listen, Program
from lbsite.launch.supervision import MAX_BACKOFF, TerminalOptions

LISTEN = Listen(host="127.0.0.1", port=8000)


def read(folder: Path, *chosen: Program) -> TerminalOptions:
    """The configuration as Supervisor itself understands it."""
    (folder / "log").mkdir(parents=True)
    path = folder / "supervisor.conf"
    path.write_text(programs.supervisor_configuration(chosen, folder))
    options = TerminalOptions()
    options.realize(["-c", str(path)], doc="")
    return options


def test_a_folder_with_spaces_and_percent_signs_is_no_problem(tmp_path: Path) -> None:
    folder = tmp_path / "my 100%(data)s folder"
    program = programs.redis(["redis-server", "--dir", str(folder)])
    options = read(folder, program)
    (group,) = options.process_group_configs
    (process,) = group.process_configs
    assert shlex.split(process.command) == program.command
    assert process.stdout_logfile == str(folder / "log" / "redis.log")


def test_what_others_need_while_they_stop_is_stopped_last(tmp_path: Path) -> None:
    options = read(
        tmp_path,
        programs.redis(["redis-server"]),
        programs.edge(LISTEN, workers=1),
        programs.celery_beat(),
        programs.demo_backend("demo-a", LISTEN),
        programs.celery_worker(),
    )
    groups = sorted(options.process_group_configs, key=lambda group: -group.priority)
    assert [[process.name for process in group.process_configs] for group in groups] == [
        ["edge"],
        ["beat", "worker"],
        ["demo-a"],
        ["redis"],
    ]


def test_an_edge_is_killed_only_after_its_requests_had_time_to_finish() -> None:
    edge = programs.edge(LISTEN, workers=2)
    grace = edge.command[edge.command.index("--graceful-timeout") + 1]
    assert edge.stop_seconds > int(grace)


def test_supervisor_never_gives_up_on_a_program() -> None:
    assert programs.START_RETRIES > MAX_BACKOFF


@pytest.mark.parametrize(
    ("host", "text", "reachable"),
    [
        ("127.0.0.1", "127.0.0.1:8000", "127.0.0.1:8000"),
        ("::1", "[::1]:8000", "[::1]:8000"),
        ("0.0.0.0", "0.0.0.0:8000", "127.0.0.1:8000"),
        ("::", "[::]:8000", "[::1]:8000"),
    ],
)
def test_an_address_is_written_as_urls_want_it(host: str, text: str, reachable: str) -> None:
    listen = Listen(host=host, port=8000)
    assert (str(listen), str(listen.reachable)) == (text, reachable)
