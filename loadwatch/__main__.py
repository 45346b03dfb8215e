"""``python -m loadwatch`` and the ``loadwatch`` command."""

import os

# Before numpy comes in: its linear algebra would start one idle thread a CPU, each with buffers of its own,
# for matrices that one thread multiplies in microseconds.
for _library in ("OPENBLAS", "OMP", "MKL", "BLIS"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

from loadwatch.cli.main import main  # noqa: E402 - see above

if __name__ == "__main__":
    main()
