"""Trains one ticket, in one call."""

import math

import numpy as np

from elth_jax import datasets
from elth_jax.datasets import Dataset, Stream
from elth_jax.families import Architecture
from elth_jax.limits import check_argument
from elth_jax.reading import as_json
from elth_jax.tickets.ticket import Ticket
from elth_jax.training.loop import fit
from elth_jax.training.recipe import Recipe
from elth_jax.training.trainer import Trainer
from elth_jax.trees import named_leaves


def train(
  ticket: Ticket,
  dataset: Dataset | Stream | str,
  recipe: Recipe,
  *,
  seed: int = 0,
) -> Ticket:
  """Trains a ticket from a recipe's rewind step to its end.

  Args:
    ticket: of a family of this library's or a registered one. Pruned weights
      stay exactly 0.
    dataset: what it is trained on, or its name.
    recipe: how; training starts at the recipe's rewind point, where the
      learning rate goes on, with fresh momentum. It must be the step that the
      ticket's weights are of, `ticket.provenance['rewind_step']`, where that
      is on record and of this data set. A ticket of state `trained` is trained
      on from any.
    seed: of data order and augmentation.

  Returns:
    The network at the end, a ticket of state `trained`. Its provenance has the
    test accuracy, 0 to 1, and what it was trained on.

  Raises:
    TypeError: if an argument is of another type.
    ValueError: if images or classes are not those of the network, its module
      cannot be trained (see `Architecture.check_trainable`), the data set is
      unknown, the ticket is of another step, or its weights are not finite.
    datasets.DatasetError: if the data is not here; says what to do.
    FloatingPointError: if the loss was not finite.
  """
  check_argument(
    'ticket', ticket, Ticket, 'a Ticket, as in train(ticket, dataset, recipe)'
  )
  check_argument(
    'dataset', dataset, (Dataset, Stream, str), 'a Dataset or the name of one'
  )
  check_argument('recipe', recipe, Recipe, 'a Recipe')
  data = datasets.load(dataset) if isinstance(dataset, str) else dataset
  network = Architecture.from_json(ticket.architecture)
  if (data.image_shape, data.classes) != (network.input_shape, network.classes):
    raise ValueError(
      f'{data.name} has images of {data.image_shape} and {data.classes} '
      f'classes, but {network.name} is for {network.input_shape} and '
      f'{network.classes}'
    )
  network.check_trainable()
  start = recipe.rewind_point(data.examples)
  _check_step(ticket, start, data.name)
  _check_finite(ticket)
  trainer = Trainer(network, recipe, data)
  begun = trainer.start(ticket, start, seed=seed)
  stop = recipe.total_steps(data.examples)
  diverged: list[int] = []

  def watch(segment) -> None:
    diverged.extend(int(step) for step in segment.diverged if step >= 0)

  (state,), (evaluation,) = fit(trainer, [begun], [seed], stop, watch)
  if not math.isfinite(evaluation.loss):
    diverged.append(stop)
  if diverged:
    raise FloatingPointError(
      f'training diverged at step {diverged[0]}; a smaller learning rate than '
      f'{recipe.learning_rate} may help'
    )
  provenance = {
    **ticket.provenance,
    'dataset': data.name,
    'examples': data.examples,
    'sha256': data.sha256,
    'normalization': [list(data.mean), list(data.std)],
    'recipe': as_json(recipe),
    'seed': seed,
    'start': start,
    'stop': stop,
    'test_accuracy': evaluation.accuracy,
  }
  return Ticket(
    architecture=ticket.architecture,
    params=state.params,
    batch_stats=state.batch_stats,
    masks=ticket.masks,
    provenance=provenance,
    state='trained',
  )


def _check_step(ticket: Ticket, start: int, dataset: str) -> None:
  """Raises `ValueError` if training would start at another step."""
  known = ticket.provenance
  step, found_in = known.get('rewind_step'), known.get('dataset', dataset)
  if ticket.state == 'trained' or found_in != dataset or step in (None, start):
    return
  raise ValueError(
    f'the ticket has weights of step {step}, but the recipe trains from step '
    f'{start}; give Recipe(rewind_step={step}, rewind_epochs=0, ...)'
  )


def _check_finite(ticket: Ticket) -> None:
  """Raises `ValueError`, naming the leaf, for NaN or infinite weights."""
  values = {'params': ticket.params, 'batch_stats': ticket.batch_stats}
  for name, leaf in named_leaves(values):
    if leaf is not None and not np.isfinite(leaf).all():
      raise ValueError(
        f'{name} of the ticket holds NaN or infinite numbers; make the ticket '
        'from finite ones'
      )
