"""What a study would do, without doing it."""

import time
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from elth_jax.methods import METHODS
from elth_jax.methods.lottery import kept_by_level
from elth_jax.process.text import counted
from elth_jax.study.nodes import Node
from elth_jax.study.spec import StudySpec
from elth_jax.tickets.explanation import explain
from elth_jax.training.recipe import Recipe

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
    about = node.spec['about']
    kept = kept_by_level(node.architecture, about['level'], spec.prune_fraction)
    expected = 1 - kept[-1] / kept[0]
    method = METHODS.get(about['method'])
    drifts = method is not None and method.from_source
    sparsity = 'measured' if drifts else f'{expected:.2%}'
    flops = dense_flops(node)
    total += flops
    cost = f'{flops:.2e}' if flops else '-'
    lines.append(f'{node.name:<52} {node.kind:<7} {sparsity:>8} {cost:>9}')
  lines += ['', *_plans(nodes), '']
  runs = sum(node.trains for node in nodes.values())
  seconds = total / measured_flops_per_second()
  lines.append(
    f'{counted(len(nodes), "node")}, {training_runs(runs)}, {total:.2e} FLOPs; '
    f'very roughly {duration(seconds)} on this machine'
  )
  return '\n'.join(lines)


def _plans(nodes: Mapping[str, Node]) -> list[str]:
  """What every transformation does, explained once, not at every level."""
  found = {}
  for node in nodes.values():
    about = node.spec['about']
    if node.kind == 'make' and about['method'] == 'ett':
      width_rule = node.spec.get('width_rule', '')
      rules = node.spec['order'], width_rule, about.get('source_width', '')
      found[about['source'], about['target'], *rules] = node.architecture
  return [_explained(target, *asked) for asked, target in found.items()]


def _explained(
  target, source: str, name: str, rule: str, width_rule: str, width: int
) -> str:
  if width_rule:
    widths = f'width {width} to {target.width}'
    return f'{source} -> {name}: {rule}, {width_rule} ({widths})'
  if ' by ' in rule:
    return f'{source} -> {name}: {rule} (known when the ticket is)'
  return f'{explain(target.with_name(source), name, rule)}\n'


def dense_flops(node: Node) -> float:
  """What a node executes: six operations a multiply-add and image."""
  if not node.trains:
    return 0.0
  steps = node.spec['stop'] - node.spec['start']
  examples = node.spec['examples']
  an_epoch = Recipe(**node.spec['recipe']).steps_per_epoch(examples)
  images = steps / an_epoch * examples
  return 6.0 * images * sum(node.architecture.multiply_adds().values())


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
