"""Writes the generated assets: rules, rule tests and dashboards, from one set of definitions.

``python .dev/documents.py`` rewrites the files in place; they depend on nothing but this code.
"""

from generate.dashboards import DASHBOARDS
from generate.rule_tests import alerting_tests, flag_tests, recording_tests
from generate.rules import alerting_rules, flag_rules, recording_rules
from generate.twins import grafana_rules


def build() -> dict[str, str]:
    """The generated files: content by asset name."""
    return {
        "prometheus/loadwatch.rules.yml": alerting_rules(),
        "prometheus/loadwatch.flags.yml": flag_rules(),
        "prometheus/loadwatch.recording.yml": recording_rules(),
        "prometheus/tests/loadwatch.rules.test.yml": alerting_tests(),
        "prometheus/tests/loadwatch.flags.test.yml": flag_tests(),
        "prometheus/tests/loadwatch.recording.test.yml": recording_tests(),
        "grafana/provisioning/alerting/loadwatch-rules.yaml": grafana_rules(),
        **{f"grafana/dashboards/{uid}.json": board.to_text() for uid, board in DASHBOARDS.items()},
    }
