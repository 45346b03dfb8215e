"""``loadwatch completion``: the script that lets a shell complete commands and options."""

import click
from click.shell_completion import ShellComplete, get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(context: click.Context, /, *, shell: str) -> None:
    """Print the completion script of a SHELL.

    \b
    bash:  loadwatch completion bash > ~/.local/share/bash-completion/completions/loadwatch
    zsh:   loadwatch completion zsh > ~/.zfunc/_loadwatch    (a folder of your $fpath)
    fish:  loadwatch completion fish > ~/.config/fish/completions/loadwatch.fish
    """  # noqa: D301 - the backspace is click's mark for lines to leave as they are
    click.echo(script(context.find_root().command, shell))


def script(cli: click.Command, shell: str) -> str:
    """The script, which asks ``loadwatch`` itself for the words that fit."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    # The base class's method: bash's own runs a bash to look at its version, and the target may be another.
    text = ShellComplete.source(kind(cli, {}, "loadwatch", "_LOADWATCH_COMPLETE")).strip()
    # Only the first comma separates: what follows is the word and its help, which may have commas of its own.
    return text.replace('string split ","', 'string split -m 1 ","')
