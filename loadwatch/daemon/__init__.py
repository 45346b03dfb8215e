"""The running daemon: wiring, schedule, signals, model swap, watchdog."""
