"""Time that a test moves."""


class ManualClock:
    """A clock that moves only when told to: for tests and simulations."""

    def __init__(self, wall: float = 1_700_000_000.0) -> None:
        self._wall = wall
        self._monotonic = 1_000.0
        self._suspended = 0.0

    def wall(self) -> float:
        """Seconds since the Unix epoch, as last set."""
        return self._wall

    def monotonic(self) -> float:
        """Seconds advanced so far."""
        return self._monotonic

    def boottime(self) -> float:
        """Seconds advanced or suspended so far."""
        return self._monotonic + self._suspended

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass on every clock."""
        self._wall += seconds
        self._monotonic += seconds

    def suspend(self, seconds: float) -> None:
        """Let the machine sleep: wall and boot time pass, the monotonic clock does not."""
        self._wall += seconds
        self._suspended += seconds

    def set_wall(self, wall: float) -> None:
        """Set the wall clock, forwards or backwards, as an administrator or NTP would."""
        self._wall = wall
