"""Where the mongod program is, and what it needs to run."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ringback.errors import RingbackError


class EngineError(RingbackError):
    """The embedded database cannot run; the message says what to do about it."""

    code = "engine"


@dataclass(frozen=True)
class Engine:
    mongod: Path
    libraries: Path | None = None

    def environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        environment = dict(os.environ if base is None else base)
        if self.libraries is None:
            return environment
        paths = [str(self.libraries), environment.get("LD_LIBRARY_PATH", "")]
        return environment | {"LD_LIBRARY_PATH": ":".join(filter(None, paths))}


def unpacked_folder() -> Path:
    """Where `make setup` puts mongod: inside the virtual environment, so that removing that removes all."""
    return Path(sys.prefix) / "share" / "ringback" / "engine"


def unpacked(folder: Path) -> Engine:
    libraries = folder / "lib"
    return Engine(folder / "mongod", libraries if libraries.is_dir() else None)


def locate() -> Engine:
    installed = shutil.which("mongod")
    if installed:
        return Engine(Path(installed))
    engine = unpacked(unpacked_folder())
    if not engine.mongod.is_file():
        raise EngineError("there is no mongod on the PATH and none was fetched: run make setup")
    return engine


def missing_libraries(engine: Engine) -> list[str]:
    listing = subprocess.run(
        ["ldd", engine.mongod], env=engine.environment(), capture_output=True, text=True, check=True
    ).stdout
    return parse_missing(listing)


def parse_missing(ldd_listing: str) -> list[str]:
    return [line.split()[0] for line in ldd_listing.splitlines() if line.rstrip().endswith("=> not found")]


def version(engine: Engine) -> str:
    """The first line of `mongod --version`; raises EngineError when the program does not start."""
    result = subprocess.run(
        [engine.mongod, "--version"], env=engine.environment(), capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise EngineError(f"{engine.mongod} does not run here: {result.stderr.strip() or 'no message'}")
    return result.stdout.splitlines()[0]
