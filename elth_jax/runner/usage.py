"""The arguments of the command that runs a study, for help and completion.

`command_line` reads them; nothing here loads JAX.
"""

import argparse

from elth_jax.study.fields import GROUPS, Field, config_fields

DESCRIPTION = """\
Runs a study, or what is left of it, and writes a report.

CONFIG is a file whose get_config() returns an ml_collections.ConfigDict, or
the name of one that comes with the package (`elth-jax configs` lists them).
Behind a colon stands a choice that the file describes: --config=elth_table6:
cifar10. The same command goes on where an earlier one was stopped."""
EPILOG = """\
exit codes: 0 done; 1 error; 130, 143 and 138 stopped by SIGINT (Ctrl-C),
SIGTERM and SIGUSR1. Defaults are those of a config that does not set the field;
most configs set several."""


class _Formatter(argparse.RawDescriptionHelpFormatter):
  """Writes options as they are typed, with `=`."""

  def _format_action_invocation(self, action: argparse.Action) -> str:
    if action.nargs == 0:
      return super()._format_action_invocation(action)
    return f'{action.option_strings[-1]}={action.metavar}'


def parser(prog: str = 'elth-jax run') -> argparse.ArgumentParser:
  """The parser of `run`, with an option for every field of a config."""
  made = argparse.ArgumentParser(
    prog=prog,
    usage=f'{prog} --config=CONFIG --workdir=DIR [--config.FIELD=VALUE ...]',
    description=DESCRIPTION,
    epilog=EPILOG,
    formatter_class=_Formatter,
  )
  made.add_argument('--config', metavar='CONFIG', help='the study to run')
  made.add_argument(
    '--workdir',
    metavar='DIR',
    help='folder for everything that is written, or s3://bucket/path',
  )
  made.add_argument(
    '--compilation_cache',
    metavar='DIR',
    help='folder for compiled programs, or "off"; by default in '
    'ELTH_JAX_CACHE, or ~/.cache/elth_jax',
  )
  for title in GROUPS:
    group = made.add_argument_group(title)
    for field in config_fields():
      if field.group == title:
        _add(group, field)
  return made


def _add(group: argparse._ArgumentGroup, field: Field) -> None:
  default = field.default
  end = 'required' if default is None else f'default: {default}'
  text = f'{field.meaning.rstrip(".")} [{end}]'.replace('%', '%%')
  group.add_argument(
    f'--config.{field.name}',
    metavar=field.type,
    choices=field.choices or None,
    help=text,
  )
