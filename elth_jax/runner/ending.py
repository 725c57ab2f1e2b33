"""How a study ends: results.csv, the report, and what is printed."""

from collections.abc import Mapping, Sequence
from typing import Any

from elth_jax.process.memory import peak_memory
from elth_jax.process.phases import phase
from elth_jax.process.text import printable, say
from elth_jax.report import results, summary
from elth_jax.runner.page import Page
from elth_jax.runner.run import Runner
from elth_jax.study.spec import StudySpec
from elth_jax.workdir import outputs


def report(
  runner: Runner, spec: StudySpec, changes: list[str], page: Page
) -> list[Mapping[str, Any]]:
  """Writes what is read of a finished study, unless that is there; its rows."""
  store, recovery = runner.store, runner.recovery
  outputs.join_metrics(store)
  if store.shared:
    recovery.look_again()  # another process may have reported it all
  rows, new = write_results(runner, spec)
  made = recovery.digests()
  if new or not recovery.covers(made, runner.failed):
    with phase('report'):
      page.write(rows, (*changes, *recovery.notes))
    outputs.close(store, made, runner.failed)
  return rows


def write_results(
  runner: Runner, spec: StudySpec
) -> tuple[list[Mapping[str, Any]], bool]:
  """Writes results.csv; the rows to report, and whether any are new."""
  store = runner.store
  rows = results.collect(runner.nodes, store, runner.done)
  text = results.to_csv(rows)
  new = not store.holds('results.csv', text)
  if new:
    outputs.reopen(store)
    store.write('results.csv', text)
  return results.of_targets(results.with_accuracy(rows), spec), new


def summarise(
  runner: Runner,
  spec: StudySpec,
  rows: Sequence[Mapping[str, Any]],
  changes: Sequence[str],
) -> None:
  """Prints what was found, and what to know of it."""
  lost = results.without_result(runner.nodes, runner.failed)
  say(summary.to_text(rows, printable, results.of_targets(lost, spec)))
  say(f'report: {runner.store.root / "report.html"}')
  if peak := peak_memory():
    say(
      'peak memory: '
      + ', '.join(f'{of} {b / 2**30:.2f} GiB' for of, b in peak.items())
    )
  for note in (*changes, *runner.recovery.notes):
    say(f'NOTE {note}')
  for line in outputs.failures(runner.failed):
    say(line)
