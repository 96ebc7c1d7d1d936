"""``supervisor schema``: the file's JSON Schema, for editors."""

import click

from supervisor.cli import exits


@click.command()
def command() -> int:
    r"""Print the JSON Schema of the file, for editors.

    Draft-07, as the YAML extension of VS Code wants it. Save it beside the file, and let the file's first line be:

    \b
        # yaml-language-server: $schema=supervisor.schema.json

    An editor then knows every key, what it means and what may stand there. What values mean together is for `supervisor
    check`.
    """
    try:
        from supervisor.config.json_schema import as_text  # noqa: PLC0415 # reads sources, which may not be there

        text = as_text()
    except OSError:
        message = "the schema is made from the program's source, which is not installed here; run it from a checkout"
        raise exits.Failure(message, exits.INTERNAL) from None
    click.echo(text, nl=False)
    return exits.OK
