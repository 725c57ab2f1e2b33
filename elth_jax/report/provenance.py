"""When, where and on what a study ran, for its page."""

import dataclasses
import platform
from collections.abc import Mapping
from pathlib import Path

import jax

from elth_jax import datasets
from elth_jax.families import pretty
from elth_jax.process.text import counted
from elth_jax.study.nodes import Node, Run
from elth_jax.study.spec import StudySpec
from elth_jax.versions import code, versions
from elth_jax.workdir import history

CLONE = Path(__file__).parents[2]  # where git may have it from
Facts = list[tuple[str, str]]


def facts(
  root: Path,
  spec: StudySpec,
  nodes: Mapping[str, Node],
  test_images: int,
  kernels: str = '',
) -> Facts:
  """What a reader needs to judge the numbers: name and text.

  Args:
    root: the workdir.
    spec: what was asked for.
    nodes: the study's graph.
    test_images: how many there are; 0 if nobody said.
    kernels: the C++ kernels that compute; empty for none.
  """
  recipe = spec.recipe_for(spec.dataset)
  found = [
    ('networks', ', '.join(map(pretty, spec.targets))),
    ('tickets from', ', '.join(map(pretty, spec.sources))),
    ('rules', _rules(spec)),
    ('training images', _training_images(nodes)),
    ('test images', _test_images(test_images)),
    (
      'training',
      f'{counted(recipe.epochs, "epoch")} by {recipe.optimizer}, batches of '
      f'{recipe.batch_size}, rewound to {_rewind(recipe)}',
    ),
    ('replicates', f'{spec.replicates}, the first of seed {spec.seed}'),
    ('started', _started(root)),
    ('commit', commit(CLONE)),
    ('source', f'hash {code()}'),
    (
      'machine',
      f'{counted(jax.device_count(), f"{jax.default_backend()} device")}, '
      f'{platform.machine()}, Python {platform.python_version()}',
    ),
    (
      'versions',
      ', '.join(f'{name} {v}' for name, v in versions(kernels).items()),
    ),
  ]
  return [(name, text) for name, text in found if text]


def _rules(spec: StudySpec) -> str:
  """How tickets are transformed, and by which methods only in some ways."""
  some = [
    f'{method}: {", ".join(rules)}'
    for method, rules in spec.orders_of.items()
    if method in spec.methods
  ]
  return '; '.join((', '.join(spec.orders), *some))


def _training_images(nodes: Mapping[str, Node]) -> str:
  sizes = {
    node.data.dataset: node.data.examples
    for node in nodes.values()
    if isinstance(node, Run)
  }
  return ', '.join(
    f'{count:,} of {datasets.pretty(name)}' for name, count in sizes.items()
  )


def _test_images(count: int) -> str:
  if not count:
    return ''
  return f'{count:,}: one image is worth {100 / count:.2g} points of accuracy'


def _rewind(recipe) -> str:
  if recipe.rewind_epochs:
    return f'epoch {recipe.rewind_epochs:g}'
  return f'step {recipe.rewind_step}'


def _started(root: Path) -> str:
  """The first start and the last, in UTC."""
  times = [
    str(start.get('time', ''))
    for start in history.starts(root / history.NAME)
    if start
  ]
  if not times:
    return ''
  first, last = (f'{times[at]:.16}'.replace('T', ' ') for at in (0, -1))
  again = f'; {len(times)} starts, the last {last}' if len(times) > 1 else ''
  return f'{first} UTC{again}'


@dataclasses.dataclass(frozen=True)
class Progress:
  """How much of a study is done.

  Attributes:
    done: finished nodes: trainings, tickets and analyses.
    total: all of them.
    trained: finished training runs.
    runs: all of them.
  """

  done: int
  total: int
  trained: int
  runs: int

  @property
  def percent(self) -> int:
    """Of the training runs, rounded down."""
    return 100 * self.trained // max(1, self.runs)


def commit(clone: Path) -> str:
  """The commit that is checked out in a clone; empty where there is none.

  Reads git's own files, since git may not be installed.
  """
  place = clone / '.git'
  try:
    if place.is_file():  # of a worktree
      place = clone / place.read_text().removeprefix('gitdir:').strip()
    head = (place / 'HEAD').read_text().strip()
    if not head.startswith('ref:'):
      return head[:12]
    name = head.removeprefix('ref:').strip()
    shared = place / 'commondir'
    common = place / shared.read_text().strip() if shared.is_file() else place
    if (common / name).is_file():
      return (common / name).read_text().strip()[:12]
    for line in (common / 'packed-refs').read_text().splitlines():
      if line.endswith(f' {name}'):
        return line[:12]
  except OSError:
    pass
  return ''
