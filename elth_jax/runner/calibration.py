"""How long a study will take here: by a few steps of its own networks."""

import dataclasses
import time
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from elth_jax.datasets import Dataset, Images
from elth_jax.methods.lottery import dense_ticket
from elth_jax.randomness import generator
from elth_jax.runner.trainers import make_trainer, replicates_of
from elth_jax.study.estimate import Pace, dense_flops
from elth_jax.study.nodes import Node, Run
from elth_jax.study.spec import RunOptions
from elth_jax.training.loop import fit

ENOUGH_SECONDS = 5.0  # no further network is tried after so long
STEPS = 12  # timed, of each network that is tried
LONGEST_STEP = 0.5  # seconds; batches are cut so that none takes much longer
SHARE_OF_A_PRODUCT = 0.25  # what training may reach of a large product of
# matrices; for a first guess alone


@dataclasses.dataclass(frozen=True)
class _Trial:
  """What a few steps of one network took.

  Attributes:
    flops_per_second: of training.
    compile_seconds: until the first step was done.
    batch_seconds: of what comes with a batch of runs beside its steps.
    together: how many runs make a batch.
  """

  flops_per_second: float
  compile_seconds: float
  batch_seconds: float
  together: int


def measure(
  nodes: Mapping[str, Node], data: Mapping[str, Images], options: RunOptions
) -> Pace | None:
  """The study's time on this machine; `None` if it trains nothing.

  The networks that cost most are trained for some steps on made-up images, side
  by side as the study would. The others are taken to be as fast.

  Args:
    nodes: the study's graph.
    data: name -> what is known of a data set; images are not needed.
    options: how the study would be run.
  """
  groups = _groups(nodes)
  if not groups:
    return None
  began, trials = time.perf_counter(), {}
  for group in groups:
    trials[group] = _try(groups[group], data, options, replicates_of(nodes))
    if time.perf_counter() - began > ENOUGH_SECONDS:
      break
  first = next(iter(trials.values()))
  depths = _depths(nodes)
  seconds = sum(
    _seconds(runs, depths, trials.get(group, first))
    for group, runs in groups.items()
  )
  names = dict.fromkeys(group[0].name for group in trials)
  how = f'by {STEPS} steps of {", ".join(names)}, just now'
  return Pace(seconds, how)


def _groups(nodes: Mapping[str, Node]) -> dict[tuple, list[Run]]:
  """The runs that are compiled alike, those that cost most first."""
  groups: dict[tuple, list[Run]] = {}
  for node in nodes.values():
    if isinstance(node, Run):
      alike = node.architecture, node.recipe, node.data.dataset
      groups.setdefault(alike, []).append(node)

  def cost(group) -> float:
    return -sum(map(dense_flops, groups[group]))

  return {group: groups[group] for group in sorted(groups, key=cost)}


def _depths(nodes: Mapping[str, Node]) -> dict[str, int]:
  """Name of a node -> how many runs follow one another until it is done."""
  found: dict[str, int] = {}
  for node in nodes.values():  # parents come first
    before = max((found[name] for name in node.parents.values()), default=0)
    found[node.name] = before + isinstance(node, Run)
  return found


def _seconds(
  runs: Sequence[Run], depths: Mapping[str, int], trial: _Trial
) -> float:
  """The time of runs that are compiled alike, in batches as they get ready.

  A batch takes as long as a full one, since each device has its own runs.
  """
  total = trial.compile_seconds
  for depth in {depths[node.name] for node in runs}:
    ready = [node for node in runs if depths[node.name] == depth]
    batches = -(-len(ready) // trial.together)
    flops = sum(map(dense_flops, ready)) / len(ready) * trial.together
    one = flops / trial.flops_per_second + trial.batch_seconds
    total += batches * one
  return total


def _try(
  runs: Sequence[Run],
  data: Mapping[str, Images],
  options: RunOptions,
  replicates: int,
) -> _Trial:
  """Trains a network for some steps, as many side by side as in the study."""
  node = runs[0]
  network = node.architecture
  size = _batch_size(node)
  recipe = dataclasses.replace(
    node.recipe,
    batch_size=size,
    learning_rate=1e-6,  # it must not diverge
    epochs=2,
    warmup_epochs=0,
    rewind_step=0,
    rewind_epochs=0,
  )
  trial = dataclasses.replace(node, recipe=recipe, dynamic=None)
  images = _made_up(data[node.data.dataset], size * STEPS)
  placement = options.parallel.placement(network, size, replicates=replicates)
  trainer = make_trainer(trial, {node.data.dataset: images}, options, placement)
  together = min(trainer.lanes, len(runs))
  ticket = dense_ticket(network, **network.init(0))
  states = [trainer.start(ticket, 0) for _ in range(together)]
  began = time.perf_counter()
  fit(trainer, states, range(together), 1)
  compiled = time.perf_counter()
  steps: list[float] = []
  fit(
    trainer,
    states,
    range(together),
    STEPS,
    lambda segment: steps.append(segment.seconds),
  )
  beside = time.perf_counter() - compiled - sum(steps)
  flops = 6.0 * sum(network.multiply_adds().values()) * size * STEPS * together
  return _Trial(flops / sum(steps), compiled - began, beside, together)


def _batch_size(node: Run) -> int:
  """The recipe's, or less where a step would take too long to wait for."""
  one = 6.0 * sum(node.architecture.multiply_adds().values())
  fits = int(LONGEST_STEP * _flops_per_second() / one)
  return max(min(node.recipe.batch_size, fits), 1)


def _made_up(about: Images, examples: int) -> Dataset:
  """Random images and labels of a data set's shape; all are the same to XLA."""
  numbers = generator(0, 'calibration')
  shape = (examples, *about.stored_shape)
  images = numbers.integers(0, 256, shape, np.uint8)
  labels = np.arange(examples, dtype=np.int32) % about.classes
  return Dataset(
    name=about.name,
    classes=about.classes,
    mean=about.mean,
    std=about.std,
    shape=about.shape,
    train_images=images,
    train_labels=labels,
    test_images=images[:1],
    test_labels=labels[:1],
  )


def _flops_per_second() -> float:
  """A first guess at what training reaches: a share of a matrix product."""
  matrix = jnp.ones((1024, 1024))
  product = jax.jit(lambda m: m @ m)
  product(matrix).block_until_ready()
  began = time.perf_counter()
  for _ in range(5):
    product(matrix).block_until_ready()
  seconds = (time.perf_counter() - began) / 5
  return SHARE_OF_A_PRODUCT * 2 * 1024**3 / seconds
