"""History from elsewhere, and to elsewhere."""

from loadwatch.interchange.csv import CsvFile, read_csv, write_csv
from loadwatch.interchange.openmetrics import write_openmetrics

__all__ = ["CsvFile", "read_csv", "write_csv", "write_openmetrics"]
