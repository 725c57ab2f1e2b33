"""A dry run: what a study would do and cost, and what of it is left."""

import json
from collections.abc import Callable, Collection, Mapping

from elth_jax.process.signals import leave_if
from elth_jax.process.text import counted, say
from elth_jax.runner import calibration, trackers
from elth_jax.runner.acceptance import check_change
from elth_jax.study import data, estimate
from elth_jax.study.checks import check_asked, notes_on
from elth_jax.study.graph import build
from elth_jax.study.known_names import check_names
from elth_jax.study.nodes import Node, Run
from elth_jax.study.spec import RunOptions, StudySpec
from elth_jax.workdir import outputs, reuse
from elth_jax.workdir.store import Store


def describe(
  store: Store,
  spec: StudySpec,
  options: RunOptions,
  asked_to_stop: Callable[[], bool],
) -> None:
  """Says what a study would run, or what is left of it; reads no data.

  Raises:
    ValueError: if the config is wrong.
    StoreError: if the workdir holds another study.
    StudyStopped: if asked to stop.
  """
  check_names(spec)
  trackers.check(options.tracker)
  others = reuse.folders(options.reuse)
  outlines = data.outline(spec)
  check_asked(spec, outlines)
  nodes = build(spec, outlines)
  done = _done_already(store, spec, nodes)
  leave_if(asked_to_stop)
  for note in notes_on(spec, nodes):
    say(note)
  if done:
    say_done(store, done, nodes)
  if offered := reuse.offered(nodes, others) - done:
    say(f'{counted(len(offered), "node")} may be taken from other workdirs')
    done |= offered
  left = {name: node for name, node in nodes.items() if name not in done}
  if any(isinstance(node, Run) for node in left.values()):
    say('training a few steps to know how long it takes here ...')
  pace = calibration.measure(left, outlines, options)
  leave_if(asked_to_stop)
  say(estimate.describe(nodes, spec, pace, options.dry_run_nodes, done))


def _done_already(
  store: Store, spec: StudySpec, nodes: Mapping[str, Node]
) -> set[str]:
  """The nodes that are there, unchecked.

  Raises:
    StoreError: if the workdir holds another study.
  """
  path = store.root / outputs.CONFIG
  if not path.is_file():
    return set()
  try:
    earlier = json.loads(path.read_bytes())
  except ValueError:
    say(f'NOTE {path} is damaged; a start would set it aside')
    return set()
  check_change(store, earlier, spec, nodes, data.outline)
  return {name for name, node in nodes.items() if store.product(node).exists()}


def say_done(
  store: Store, done: Collection[str], nodes: Collection[str]
) -> None:
  """Says how much of a study there is."""
  are = 'is' if len(nodes) == 1 else 'are'
  say(
    f'{len(done)} of {counted(len(nodes), "node")} {are} done in {store.root}'
  )
