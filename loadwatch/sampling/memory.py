"""How full memory and swap are."""

import psutil


class MemorySource:
    """Levels, not rates: every reading stands by itself."""

    name = "memory"
    signals = ("memory", "swap")
    note = ""

    def read(self, now: float) -> dict[str, float]:  # noqa: ARG002 - levels, not rates
        """Shares of memory not available for new work and of swap in use; no ``swap`` without swap space."""
        memory = psutil.virtual_memory()
        values = {"memory": 1.0 - min(memory.available / memory.total, 1.0)}
        swap = psutil.swap_memory()
        if swap.total > 0:
            values["swap"] = swap.used / swap.total
        return values

    def forget(self) -> None:
        """Nothing is kept between readings."""
