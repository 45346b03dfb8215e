"""loadwatch: says early and quietly when this server is under high load or behaves unlike itself."""

__version__ = "0.2.0"
"""The release; what a build adds to it is in ``loadwatch.build``."""
