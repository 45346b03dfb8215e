"""``python -m loadwatch`` and the ``loadwatch`` command."""

from loadwatch.cli.main import main

if __name__ == "__main__":
    main()
