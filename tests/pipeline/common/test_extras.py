import pytest

from pipeline.common import extras
from pipeline.common.errors import InputError


def test_what_is_missing_is_one_line_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    extras.need("stdlib", "json", "csv")
    with pytest.raises(InputError, match=r"^export: needs onyx, rumtime; pip install '\.\[export\]'$"):
        extras.need("export", "json", "onyx", "rumtime")
    monkeypatch.setattr("sys.argv", ["/usr/bin/retone"])
    with pytest.raises(InputError, match=r"^a\.xlsx: needs onyx; pip install 'retone\[excel\]', or use CSV$"):
        extras.need("excel", "onyx", who="a.xlsx", instead="use CSV")
