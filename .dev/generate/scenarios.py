"""All scenarios, in the order of the alerts."""

from typing import Final

from generate.health_scenarios import HEALTH_SCENARIOS
from generate.scenario import Scenario
from generate.verdict_scenarios import VERDICT_SCENARIOS

SCENARIOS: Final[tuple[Scenario, ...]] = (*VERDICT_SCENARIOS, *HEALTH_SCENARIOS)
