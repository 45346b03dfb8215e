"""loadwatch: says early and quietly when this server is under high load or behaves unlike itself."""

__version__ = "0.1.0"
