"""`manage.py report`: the reports of REST in a terminal, by the same parameters.

Ends with 1 if what was asked for cannot be reported, with 2 if the command line is wrong.
"""

import sys
from collections.abc import Iterable
from typing import Any

import msgspec
from django.core.management import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from rest_framework.exceptions import ValidationError
from rich.console import Console

from analytics.api.queries import bad_parameters_as_answers
from analytics.api.shapes import columns_of
from analytics.terminal.kinds import KINDS, Kind
from analytics.terminal.tables import render
from pool.api.formats import csv_lines

_WIDTH = sys.maxsize  # of what goes to a file or a program, which wants names to be whole


class Command(BaseCommand):
    help = "Print a report: traffic, latency, errors, availability and others."

    def add_arguments(self, parser: CommandParser) -> None:
        reports = parser.add_subparsers(dest="report", required=True, metavar="REPORT")
        for name, kind in KINDS.items():
            about = " ".join((kind.__doc__ or "").split())
            one = reports.add_parser(
                name, help=about.partition(":")[0].rstrip("."), description=about
            )
            one.add_argument(
                "--format", choices=["table", "json", "csv"], default="table", dest="output"
            )
            one.add_argument(
                "--table", choices=list(kind.tables), help="which list CSV has (the first)"
            )
            for field, about in _parameters(kind):
                option = f"--{field.replace('_', '-')}"
                one.add_argument(option, dest=field, help=about, metavar="…")

    def handle(self, *args: Any, report: str, output: str, **options: Any) -> None:
        kind = KINDS[report]()
        asked = {name: options[name] for name, _ in _parameters(KINDS[report])}
        given = {name: value for name, value in asked.items() if value is not None}
        if output == "table" and "step" in asked:
            given.setdefault("step", "none")
        try:
            with bad_parameters_as_answers():
                found = kind.report(_query(kind, given), table=output == "csv")
        except ValidationError as error:
            raise CommandError(_in_words(error.detail)) from error
        except DatabaseError as error:
            raise CommandError(f"The database cannot be read: {error}") from error
        if output == "json":
            text = msgspec.json.format(msgspec.json.encode(found), indent=2)
            self.stdout.write(text.decode())
        elif output == "csv":
            self._write_csv(kind, options["table"] or next(iter(kind.tables)), found)
        else:
            self._write_tables(report, found, no_color=options["no_color"])

    def _write_csv(self, kind: Kind, name: str, found: Any) -> None:
        table = kind.tables[name]
        rows = map(msgspec.to_builtins, table.rows(found))
        for line in csv_lines(list(columns_of(table.row)), rows):
            self.stdout.write(line.decode(), ending="")

    def _write_tables(self, report: str, found: Any, *, no_color: bool) -> None:
        terminal = self.stdout.isatty()
        console = Console(
            file=self.stdout,  # type: ignore[arg-type]  # as good as a file, says Django
            width=None if terminal else _WIDTH,
            no_color=no_color,
            highlight=False,
        )
        for part in render(report, found, plain=not terminal):
            console.print(part)


def _parameters(kind: type[Kind]) -> Iterable[tuple[str, str]]:
    """Name and description of each, as argparse wants them."""
    for name, field in kind.query_class().get_fields().items():
        yield name, str(field.help_text or "").replace("%", "%%")


def _query(kind: Kind, given: dict[str, str]) -> Any:
    query = kind.query_class(data=given)
    query.is_valid(raise_exception=True)
    return query


def _in_words(detail: Any) -> str:
    return "\n".join(
        f"--{name.replace('_', '-')}: {' '.join(map(str, problems))}"
        for name, problems in detail.items()
    )
