import sys
from pathlib import Path

import pytest

from onebox.engine import Engine, EngineError, locate, parse_missing

LDD = """\
\tlinux-vdso.so.1 (0x00007f47e7e70000)
\tlibcurl.so.4 => not found
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f47e113e000)
\tlibssl.so.1.1 => not found
"""


def test_missing_libraries_are_those_that_ldd_does_not_find() -> None:
    assert parse_missing(LDD) == ["libcurl.so.4", "libssl.so.1.1"]


def test_an_engine_without_libraries_of_its_own_leaves_the_environment_alone() -> None:
    assert Engine(Path("mongod")).environment({"A": "b"}) == {"A": "b"}


@pytest.mark.parametrize(
    ("before", "after"),
    [({}, "/engine/lib"), ({"LD_LIBRARY_PATH": "/opt/lib"}, "/engine/lib:/opt/lib")],
)
def test_libraries_of_its_own_come_first(before: dict[str, str], after: str) -> None:
    engine = Engine(Path("mongod"), Path("/engine/lib"))
    assert engine.environment(before)["LD_LIBRARY_PATH"] == after


def test_a_mongod_on_the_path_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "mongod"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert locate() == Engine(program)


def test_without_an_engine_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(EngineError, match="make setup"):
        locate()
