"""The metrics of loadwatch for Prometheus: the only home of prometheus_client."""

from loadwatch.exporter.exporter import Exporter
from loadwatch.exporter.selection import ALERT_STAGES
from loadwatch.exporter.table import METRICS, Metric

__all__ = ["ALERT_STAGES", "METRICS", "Exporter", "Metric"]
