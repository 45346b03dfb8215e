"""History from elsewhere, and to elsewhere."""

from loadwatch.importers.csv import CsvFile, read_csv, write_csv
from loadwatch.importers.openmetrics import write_openmetrics

__all__ = ["CsvFile", "read_csv", "write_csv", "write_openmetrics"]
