"""What the daemon tells of its own process."""

import pytest
from prometheus_client import ProcessCollector

from loadwatch.exporter.own_process import PROCESS_METRICS, OwnProcess


def test_the_series_are_those_of_the_client_library() -> None:
    """Dashboards for any Python program fit: the same names, help and values as prometheus_client gives."""
    library = {family.name: family for family in ProcessCollector(registry=None).collect()}
    told = [family_of(values) for _, values, family_of in OwnProcess().contents()]
    assert len(told) == len(PROCESS_METRICS)
    for family in told:
        other = library[family.name]
        assert (family.type, family.documentation) == (other.type, other.documentation)
        assert [sample.name for sample in family.samples] == [sample.name for sample in other.samples]
        # The process goes on meanwhile.
        assert family.samples[0].value == pytest.approx(other.samples[0].value, rel=0.1, abs=0.5)
