"""The report: one page of HTML by itself that says what happened on a host and what the forecasts were worth.

Plain SVG, no script and no request to anywhere: it can be mailed, kept, and opened in ten years.
"""

from loadwatch.report.findings import ReportFigures, ReportInput, examine
from loadwatch.report.page import page

__all__ = ["ReportFigures", "ReportInput", "examine", "page"]
