"""Prints a script by which a shell completes what is typed of `elth-jax`.

  eval "$(elth-jax completion bash)"            # in ~/.bashrc
  eval "$(elth-jax completion zsh)"             # in ~/.zshrc, after compinit
  elth-jax completion fish | source             # in ~/.config/fish/config.fish

Completed are commands, options, names of configs and files, every field of a
config, and the values of those that have a choice.
"""

import argparse

from elth_jax.study.shipped import shipped_names

SHELLS = ('bash', 'zsh', 'fish')
FOLDERS = {'workdir', 'workdirs', 'into', 'source', 'compilation_cache'}


def parser() -> argparse.ArgumentParser:
  """What the command takes."""
  made = argparse.ArgumentParser(
    prog='elth-jax completion',
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  made.add_argument('shell', choices=SHELLS)
  return made


def main(arguments: list[str] | None = None) -> int:
  shell = parser().parse_args(arguments).shell
  import argcomplete

  print(argcomplete.shellcode(['elth-jax'], shell=shell))
  return 0


def complete(whole: argparse.ArgumentParser) -> None:
  """Answers a shell that asks how a line may go on, and exits.

  Args:
    whole: the parser of all commands.
  """
  import argcomplete
  from argcomplete.completers import DirectoriesCompleter

  for action in _actions(whole):
    if action.dest == 'config':
      action.completer = _configs  # pyrefly: ignore
    elif action.dest in FOLDERS:
      action.completer = DirectoriesCompleter()  # pyrefly: ignore
  argcomplete.autocomplete(whole)


def _actions(whole: argparse.ArgumentParser) -> list[argparse.Action]:
  """The options of all commands."""
  found = []
  for action in whole._actions:
    found.append(action)
    if isinstance(action, argparse._SubParsersAction):
      for part in action.choices.values():
        found += _actions(part)
  return found


def _configs(prefix: str, **about) -> list[str]:
  """Names of configs that ship, and files."""
  from argcomplete.completers import FilesCompleter

  names = [name for name in shipped_names() if name.startswith(prefix)]
  return names + list(FilesCompleter('py')(prefix, **about))
