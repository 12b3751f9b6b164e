"""Compiles the hot modules when `LB_COMPILE` is 1: `LB_COMPILE=1 pip install .`

mypyc makes C of the same source that runs otherwise, and needs a C compiler. Which
modules these are stands in pyproject.toml, beside this hook's path; the source is
installed with them, for tracebacks and for whoever reads it.
"""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# That the types are right is checked elsewhere, where all dependencies are installed; here
# mypy has to know no more than mypyc compiles by.
MYPY_OPTIONS = ["--config-file=", "--cache-dir=/dev/null", "--ignore-missing-imports"]


class CompileHook(BuildHookInterface[Any]):
    def dependencies(self) -> list[str]:
        if not _wanted():
            return []
        # msgspec's types: a Struct must not be compiled as if it were any other class.
        structs = [name for name in self.metadata.core.dependencies if name.startswith("msgspec")]
        return ["mypy[mypyc]>=2.4,<2.5", "setuptools>=77", *structs]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if not _wanted():
            return
        if version == "editable":
            sys.exit(
                "LB_COMPILE=1 is for `pip install .`: installed with -e, a module that is edited "
                "would go on running as it was compiled. Leave the variable out."
            )
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        self._folder = TemporaryDirectory()
        build_data["force_include"].update(_compile(self.config["modules"], self._folder.name))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if _wanted():
            self._folder.cleanup()


def _wanted() -> bool:
    value = os.environ.get("LB_COMPILE", "0")
    if value not in ("0", "1"):
        sys.exit(f"LB_COMPILE can be 1, or 0 as if it were not set: it is {value!r}.")
    return value == "1"


def _compile(modules: list[str], folder: str) -> dict[str, str]:
    """The extension modules: where each is, and where it belongs in the wheel."""
    from mypyc.build import mypycify  # here, for they are there only if `_wanted()`
    from setuptools import Distribution

    extensions = mypycify(
        [*MYPY_OPTIONS, *modules],
        debug_level="0",
        target_dir=f"{folder}/c",
        group_name="lbsite",
    )
    distribution = Distribution({"name": "lbsite", "ext_modules": extensions})
    command = distribution.get_command_obj("build_ext")
    command.build_lib, command.build_temp = f"{folder}/lib", f"{folder}/temp"
    command.ensure_finalized()
    command.run()
    return {path: str(Path(path).relative_to(command.build_lib)) for path in command.get_outputs()}
