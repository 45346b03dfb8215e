"""``loadwatch selftest``: the short proofs of the network, on this machine."""

import click

from loadwatch import selftest
from loadwatch.errors import LoadwatchError
from loadwatch.json_documents import document, of_record


@click.command("selftest")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, as_json: bool) -> None:
    """Prove the network on this machine: gradients, XOR, the server-load task, storage, speed."""
    found = []
    for finding in selftest.findings():
        found.append(finding)
        if not as_json:
            verdict = "ok  " if finding.passed else "FAIL"
            click.echo(
                f"{verdict}  {finding.name:<48} {finding.value:>10.3g} {finding.unit}  ({finding.expected})"
            )
    if as_json:
        click.echo(document(findings=[of_record(finding) for finding in found]))
    failed = sum(not finding.passed for finding in found)
    if failed:
        raise LoadwatchError(f"{failed} of {len(found)} proofs failed here; please report the output")
