"""The server log: PostgreSQL's lines on stderr, which the logger process collects when it runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from engine.config import Config
from engine.errors import EngineError
from engine.host.api import Host

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class Log:
    """Writes the lines of one process. A message and its DETAIL and HINT go out in one write."""

    def __init__(self, host: Host, config: Config) -> None:
        self._host = host
        self._prefix = str(config.log_line_prefix)

    def write(self, level: str, message: str, detail: str = "", hint: str = "") -> None:
        """Log a message at a level (LOG, WARNING, ERROR, FATAL, PANIC)."""
        prefix = self._expanded_prefix()
        lines = [f"{prefix}{level}:  {message}"]
        if detail:
            lines.append(f"{prefix}DETAIL:  {detail}")
        if hint:
            lines.append(f"{prefix}HINT:  {hint}")
        text = "".join(line.replace("\n", "\n\t") + "\n" for line in lines)
        self._host.write_log(text.encode(errors="replace"))

    def log(self, message: str, detail: str = "", hint: str = "") -> None:
        """Level LOG: for the operator."""
        self.write("LOG", message, detail, hint)

    def warning(self, message: str, detail: str = "", hint: str = "") -> None:
        """Level WARNING."""
        self.write("WARNING", message, detail, hint)

    def error(self, error: EngineError, statement: str = "") -> None:
        """An operating error at its own level, with the statement that caused it."""
        self.write(error.level, error.message, error.detail or "", error.hint or "")
        if error.context:
            self.write("CONTEXT", error.context)
        if statement:
            self.write("STATEMENT", statement)

    def _expanded_prefix(self) -> str:
        prefix = self._prefix
        if "%m" in prefix or "%t" in prefix:
            moment = _EPOCH + timedelta(microseconds=self._host.now_us())
            seconds = moment.strftime("%Y-%m-%d %H:%M:%S")
            prefix = prefix.replace("%m", f"{seconds}.{moment.microsecond // 1000:03d} UTC")
            prefix = prefix.replace("%t", f"{seconds} UTC")
        return prefix.replace("%p", str(self._host.pid())).replace("%%", "%")
