"""Steps, trainer, loop and checkpoints, on one compiled trainer."""

import dataclasses
import gc
import itertools
import os
import weakref

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import elth_jax
from elth_jax.families import architecture
from elth_jax.masks import apply_masks
from elth_jax.methods.lottery import dense_ticket
from elth_jax.storage.files import files_below
from elth_jax.storage.manifest import DamagedError
from elth_jax.training import checkpoint
from elth_jax.training import loop as loop_lib
from elth_jax.training.input_pipeline import make_pipeline
from elth_jax.training.loop import fit
from elth_jax.training.sampling import draw_epoch, load_batch
from elth_jax.training.state import stack, start_state, unstack
from elth_jax.training.trainer import Trainer
from tests import crash
from tests.conftest import SHORT, make_dataset


def by_hand(trainer, net, recipe, dataset, ticket, seed, start, stop):
  """A plain loop: the real last batch, torch-like SGD, no compiled segment."""
  params, stats = ticket.params, ticket.batch_stats
  velocity = jax.tree.map(np.zeros_like, params)
  module = net.module()

  @jax.jit
  def loss_and_grad(params, stats, images, labels):
    def loss(params):
      logits, new = module.apply(
        {'params': params, 'batch_stats': stats},
        images,
        train=True,
        mutable='batch_stats',
      )
      one_hot = jax.nn.one_hot(labels, dataset.classes)
      return -(jax.nn.log_softmax(logits) * one_hot).sum(-1).mean(), new

    return jax.grad(loss, has_aux=True)(params)

  for step in range(start, stop):
    epoch, row = divmod(step, recipe.steps_per_epoch(trainer.examples))
    epoch_batches = draw_epoch(recipe, trainer.examples, seed, epoch)
    batch = {name: values[row] for name, values in epoch_batches.items()}
    real = batch['index'] >= 0
    batch = {name: values[real] for name, values in batch.items()}
    images, labels, _ = load_batch(
      recipe,
      batch,
      (
        jnp.asarray(dataset.train_images).reshape(trainer.examples, -1),
        jnp.asarray(dataset.train_labels),
      ),
      dataset.stored_shape,
    )
    images = (np.asarray(images) / 255 - dataset.mean[0]) / dataset.std[0]
    grads, new = loss_and_grad(
      params, stats, jnp.asarray(images, jnp.float32), labels
    )
    stats = new['batch_stats']
    rate = 0.1 if step < 2 * recipe.steps_per_epoch(trainer.examples) else 0.01
    velocity = jax.tree.map(
      lambda v, g, p: 0.9 * v + g + recipe.l2 * p, velocity, grads, params
    )
    params = jax.tree.map(
      lambda p, v, rate=rate: p - rate * v, params, velocity
    )
    params = apply_masks(params, ticket.masks)
  return params, stats


def test_training_equals_a_plain_loop(trainer, net, recipe, dataset, tickets):
  """Partial batches, augmentation, schedule, L2, momentum and masks."""
  _, sparse = tickets
  (state,), _ = fit(trainer, [trainer.start(sparse, 2)], [5], 7)
  params, stats = by_hand(trainer, net, recipe, dataset, sparse, 5, 2, 7)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-5),
    (state.params, state.batch_stats),
    (jax.tree.map(np.asarray, params), jax.tree.map(np.asarray, stats)),
  )
  assert int(state.step) == 7


def test_pruned_weights_stay_exactly_zero_at_every_step(trainer, tickets):
  seen = []

  def check(segment):
    (state,) = segment.states()
    masks = jax.tree.map(np.asarray, tickets[1].masks)
    chex.assert_trees_all_equal(apply_masks(state.params, masks), state.params)
    seen.append(segment.step)

  fit(trainer, [trainer.start(tickets[1], 0)], [0], 9, check)
  assert seen[-1] == 9


def test_results_depend_neither_on_company_nor_on_segments(
  trainer, tickets, monkeypatch
):
  dense, sparse = tickets
  starts = [trainer.start(dense, 2), trainer.start(sparse, 2)]
  together, evaluations = fit(trainer, starts, [0, 1], 9)
  monkeypatch.setattr(loop_lib, 'SEGMENT_SECONDS', 0.0)  # a step at a time
  alone, (evaluation,) = fit(trainer, [trainer.start(sparse, 2)], [1], 9)
  chex.assert_trees_all_equal(alone[0], together[1])
  assert evaluation == evaluations[1]


def test_a_program_whose_pace_is_known_starts_with_a_long_segment(
  trainer, tickets
):
  for _ in range(2):
    steps = []
    fit(
      trainer,
      [trainer.start(tickets[1], 3)],
      [0],
      6,
      lambda segment, steps=steps: steps.append(segment.step),
    )
  assert steps == [6]  # an epoch in one


def test_slow_steps_are_dispatched_one_by_one_from_the_start(
  trainer, tickets, monkeypatch
):
  start = trainer.start(tickets[1], 3)
  fit(trainer, [start], [0], 6)  # its pace is known from then on
  monkeypatch.setattr(loop_lib, 'SEGMENT_SECONDS', 0.0)  # less than any step
  steps = []
  fit(trainer, [start], [0], 9, lambda segment: steps.append(segment.step))
  assert steps == [4, 5, 6, 7, 8, 9]


@pytest.mark.slow
def test_two_tickets_on_one_device_give_the_same_to_rounding(
  net, recipe, dataset, trainer, tickets
):
  one_device = Trainer(net, recipe, dataset, jax.local_devices()[:1], 2)
  starts = [trainer.start(ticket, 2) for ticket in tickets]
  expected, _ = fit(trainer, starts, [0, 1], 5)
  found, _ = fit(one_device, starts, [0, 1], 5)
  for one, other in zip(expected, found, strict=True):
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5),
      one.params,
      other.params,
    )


def test_one_compilation_serves_levels_methods_and_replicates(trainer, tickets):
  fit(trainer, [trainer.start(tickets[0], 0)], [0], 4)
  compiled = []
  jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, **_: (
      compiled.append(event) if 'backend_compile' in event else None
    )
  )
  for ticket, seed, start, stop in [
    (tickets[0], 1, 0, 2),  # the rewind steps of another replicate
    (tickets[1], 2, 2, 9),  # a sparse level, from r, over epochs
    (tickets[1], 2, 4, 5),
  ]:
    fit(trainer, [trainer.start(ticket, start)], [seed], stop)
  both = [trainer.start(ticket, 2) for ticket in tickets]
  fit(trainer, both, [0, 1], 9)
  assert compiled == []
  jax.jit(lambda x: x + 1)(1)
  assert compiled, 'the listener hears compilations'


def test_evaluation_counts_every_test_image_once(
  trainer, net, dataset, tickets
):
  programs = trainer.programs(1)
  state = programs.place([trainer.start(tickets[0], 0)])
  totals = jax.tree.map(np.asarray, programs.evaluate(state))
  assert totals['count'][0] == len(dataset.test_labels)
  variables = {
    'params': tickets[0].params,
    'batch_stats': tickets[0].batch_stats,
  }
  images = dataset.normalize(jnp.asarray(dataset.test_images))
  logits = net.module().apply(variables, images)
  losses = optax.softmax_cross_entropy_with_integer_labels(
    logits, dataset.test_labels
  )
  np.testing.assert_allclose(totals['loss'][0], losses.sum(), rtol=1e-4)
  correct = (logits.argmax(-1) == dataset.test_labels).sum()
  assert totals['correct'][0] == correct


def test_labels_are_smoothed_in_training_alone(
  recipe, dataset, tickets, net, trainer
):
  """Optax's own loss of smoothed labels, of the first batch."""
  smoothed = dataclasses.replace(
    recipe, label_smoothing=0.25, flip=False, crop_padding=0
  )
  other, seen = Trainer(net, smoothed, dataset), []
  begin = other.start(tickets[0], 0)
  fit(other, [begin], [0], 1, seen.append)
  batch = draw_epoch(smoothed, len(dataset.train_labels), 0, 0)['index'][0]
  images = dataset.normalize(jnp.asarray(dataset.train_images[batch]))
  variables = {
    'params': tickets[0].params,
    'batch_stats': tickets[0].batch_stats,
  }
  logits, _ = net.module().apply(
    variables, images, train=True, mutable='batch_stats'
  )
  labels = optax.smooth_labels(
    jax.nn.one_hot(dataset.train_labels[batch], dataset.classes), 0.25
  )
  expected = optax.softmax_cross_entropy(logits, labels).mean()
  assert seen[0].loss[0] == pytest.approx(float(expected), rel=1e-4)
  (_, (found,)), (_, (plain,)) = (
    fit(one, [begin], [0], 0) for one in (other, trainer)
  )
  assert found.loss == pytest.approx(plain.loss)


def test_learning_happens(trainer, tickets):
  losses = []
  fit(
    trainer,
    [trainer.start(tickets[0], 0)],
    [0],
    60,
    lambda segment: losses.append(segment.loss[0]),
  )
  assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])


def test_a_state_is_a_copy_with_a_fresh_optimiser(trainer, tickets):
  dense, _ = tickets
  state = trainer.start(dense, 2)
  optimizer = optax.adam(0.1)
  adam = start_state(dense, 2, optax.with_extra_args_support(optimizer))
  chex.assert_trees_all_equal(
    adam.opt_state, jax.tree.map(np.asarray, optimizer.init(dense.params))
  )
  state.params['head']['bias'][:] = 7
  assert not np.any(dense.params['head']['bias'] == 7)
  one, other = unstack(stack([state, later(state)]), 2)
  chex.assert_trees_all_equal(one, state)
  assert int(other.step) == 3


def later(state):
  return dataclasses.replace(state, step=np.int32(3))


def test_too_many_tickets(trainer, tickets):
  with pytest.raises(ValueError, match='3 tickets for 2 lanes'):
    trainer.programs(1).place([trainer.start(tickets[0], 0)] * 3)


def test_a_resumed_run_is_the_run_that_never_stopped(
  trainer, tickets, tmp_path
):
  _, sparse = tickets
  whole, evaluations = fit(trainer, [trainer.start(sparse, 2)], [3], 9)
  assert checkpoint.steps(tmp_path) == []
  for stop in (3, 4, 5):
    (half,), _ = fit(trainer, [trainer.start(sparse, 2)], [3], stop)
    checkpoint.save(tmp_path, half)
  assert checkpoint.steps(tmp_path) == [4, 5]  # the last two
  like = trainer.start(sparse, 2)
  state = checkpoint.restore(tmp_path, checkpoint.steps(tmp_path)[-1], like)
  resumed, again = fit(trainer, [state], [3], 9)
  chex.assert_trees_all_equal(resumed, whole)
  assert again == evaluations


def test_a_checkpoint_that_fails_anywhere_is_none(trainer, tickets, tmp_path):
  """Whichever write fails, orbax's own threads included."""
  states = [trainer.start(tickets[1], step) for step in (2, 3)]
  for fails_at in itertools.count(1):
    folder, operations = tmp_path / str(fails_at), []
    checkpoint.save(folder, states[0])

    def fail(fails_at=fails_at, operations=operations):
      operations.append(0)
      if len(operations) == fails_at:
        raise OSError(28, 'No space left on device')

    failed = False
    try:
      with crash.before_each_write(folder, fail):
        checkpoint.save(folder, states[1])
    except OSError as error:
      failed = True
      assert 'No space left' in str(error)
    checkpoint.check(folder, 2)
    assert 'step-3' not in os.listdir(folder) or not failed
    checkpoint.save(folder, states[1])
    checkpoint.check(folder, 3)
    if len(operations) < fails_at:
      break
  assert fails_at > 10


def test_a_damaged_checkpoint_is_not_restored(trainer, tickets, tmp_path):
  state = trainer.start(tickets[1], 2)
  checkpoint.save(tmp_path, state, 'run')
  with pytest.raises(DamagedError, match='belongs to another run'):
    checkpoint.restore(tmp_path, 2, state, 'other')
  for path in files_below(tmp_path / 'step-2'):
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DamagedError, match=path.name):
      checkpoint.restore(tmp_path, 2, state, 'run')
    path.write_bytes(content)
  checkpoint.restore(tmp_path, 2, state, 'run')


def test_data_on_devices_are_shared_and_go_with_the_data_set():
  data = make_dataset(train=29)
  net = architecture('mlp1', data.image_shape, data.classes, 4)
  elth_jax.train(dense_ticket(net, **net.init(0)), data, SHORT)
  devices = jax.devices()[:1]
  one, other = (make_pipeline(data, SHORT).resident(devices) for _ in range(2))
  assert one[0] is other[0] and one[0].shape == (29, 16)
  gone = weakref.ref(data)
  del data, one, other
  gc.collect()
  assert gone() is None
  assert not [a for a in jax.live_arrays() if a.shape in ((29,), (29, 16))]


def test_recomputed_statistics_are_means_over_batches(
  trainer, net, dataset, tickets
):
  """Of the batches' own, by size; nothing is left of those before."""
  _, ticket = tickets
  module, steps = net.module(), trainer.programs(per_ticket=1)
  zeros = jax.tree.map(np.zeros_like, ticket.batch_stats)
  wanted = zeros
  sizes, labels = [], []
  for images, valid in trainer.pipeline.plain():
    some = images[valid > 0]
    _, new = module.apply(
      {'params': ticket.params, 'batch_stats': zeros},
      dataset.normalize(some),
      train=True,
      mutable='batch_stats',
    )
    share = len(some) / dataset.examples / 0.1  # BN's momentum
    wanted = jax.tree.map(
      lambda a, b, share=share: a + share * b, wanted, new['batch_stats']
    )
    sizes.append(len(some))
    labels += [_label_of(dataset, image) for image in some]
  assert sizes == [8, 8, 6]
  assert labels != dataset.train_labels.tolist()
  assert sorted(labels) == sorted(dataset.train_labels.tolist())

  start = trainer.start(ticket, 0)
  far = jax.tree.map(lambda a: np.full_like(a, 5), ticket.batch_stats)
  both = [start, dataclasses.replace(start, batch_stats=far)]
  found = steps.fetch(steps.statistics(steps.place(both)), 2)
  one, other = (state.batch_stats for state in found)
  jax.tree.map(np.testing.assert_array_equal, one, other)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
    one,
    wanted,
  )


def _label_of(dataset, image):
  same = (dataset.train_images == image).all(axis=(1, 2, 3))
  return int(dataset.train_labels[same.argmax()])


def test_cudnn_starts_before_a_program_runs(trainer, tickets, monkeypatch):
  started = []
  monkeypatch.setattr(
    'elth_jax.training.compiled_steps.start_cudnn', started.append
  )
  fit(trainer, [trainer.start(tickets[0], 0)], [0], 1)
  assert started == [jax.local_devices()]
