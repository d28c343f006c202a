"""Days and months of a calendar, in a named time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hanzo_agents.errors import ConfigError

__all__ = ["Calendar", "Window"]


@dataclass(frozen=True, slots=True)
class Window:
    """A day or a month.

    Attributes:
        label: "2026-03-29" or "2026-03".
        starts, ends: seconds since the epoch; the end is the first moment of the next window.
    """

    label: str
    starts: float
    ends: float


class Calendar:
    """The calendar of a time zone. A day has 23, 24 or 25 hours, as the zone's clocks have.

    Args:
        timezone: a name of the IANA database: "Europe/Berlin", "UTC".
        field: names the setting in errors.

    Raises:
        ConfigError: there is no such zone.
    """

    __slots__ = ("_day", "_month", "_zone", "timezone")

    def __init__(self, timezone: str, field: str = "timezone") -> None:
        self._zone: tzinfo = _zone(timezone, field)
        self.timezone = timezone
        self._day = self._month = Window("", 0.0, 0.0)

    def day(self, now: float) -> Window:
        """The day that holds the moment `now`."""
        found = self._day
        if not found.starts <= now < found.ends:
            today = self._date(now)
            following = today + timedelta(days=1)
            found = self._day = Window(today.isoformat(), self._start(today), self._start(following))
        return found

    def month(self, now: float) -> Window:
        """The month that holds the moment `now`."""
        found = self._month
        if not found.starts <= now < found.ends:
            first = self._date(now).replace(day=1)
            following = (first + timedelta(days=31)).replace(day=1)
            found = self._month = Window(f"{first:%Y-%m}", self._start(first), self._start(following))
        return found

    def show(self, moment: float) -> str:
        """A moment for people: "2026-03-30 00:00 Europe/Berlin"."""
        return f"{datetime.fromtimestamp(moment, self._zone):%Y-%m-%d %H:%M} {self.timezone}"

    def _date(self, now: float) -> date:
        return datetime.fromtimestamp(now, self._zone).date()

    def _start(self, day: date) -> float:
        # Where the clocks skip midnight, this is the moment they skip it; where they repeat it, the first.
        return datetime(day.year, day.month, day.day, tzinfo=self._zone).timestamp()

    def __repr__(self) -> str:
        return f"Calendar({self.timezone!r})"


def _zone(name: object, field: str) -> tzinfo:
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{field}: expected the name of a time zone, got {name!r}")
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f'{field}: expected a time zone such as "Europe/Berlin" or "UTC", got {name!r}'
        ) from None
