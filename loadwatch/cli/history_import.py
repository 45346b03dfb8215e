"""``loadwatch history import``: a past from elsewhere becomes ours, whole or not at all."""

import contextlib
import math
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import click

from loadwatch.cli.context import Context, with_context
from loadwatch.cli.formatting import SHOWN_NAMES, count_of, listed, show_age, show_share
from loadwatch.cli.learning import learn_from_import
from loadwatch.cli.progress import Bar
from loadwatch.cli.prometheus_import import prometheus_options, recordings_from
from loadwatch.cli.time_options import show_span
from loadwatch.errors import HistoryError, UsageError
from loadwatch.escaping import quoted
from loadwatch.history import History
from loadwatch.interchange.csv import read_csv
from loadwatch.interchange.openmetrics import LABEL_NAME, read_openmetrics
from loadwatch.interchange.screening import Screening
from loadwatch.interchange.text_file import opened_bytes
from loadwatch.labels.rule import Rule
from loadwatch.records import Recording, Span
from loadwatch.signals import NAMES

_SQLITE: Final = b"SQLite format 3\x00"
_NEARLY_ALL: Final = 0.99


@dataclass(slots=True)
class ImportSource:
    """Where rows come from.

    name: for messages; recordings: the rows; rows: how many there are, where that is known; share: how much
    of them has come, 0 to 1; zoned: whether their times say which moment they mean; always: signals that
    every host of this source has; annotations_of: the history whose labels and alerts come too; remarks: what
    is to be said of it at the end.
    """

    name: str
    recordings: Iterable[Recording] = ()
    rows: int = 0
    share: float = 0.0
    zoned: bool = True
    always: Collection[str] = ()
    annotations_of: History | None = None
    remarks: list[str] = field(default_factory=list)


@click.command("import", short_help="Add rows from a file or a Prometheus.")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=False)
@click.option("--train/--no-train", default=True, help="Whether to learn from them at once, as by default.")
@click.option(
    "--allow-gaps",
    is_flag=True,
    help="Store it also where a signal of the rule is mostly missing, or the server left something out.",
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="NAME=VALUE",
    help="A label that tells this host from others of its name; repeatable.",
)
@prometheus_options
@with_context
def import_rows(
    context: Context,
    *,
    file: Path | None,
    train: bool,
    allow_gaps: bool,
    labels: tuple[str, ...],
    **server: Any,
) -> None:
    """Add the rows of a FILE, or of a Prometheus, whose moments are not stored yet.

    A FILE is CSV or OpenMetrics (also .gz), or what loadwatch history export --format sqlite wrote on another
    machine. From Prometheus come node_exporter's series of this host, or loadwatch's own, as if loadwatch had
    sampled them; only what is missing is asked for. All of it is stored, or nothing. Then it trains; where a
    daemon is running, that does.
    """
    if (file is None) == (server["url"] is None):
        raise UsageError("say where the history comes from: a FILE, or --prometheus URL --instance HOST")
    wanted = _labels(labels, server["instance"] if file else None)
    rule = Rule.parse(context.config.high_load.when)
    with contextlib.ExitStack() as stack:
        # Before the history, which is opened as the user of the service: that need not be allowed to read it.
        described = context.config.described
        source = None if file is None else _from_file(file, wanted, described, stack)
        history = stack.enter_context(context.open_history())
        if source is None:
            own = context.config.signals
            source = _from_prometheus(history, wanted, allow_gaps=allow_gaps, own=own, **server)
        added = _store(history, source, rule, allow_gaps=allow_gaps)
        if added and train:
            learn_from_import(context, history)


def _from_prometheus(
    history: History, labels: Mapping[str, str], *, allow_gaps: bool, **server: Any
) -> ImportSource:
    source = ImportSource(server["url"], always=("cpu", "memory"))

    def progress(done: float, whole: float) -> None:
        source.share = done / whole

    source.recordings = recordings_from(
        history, labels, allow_partial=allow_gaps, progress=progress, remarks=source.remarks, **server
    )
    return source


def _from_file(
    file: Path, labels: Mapping[str, str], described: Collection[str], stack: contextlib.ExitStack
) -> ImportSource:
    """What lies in a file; its first bytes say of which kind it is."""
    with opened_bytes(file) as stream:
        start = stream.read(len(_SQLITE))
    if start == _SQLITE:
        moved = stack.enter_context(contextlib.closing(History.read(file)))
        return ImportSource(str(file), moved.slices(), moved.row_count(), annotations_of=moved)
    if start.startswith((b"#", b"loadwatch_")):
        recording = read_openmetrics(file, labels)
        return ImportSource(str(file), [recording], len(recording))
    read = read_csv(file)
    for warning in read.warnings:
        click.echo(f"loadwatch: {file}: {warning}", err=True)
    if foreign := [name for name in read.recording.signals if name not in described]:
        click.echo(f"loadwatch: {file}: {_foreign(foreign)}", err=True)
    return ImportSource(str(file), [read.recording], len(read.recording), zoned=read.zoned)


def _foreign(names: Sequence[str]) -> str:
    """Names that are none of ours, with the nearest of ours: a slip of the pen would never meet the rule."""
    shown: list[str] = []
    for name in names:
        near = get_close_matches(name.casefold(), NAMES, n=1, cutoff=0.75) if len(shown) < SHOWN_NAMES else ()
        shown.append(quoted(name) + (f" (did you mean {near[0]}?)" if near else ""))
    return f"signals of names that loadwatch does not know are kept under them: {listed(shown)}"


def _store(history: History, source: ImportSource, rule: Rule, *, allow_gaps: bool) -> int:
    """Store all of it, say what came, and answer how many rows were new."""
    screening = Screening(time.time(), source.zoned)

    def sound() -> Iterator[Recording]:
        with Bar() as bar:
            begun = time.monotonic()
            for part in screening.admitted(source.recordings):
                share = screening.rows / source.rows if source.rows else source.share
                pace = _pace(screening.rows, time.monotonic() - begun, share)
                bar.show(f"from {source.name}", share, pace)
                yield part
        missing = screening.missing(rule.signals, always=source.always)
        if missing and screening.rows > 1 and not allow_gaps:
            raise HistoryError(
                f"{source.name} mostly lacks what the rule for high load needs: {', '.join(missing)}; "
                "nothing was stored; take it as it is with --allow-gaps"
            )

    added = history.merge(sound(), annotations_of=source.annotations_of)
    for remark in source.remarks:
        click.echo(remark, err=screening.rows > 0)
    for word in screening.words():
        click.echo(f"loadwatch: {source.name}: {word}", err=True)
    if screening.rows or not source.remarks:
        click.echo(f"{added} of {screening.rows} rows added")
    if added:
        _report(history, screening, added)
    return added


def _pace(rows: int, seconds: float, share: float) -> str:
    """Rows so far, how fast, and how long it will take.

    >>> _pace(60_000, 20.0, 0.25)
    '60,000 rows, 3,000 a second, 60 s left'
    """
    left = f", {show_age(seconds * (1.0 / share - 1.0))} left" if 0.0 < share <= 1.0 else ""
    return f"{rows:,} rows, {rows / max(seconds, 1e-3):,.0f} a second{left}"


def _report(history: History, screening: Screening, added: int) -> None:
    """How much of the span has values, signal by signal, and how to take it back."""
    span = screening.span()
    gaps = screening.gap_seconds()
    without = f"; {show_age(gaps)} of that have no rows" if gaps else ""
    click.echo(f"{show_span(span)}{without}")
    shares = {name: screening.share(name) for name, count in screening.known.items() if count}
    whole = [name for name, share in shares.items() if share >= _NEARLY_ALL]
    click.echo(f"known in at least {_NEARLY_ALL:.0%} of the rows: {listed(whole) or 'none'}")
    for name, share in sorted(shares.items(), key=lambda each: -each[1]):
        if share < _NEARLY_ALL:
            click.echo(f"known in {show_share(share)}: {name}")
    if absent := [name for name in NAMES if name not in shares]:
        click.echo(f"not there: {listed(absent)}")
    undo = Span(math.floor(span.start), math.floor(span.end) + 1.0)
    others = history.row_count(undo.start, undo.end) - added
    beside = f" (and {count_of(others, 'row')} that were there before)" if others else ""
    click.echo(f"to undo{beside}: loadwatch history forget --from @{undo.start:.0f} --to @{undo.end:.0f}")


def _labels(texts: Sequence[str], instance: str | None) -> dict[str, str]:
    """What ``--label`` said, and ``--instance`` where it picks a host of a file."""
    wanted = {}
    for text in texts:
        name, given, value = text.partition("=")
        if not given or not LABEL_NAME.fullmatch(name):
            raise UsageError(f"--label {text!r}: expected NAME=VALUE, such as cluster=east")
        wanted[name] = value
    return wanted | ({"instance": instance} if instance else {})
