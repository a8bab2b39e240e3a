"""The level and the format of log lines."""

import json
import logging
import warnings
from typing import Any, Literal

import pytest
import structlog

from dind_webhook.logs import LEVELS, configure_logs, set_log_level

ORDER = list(LEVELS)
pytestmark = pytest.mark.usefixtures("logs_as_before")


def lines(captured: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in captured.readouterr().err.splitlines()]


def log_at_each_level(log: Any) -> None:
    for level in ORDER:
        getattr(log, level)(level)


@pytest.mark.parametrize("level", ORDER)
def test_a_line_appears_from_its_level_up(level: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json", level)
    log_at_each_level(structlog.get_logger())
    found = lines(capsys)
    assert [line["event"] for line in found] == [line["level"] for line in found] == ORDER[ORDER.index(level) :]


def test_the_level_changes_for_loggers_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json", "info")
    log = structlog.get_logger().bind(port=1)
    for level in (*ORDER, *reversed(ORDER)):
        set_log_level(level)
        log_at_each_level(log)
        assert [line["event"] for line in lines(capsys)] == ORDER[ORDER.index(level) :]


def test_what_python_warns_of_is_a_line_like_others(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json", "info")
    warnings.showwarning("certificates are not verified", UserWarning, "client.py", 7)
    (line,) = lines(capsys)
    assert (line["level"], line["logger"]) == ("warning", "py.warnings")
    assert "certificates are not verified" in line["message"]


def test_text_is_one_line_with_the_time_first(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("text", "info")
    structlog.get_logger().info("listening", port=1)
    line = capsys.readouterr().err
    assert line.startswith("time=2")
    assert line.endswith("Z level=info event=listening port=1\n")


@pytest.mark.parametrize(("level", "found"), [("warning", "warning"), ("error", "error"), ("critical", "critical")])
def test_what_libraries_warn_of_has_the_same_form(level: str, found: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json", "info")
    library = logging.getLogger("uvicorn.error")
    library.info("unheard")
    getattr(library, level)("odd %s", "request")
    (line,) = lines(capsys)
    del line["time"]
    assert line == {"event": "library", "level": found, "logger": "uvicorn.error", "message": "odd request"}


def test_the_text_of_a_library_s_exception_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json", "info")
    error = ValueError("secret of a pod")
    logging.getLogger("uvicorn.error").error("Exception in ASGI application", exc_info=error)
    text = capsys.readouterr().err
    assert "secret" not in text
    assert json.loads(text)["error"] == "ValueError"


def test_a_level_of_libraries_counts_for_ours_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json", "error")
    logging.getLogger("asyncio").warning("slow")
    assert lines(capsys) == []


@pytest.mark.parametrize("format_", ["json", "text"])
def test_a_line_cannot_command_a_terminal(format_: Literal["json", "text"], capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(format_, "info")
    structlog.get_logger().info("event", name="\x1b]0;owned\x07\x9b2J\u202e", more=["\x1b"])
    line = capsys.readouterr().err
    assert "owned" in line
    assert line.removesuffix("\n").isprintable()
