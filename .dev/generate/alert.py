"""What an alert is, before it becomes a rule of Prometheus or of Grafana."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from loadwatch.assets import DEFAULT_PROJECT_URL

Severity = Literal["critical", "warning", "info"]
Group = Literal["loadwatch-verdicts", "loadwatch-flags", "loadwatch-health", "loadwatch-hours"]

# A scrape that is lost withdraws every series until the next. ``last_over_time`` bridges it, and a restart;
# unlike ``keep_firing_for`` (Prometheus 2.42) every Prometheus, vmalert and Grafana knows it.
MAINTENANCE: Final = "last_over_time(loadwatch_maintenance[5m]) == 1"


@dataclass(frozen=True, slots=True)
class Lookup:
    """Series of the same host, fetched when the text is written: "cpu_pressure +0.41, memory +0.22".

    ``name`` is a word for what is looked up. ``query`` is PromQL in which ``$host`` stands for the matchers
    that pick the host: all labels of the alert, for two clusters may have a host of one name. Each series is
    shown as the value of ``label``, if any, passed through the template function ``show_label``, and its own
    value passed through ``show_value``, if any; ``between`` joins the two. The text is there only with a
    series whose value is not zero: Grafana's queries fall back on a zero (see ``twins``).
    """

    name: str
    opening: str
    query: str
    label: str = ""
    show_label: str = ""
    show_value: str = ""
    between: str = " "
    after: str = ""
    count: int = 3
    smallest_first: bool = False


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One condition worth telling a person about.

    It holds where ``value`` compared with ``threshold`` is true and none of the expressions in ``unless`` has
    a series for the same host. ``value`` carries the labels of the target and no others: labels that users
    gave their targets survive to their routes, and the expressions in ``unless`` match it without a word.

    ``description`` is text in which ``{instance}`` is the host and ``{value:function}`` the value shown by a
    template function; a ``Lookup`` among the pieces adds series of the same host. ``panel`` names the
    dashboard and the panel that show it. ``meaning``, ``action`` and ``clearing`` are the runbook.
    """

    name: str
    group: Group
    severity: Severity
    value: str
    comparison: Literal[">", "<"]
    threshold: int
    wait: str
    summary: str
    description: tuple[str | Lookup, ...]
    panel: tuple[str, str]
    meaning: str
    action: str
    clearing: str
    unless: tuple[str, ...] = (MAINTENANCE,)

    @property
    def runbook_url(self) -> str:
        """The section of the README that says what to do."""
        return f"{DEFAULT_PROJECT_URL}#{self.name.lower()}"

    @property
    def comparable(self) -> str:
        """PromQL for the number that is compared, absent where the alert may not fire."""
        return "\nunless ".join([self.value, *self.unless])

    @property
    def condition(self) -> str:
        """PromQL that has a series for each host for which the alert holds."""
        return "\nunless ".join([f"{self.value} {self.comparison} {self.threshold}", *self.unless])


def fill(text: str, instance: str, value: str) -> str:
    """Put template actions in the places of ``{instance}`` and ``{value:function}``."""
    filled = text.replace("{instance}", action(instance))
    return re.sub(r"\{value:([^}]+)\}", lambda found: action(value, found[1]), filled)


def shown(lookup: Lookup, label: str, value: str) -> str:
    """Template text for one series, whose label and value are the expressions ``label`` and ``value``."""
    name = action(label, lookup.show_label) + lookup.between if lookup.label else ""
    number = action(value, lookup.show_value) if lookup.show_value else ""
    return name + number + lookup.after


def action(*pipeline: str) -> str:
    """A template action: ``{{ a | b }}``; empty parts are left out."""
    return f"{{{{ {' | '.join(part for part in pipeline if part)} }}}}"
