"""What a study would do, without doing it."""

import collections
import dataclasses
from collections.abc import Collection, Iterator, Mapping

from elth_jax.families import Architecture
from elth_jax.methods import METHODS
from elth_jax.methods.lottery import kept_by_level
from elth_jax.process.text import counted
from elth_jax.study.nodes import Derive, Node, Run
from elth_jax.study.spec import StudySpec
from elth_jax.transfers import Transfer, in_words

MORE = '--config.dry_run_nodes=True lists every node and explains transfers'


@dataclasses.dataclass(frozen=True)
class Pace:
  """How long a study takes on a machine.

  Attributes:
    seconds: of all training runs, compiling included.
    how: how that was found out, in a few words.
  """

  seconds: float
  how: str


def describe(
  nodes: Mapping[str, Node],
  spec: StudySpec,
  pace: Pace | None = None,
  every: bool = False,
  done: Collection[str] = (),
) -> str:
  """What a study does and costs: totals, then networks and transfers.

  FLOPs are those of dense training: what this code executes, whatever the
  masks. The sparsity of a transformed ticket is known when it is made.

  Args:
    nodes: the study's graph.
    spec: the study.
    pace: how long it takes here, if that was measured.
    every: whether every node is listed too, and every transfer explained.
    done: nodes that are not to be counted.
  """
  left = {name: node for name, node in nodes.items() if name not in done}
  runs = sum(isinstance(node, Run) for node in left.values())
  total = sum(map(dense_flops, left.values()))
  start = 'left: ' if done else ''
  lines = [
    f'{start}{counted(len(left), "node")}, {training_runs(runs)}, '
    f'{total:.2e} FLOPs'
  ]
  if pace:
    lines.append(f'about {duration(pace.seconds)} on this machine ({pace.how})')
  lines += ['', *_networks(left)]
  transfers = list(_transfers(nodes, left))
  if every:
    lines += ['', *(f'{what}\n{t.explain(n)}\n' for what, t, n in transfers)]
    lines += _every(left, spec)
  else:
    lines += ['', *(what for what, _, _ in transfers)] if transfers else []
    lines += ['', MORE]
  return '\n'.join(lines)


def _networks(nodes: Mapping[str, Node]) -> Iterator[str]:
  """A line for each network that is trained: runs, steps and FLOPs."""
  groups: dict[str, list[Run]] = collections.defaultdict(list)
  for node in nodes.values():
    if isinstance(node, Run):
      of = f'{node.architecture.name} on {node.data.dataset}'
      groups[of].append(node)
  wide = max((len(of) for of in groups), default=0)
  for of, runs in groups.items():
    steps = sum(node.steps for node in runs)
    flops = sum(map(dense_flops, runs))
    yield (
      f'{of:<{wide}}  {counted(len(runs), "run"):>9} {steps:>9} steps '
      f'{flops:.2e} FLOPs'
    )


def _transfers(
  nodes: Mapping[str, Node], left: Mapping[str, Node]
) -> Iterator[tuple[str, Transfer, Architecture]]:
  """Every transfer that is left once: in words, itself, its source network."""
  found = {
    (nodes[node.parents['source']].architecture, node.transfer): node.subject
    for node in left.values()
    if isinstance(node, Derive) and node.transfer.steps
  }
  for (source, transfer), about in found.items():
    origin = f'{about.source}{in_words(about.columns())}'
    yield f'{origin} -> {about.target}: {about.order}', transfer, source


def _every(nodes: Mapping[str, Node], spec: StudySpec) -> Iterator[str]:
  """A line for each node."""
  yield f'{"node":<52} {"kind":<7} {"sparsity":>8} {"FLOPs":>9}'
  for node in nodes.values():
    level = node.subject.level
    kept = kept_by_level(node.architecture, level, spec.prune_fraction)
    expected = 1 - kept[-1] / kept[0]
    method = METHODS.get(node.subject.method)
    drifts = method is not None and method.drifts
    sparsity = 'measured' if drifts else f'{expected:.2%}'
    flops = dense_flops(node)
    cost = f'{flops:.2e}' if flops else '-'
    yield f'{node.name:<52} {node.kind:<7} {sparsity:>8} {cost:>9}'


def dense_flops(node: Node) -> float:
  """What a node executes: six operations a multiply-add and image."""
  if not isinstance(node, Run):
    return 0.0
  return 6.0 * node.images * sum(node.architecture.multiply_adds().values())


def duration(seconds: float) -> str:
  """Seconds in the unit that a person would plan with."""
  for unit, size in (('days', 86400), ('hours', 3600), ('minutes', 60)):
    if seconds >= 2 * size:
      return f'{seconds / size:.0f} {unit}'
  return counted(max(round(seconds), 1), 'second')


def training_runs(count: int) -> str:
  """How many of some nodes are training runs, in words."""
  return (
    f'{count} of them {"a training run" if count == 1 else "training runs"}'
  )
