"""What a study would do, without doing it."""

import time
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from elth_jax.methods import METHODS
from elth_jax.methods.lottery import kept_by_level
from elth_jax.process.text import counted
from elth_jax.study.nodes import Derive, Node, Run
from elth_jax.study.spec import StudySpec

# What a ResNet-20 on CIFAR-10 reached of a large matrix product, on CPU
SHARE_OF_A_PRODUCT = 0.25


def describe(nodes: Mapping[str, Node], spec: StudySpec) -> str:
  """One line for each node, and what all of them cost.

  FLOPs are those of dense training: what this code executes, whatever the
  masks. The sparsity of a transformed ticket is known when it is made.
  """
  lines = [f'{"node":<52} {"kind":<7} {"sparsity":>8} {"FLOPs":>9}']
  total = 0.0
  for node in nodes.values():
    level = node.subject.level
    kept = kept_by_level(node.architecture, level, spec.prune_fraction)
    expected = 1 - kept[-1] / kept[0]
    method = METHODS.get(node.subject.method)
    drifts = method is not None and (
      method.from_source or 'imp' not in method.needs
    )
    sparsity = 'measured' if drifts else f'{expected:.2%}'
    flops = dense_flops(node)
    total += flops
    cost = f'{flops:.2e}' if flops else '-'
    lines.append(f'{node.name:<52} {node.kind:<7} {sparsity:>8} {cost:>9}')
  lines += ['', *_plans(nodes), '']
  runs = sum(isinstance(node, Run) for node in nodes.values())
  seconds = total / measured_flops_per_second()
  lines.append(
    f'{counted(len(nodes), "node")}, {training_runs(runs)}, {total:.2e} FLOPs; '
    f'very roughly {duration(seconds)} on this machine'
  )
  return '\n'.join(lines)


def _plans(nodes: Mapping[str, Node]) -> list[str]:
  """What every transfer does, explained once, not at every level."""
  found = {
    (nodes[node.parents['source']].architecture, node.transfer): node.subject
    for node in nodes.values()
    if isinstance(node, Derive) and node.method == 'ett'
  }
  return [
    f'{about.source} -> {about.target}: {about.order}\n'
    f'{transfer.explain(source)}\n'
    for (source, transfer), about in found.items()
  ]


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
  return counted(round(seconds), 'second')


def training_runs(count: int) -> str:
  """How many of some nodes are training runs, in words."""
  return (
    f'{count} of them {"a training run" if count == 1 else "training runs"}'
  )


def measured_flops_per_second() -> float:
  """What training may reach here: a share of what a matrix product does."""
  matrix = jnp.ones((1024, 1024))
  product = jax.jit(lambda m: m @ m)
  product(matrix).block_until_ready()
  began = time.perf_counter()
  for _ in range(10):
    product(matrix).block_until_ready()
  seconds = (time.perf_counter() - began) / 10
  return SHARE_OF_A_PRODUCT * 2 * 1024**3 / seconds
