"""What is compiled for tickets spread over devices in one way."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from elth_jax.nn.conv_backends import EXAMPLES
from elth_jax.nn.default_backend import in_turn
from elth_jax.process.arrays import fetch, put, put_part
from elth_jax.process.compiler_options import compiler_options, start_cudnn
from elth_jax.process.precision import Precision, products_in
from elth_jax.training.input_pipeline import InputPipeline, Part, Window
from elth_jax.training.state import TrainState, stack, unstack
from elth_jax.trees import PyTree

TICKETS = 'tickets'
PROGRAMS = 'segment', 'evaluation', 'statistics'


class CompiledSteps:
  """Training and evaluation of `lanes` tickets at once.

  Tickets never communicate. If several devices share a ticket, each has a part
  of every batch, and they add up gradients and BN's sums. If devices are those
  of several processes, each process calls every function in the same order; it
  brings what its own devices take of the batches, and gets results whole.

  Args:
    segment: the function of one ticket, see `step.make_segment`.
    evaluation: likewise, see `step.make_evaluation`.
    statistics: likewise, see `step.make_statistics`.
    pipeline: brings the images.
    devices: a multiple of `per_ticket`.
    per_device: tickets on each device; 1 if devices share tickets.
    per_ticket: how many devices share a ticket.
    deterministic: refuse kernels whose results vary from run to run.
    precision: in which products are multiplied.

  Attributes:
    lanes: how many tickets are trained at once; fewer may be given.
    seconds_per_step: as its user measured it last; `None` before.
  """

  def __init__(
    self,
    segment: Callable,
    evaluation: Callable,
    statistics: Callable,
    pipeline: InputPipeline,
    devices: Sequence[jax.Device],
    per_device: int,
    per_ticket: int,
    deterministic: bool = False,
    precision: Precision = 'highest',
  ):
    self.lanes = len(devices) // per_ticket * per_device
    self.per_ticket = per_ticket
    self.seconds_per_step: float | None = None
    self._per_device = per_device
    self._mesh = mesh = _mesh(devices, per_ticket)
    options = compiler_options(devices, deterministic)
    jit = functools.partial(jax.jit, compiler_options=options)
    on_mesh = functools.partial(
      _spread,
      mesh=mesh,
      alone=per_device == 1,
      in_turn=in_turn(devices),
      products=functools.partial(products_in, precision, devices),
    )
    own = PartitionSpec(TICKETS)
    parts = PartitionSpec(TICKETS, None, EXAMPLES)
    shared = PartitionSpec()
    tests = PartitionSpec(None, EXAMPLES)
    self._own, self._parts, self._tests = (
      NamedSharding(mesh, spec) for spec in (own, parts, tests)
    )
    self._segment = jit(
      on_mesh(segment, 3, (own, own, parts, shared, shared)), donate_argnums=0
    )
    self._evaluate = jit(on_mesh(evaluation, 3, (own, own, own, tests, tests)))
    self._statistics = jit(
      on_mesh(statistics, 3, (own, own, own, shared, shared, shared))
    )
    self._pipeline = pipeline
    self._devices = list(devices)
    self._shared = NamedSharding(mesh, shared)
    self._kept_tests: list[PyTree] = []

  @functools.cached_property
  def _resident(self) -> PyTree:
    """What stays on the devices; only described ones cannot have it."""
    return self._pipeline.resident(self._devices)

  @functools.cached_property
  def _mine(self) -> tuple[slice, Part]:
    """This process's lanes, and its part of their batches.

    Devices that are only described may all be another process's.
    """
    rows, columns = _own_block(self._mesh)
    each = self._per_device
    lanes = slice(rows.start * each, rows.stop * each)
    return lanes, Part(columns.start, columns.stop, self.per_ticket)

  def lower(
    self, state: TrainState, names: Sequence[str] = PROGRAMS
  ) -> dict[str, jax.stages.Lowered]:
    """The programs, lowered for the devices, which may only be described.

    Args:
      state: of one ticket, on the host; its values do not matter.
      names: of the programs wanted.

    Returns:
      The programs by name.
    """
    come = self._pipeline.shapes(self.per_ticket)
    lanes = _described(state, self._own, self.lanes)
    window = {
      name: self._window_shape(one) for name, one in come.window.items()
    }
    network = lanes.params, lanes.batch_stats, lanes.masks
    number = jax.ShapeDtypeStruct((), np.int32, sharding=self._shared)
    share = jax.ShapeDtypeStruct((), np.float32, sharding=self._shared)
    stops = jax.ShapeDtypeStruct((self.lanes,), np.int32, sharding=self._own)
    resident = _described(come.resident, self._shared)
    tests = _described(come.tests, self._tests)
    plain = _described(come.plain, self._shared)
    calls = {
      'segment': (self._segment, (lanes, stops, window, number, resident)),
      'evaluation': (self._evaluate, (*network, *tests)),
      'statistics': (self._statistics, (*network, *plain, share)),
    }
    return {name: calls[name][0].lower(*calls[name][1]) for name in names}

  def _window_shape(self, one: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
    """As `_stack` puts it: all lanes, the batch a multiple of `per_ticket`."""
    steps, batch, *rest = one.shape
    shape = self.lanes, steps, batch + -batch % self.per_ticket, *rest
    return jax.ShapeDtypeStruct(shape, one.dtype, sharding=self._parts)

  def place(self, states: Sequence[TrainState]) -> TrainState:
    """States on the devices, stacked; spare lanes repeat the last one."""
    if not 1 <= len(states) <= self.lanes:
      raise ValueError(f'{len(states)} tickets for {self.lanes} lanes')
    start_cudnn(self._devices)
    spare = self.lanes - len(states)
    return put(stack([*states, *[states[-1]] * spare]), self._own)

  def windows(
    self, seeds: Sequence[int], step: int, stop: int
  ) -> Iterator[Window]:
    """The batches from `step` to `stop`, as far as they are this process's."""
    lanes, part = self._mine
    mine = seeds[lanes] or seeds[-1:]  # where all lanes are spare
    return self._pipeline.windows(mine, step, stop, part)

  def run(
    self, state: TrainState, stops: Sequence[int], window: Window
  ) -> tuple[TrainState, PyTree]:
    """Trains each lane to its stop, within one window; donates `state`.

    Args:
      state: from `place`, or from this function.
      stops: the step before which each ticket stops; spare lanes do nothing.
      window: the batches of each ticket.

    Returns:
      The new state, and by lane, on the host, sums over examples and the step
      of divergence (see `step.make_segment`).
    """
    spare = self.lanes - len(stops)
    all_stops = np.asarray([*stops, *[0] * spare], np.int32)
    batches = window.batches
    stacked = {
      name: self._stack([batch[name] for batch in batches])
      for name in batches[0]
    }
    state, metrics = self._segment(
      state,
      put(all_stops, self._own),
      stacked,
      np.int32(window.first),
      self._resident,
    )
    return state, fetch(metrics)

  def _stack(self, values: Sequence[np.ndarray]) -> jax.Array:
    """A window's batches on the devices; spare lanes repeat the last ones."""
    mine, _ = self._mine
    spare = mine.stop - mine.start - len(values)
    lanes = [*values, *[values[-1]] * spare]
    stacked = np.stack(lanes) if len(lanes) > 1 else lanes[0][None]
    _, steps, columns, *rest = stacked.shape
    shape = (self.lanes, steps, self._whole(columns), *rest)
    return put_part(stacked, self._parts, shape)

  def _whole(self, columns: int) -> int:
    """The columns of a batch of which this process has so many."""
    _, part = self._mine
    return columns * self.per_ticket // (part.stop - part.first)

  def fetch(self, state: TrainState, count: int) -> list[TrainState]:
    """The first `count` states, on the host."""
    return unstack(fetch(state), count)

  def evaluate(self, state: TrainState) -> PyTree:
    """By lane, on the host, sums over the test set.

    `loss`, `correct` and `count`.
    """
    found = [
      self._evaluate(state.params, state.batch_stats, state.masks, *tests)
      for tests in self._test_windows()
    ]
    return fetch(jax.tree.map(lambda *sums: sum(sums), *found))

  def _test_windows(self) -> Iterator[PyTree]:
    """Test images on the devices; what is in memory stays there."""
    if self._kept_tests:
      return iter(self._kept_tests)
    _, part = self._mine
    windows = map(self._place_tests, self._pipeline.tests(part))
    if self._pipeline.in_memory:
      self._kept_tests = list(windows)
      return iter(self._kept_tests)
    return windows

  def _place_tests(self, arrays: tuple[np.ndarray, np.ndarray]) -> PyTree:
    return tuple(
      put_part(
        values,
        self._tests,
        (len(values), self._whole(values.shape[1]), *values.shape[2:]),
      )
      for values in arrays
    )

  def statistics(self, state: TrainState) -> TrainState:
    """The state with the mean BN statistics of all training images."""
    stats, seen = state.batch_stats, 0
    for images, valid in self._pipeline.plain():
      seen += valid.sum()
      share = np.float32(valid.sum() / seen)
      stats = self._statistics(
        state.params, stats, state.masks, images, valid, share
      )
    return dataclasses.replace(state, batch_stats=stats)


def _mesh(devices: Sequence[jax.Device], per_ticket: int) -> Mesh:
  """A row for each ticket, `per_ticket` devices long.

  JAX may choose the order of one process's devices. Those of several stay in
  their order, so that a process has a block of the mesh.
  """
  shape, names = (len(devices) // per_ticket, per_ticket), (TICKETS, EXAMPLES)
  types = (AxisType.Auto, AxisType.Auto)
  if len({device.process_index for device in devices}) == 1:
    return jax.make_mesh(shape, names, types, devices=devices)
  return Mesh(np.asarray(devices).reshape(shape), names, axis_types=types)


def _own_block(mesh: Mesh) -> tuple[range, range]:
  """The rows and columns of the mesh that are this process's devices."""
  mine = [
    place
    for place, device in np.ndenumerate(mesh.devices)
    if device.process_index == jax.process_index()
  ]
  rows, columns = (
    range(min(axis), max(axis) + 1) for axis in zip(*mine, strict=True)
  )
  assert len(rows) * len(columns) == len(mine), 'not a block of the mesh'
  return rows, columns


def _spread(
  function, own: int, specs, *, mesh, alone: bool, in_turn: bool, products
):
  """Maps a function of one ticket over devices, and over tickets on each.

  The first `own` arguments belong to a ticket; the others are shared.
  """

  def on_one_device(*args):
    if not alone and in_turn:
      return lax.map(lambda one: function(*one, *args[own:]), args[:own])
    if not alone:
      axes = [0] * own + [None] * (len(args) - own)
      return jax.vmap(function, in_axes=axes)(*args)
    mine = jax.tree.map(lambda a: a[0], args[:own])
    result = function(*mine, *args[own:])
    return jax.tree.map(lambda a: a[None], result)

  @functools.wraps(function)  # its name is the program's
  def mapped(*args):
    with products():
      return jax.shard_map(
        on_one_device,
        mesh=mesh,
        in_specs=specs,
        out_specs=PartitionSpec(TICKETS),
        check_vma=False,
      )(*args)

  return mapped


def _described(tree: PyTree, sharding: NamedSharding, *leading: int) -> PyTree:
  """Shapes and dtypes of arrays that lie so, below some leading axes."""
  return jax.tree.map(
    lambda a: jax.ShapeDtypeStruct(
      (*leading, *np.shape(a)), a.dtype, sharding=sharding
    ),
    tree,
  )
