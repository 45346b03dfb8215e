"""The command line: the only place that prints or exits. Each command is a module, imported when run."""
