"""The metrics of loadwatch for Prometheus: the only home of prometheus_client."""

from loadwatch.exporter.exporter import Exporter
from loadwatch.exporter.table import METRICS, Metric

__all__ = ["METRICS", "Exporter", "Metric"]
