"""How commands print, and how they end."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from callctl.cli import main as entry
from callctl.cli.session import load_settings
from callctl.cli.show import aligned
from callctl.cli.wanted import parse_since
from callctl.errors import InvalidInput
from callctl.settings import ENVIRONMENT_FILE

_NOW = datetime(2026, 10, 1, 12, 0, tzinfo=UTC)


def test_columns_line_up_when_chinese_counts_double() -> None:
    """Numbers are right-aligned, and a Chinese character takes two places."""
    lines = aligned(("area", ">cost"), [("北京", "0.10"), ("unknown", "12.00")])

    assert lines == ["area      cost", "北京      0.10", "unknown  12.00"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90m", datetime(2026, 10, 1, 10, 30, tzinfo=UTC)),
        ("2d", datetime(2026, 9, 29, 12, 0, tzinfo=UTC)),
        ("2026-10-01T08:00:00+00:00", datetime(2026, 10, 1, 8, 0, tzinfo=UTC)),
    ],
)
def test_since_is_a_moment_or_so_long_ago(text: str, expected: datetime) -> None:
    """Both spellings of --since mean one moment."""
    assert parse_since(text, _NOW) == expected


def test_since_that_is_no_time_names_the_way_out() -> None:
    """A wrong --since says what to write."""
    with pytest.raises(InvalidInput, match="90m, 24h, 7d"):
        parse_since("yesterday", _NOW)


def test_settings_come_from_a_running_stack(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The file that `callctl run` leaves is read; the environment comes first."""
    (tmp_path / ENVIRONMENT_FILE).write_text(
        "CALLCTL_API_PORT=1234\nCALLCTL_DATABASE_URL='postgresql://u:p@/d?host=/x&port=1'\n"
    )
    monkeypatch.setenv("CALLCTL_VAR_DIR", str(tmp_path))
    monkeypatch.setenv("CALLCTL_API_PORT", "4321")

    settings = load_settings()

    assert settings.api_port == 4321
    assert settings.database_url == "postgresql://u:p@/d?host=/x&port=1"


def test_wrong_setting_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A setting out of range ends with one line that names the variable, not a traceback."""
    monkeypatch.setenv("CALLCTL_SLICE_SECONDS", "0")
    monkeypatch.setattr("sys.argv", ["callctl", "calls"])

    with pytest.raises(SystemExit) as ended:
        entry.main()

    complaint = capsys.readouterr().err
    assert ended.value.code == 1
    assert complaint.startswith("error: settings: CALLCTL_SLICE_SECONDS: ")
    assert complaint.count("\n") == 1


def test_no_database_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a database known, the remedy is in the one line."""
    monkeypatch.delenv("CALLCTL_DATABASE_URL", raising=False)
    monkeypatch.setenv("CALLCTL_VAR_DIR", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["callctl", "cdr", "list"])

    with pytest.raises(SystemExit) as ended:
        entry.main()

    assert ended.value.code == 1
    assert "start `callctl run`" in capsys.readouterr().err
