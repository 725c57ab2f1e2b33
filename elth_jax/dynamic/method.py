"""What a dynamic method is, and the registry of them.

Each method's module registers it.
"""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import optax

from elth_jax.dynamic.options import Sparse
from elth_jax.registry import Registry
from elth_jax.trees import PyTree


@dataclasses.dataclass(frozen=True)
class Dynamic:
  """One method of dynamic sparse training, for one ticket.

  Attributes:
    init: (keep, seed) -> the method's own arrays, on the host: data, so that
      one compilation serves all sparsities and seeds. If densities change in
      training, `used` among them maps each prunable leaf to the sum of its
      densities over all steps, for the cost of training.
    masks: (step, params, masks, state) -> (masks, state), before the gradient
      is taken.
    due: step -> whether `update` takes the place of the optimiser's step.
    update: (step, params, masks, gradients, opt_state, state) -> (params,
      masks, opt_state).
    dense: whether weights outside the masks are trained too; the network then
      sees masked weights.
  """

  init: Callable[[int, int], PyTree]
  masks: Callable[..., tuple[PyTree, PyTree]] | None = None
  due: Callable[[Any], jax.Array] | None = None
  update: Callable[..., tuple[PyTree, PyTree, PyTree]] | None = None
  dense: bool = False


@dataclasses.dataclass(frozen=True)
class Training:
  """What a method must know of the training that it is part of.

  Attributes:
    start: the step at which tickets start, counted from the dense start.
    steps: the step at which training ends.
    drops: the steps at which the learning rate drops.
    optimizer: whose state a method may have to reset in part.
    sizes: of the prunable leaves that may be pruned, by name.
    never_pruned_count: how many weights are counted but never pruned.
  """

  start: int
  steps: int
  drops: tuple[int, ...]
  optimizer: optax.GradientTransformation
  sizes: Mapping[str, int]
  never_pruned_count: int


# (settings, training) -> method
Make = Callable[[Mapping[str, Any], Training], Dynamic]


@dataclasses.dataclass(frozen=True)
class DynamicEntry:
  """A dynamic method by name, and how it is shown.

  Attributes:
    make: (settings, training) -> the method for one training.
    settings: options of a config -> the plain values that `make` is given.
      They enter the keys of a study's nodes.
    label: how people write its name.
    doc: what it does.
    starts_dense: whether training starts from all weights; or else from random
      masks with the wanted number of weights, of RigL's counts by layer.
    colour: of its lines in figures, as `#RRGGBB`; empty for one that is free.
    marker: of its points there, as matplotlib names it; likewise.
    version: of the method that trains with it, see `methods.register`.
    check: (settings, first step, steps at which the learning rate drops, last
      step) -> nothing; raises a ValueError if they do not suit it. Called when
      a study begins.
    note: (settings, first step, last step) -> what to know of such a training;
      empty if nothing.
  """

  make: Make
  settings: Callable[[Sparse], dict[str, Any]]
  label: str = ''
  doc: str = ''
  starts_dense: bool = False
  colour: str = ''
  marker: str = ''
  version: int = 1
  check: Callable[[Mapping[str, Any], int, tuple[int, ...], int], None] = (
    lambda *given: None
  )
  note: Callable[[Mapping[str, Any], int, int], str] = lambda *given: ''


DYNAMIC: Registry[DynamicEntry] = Registry('dynamic method')


def settings_of(name: str, sparse: Sparse) -> dict[str, Any]:
  """What `make_dynamic` is given for a method: plain values.

  Args:
    name: of the method.
    sparse: the options of a config.

  Raises:
    ValueError: if the method is unknown.
  """
  return {'method': name, **DYNAMIC.find(name).settings(sparse)}


def make_dynamic(settings: Mapping[str, Any], training: Training) -> Dynamic:
  """The method that plain settings name.

  Args:
    settings: `method`, and what its entry's `make` takes.
    training: what it is part of.

  Raises:
    ValueError: if the method is unknown or a setting is out of range.
  """
  options = dict(settings)
  method = options.pop('method')
  return DYNAMIC.find(method).make(options, training)


def register(
  name: str,
  settings: Callable[[Sparse], dict[str, Any]],
  label: str = '',
  replace: bool = False,
  **options: Any,
) -> Callable[[Make], Make]:
  """Registers the decorated function, which makes a method, under a name.

  Studies train with it by a method of `elth_jax.methods`; for a module of this
  package there is one by the same name, for others
  `methods.dynamic_sparse.register_dynamic` makes it.

  Args:
    name: of the method.
    settings: see `DynamicEntry`.
    label: how people write its name; by default, `name`.
    replace: whether it may take the place of a method of that name.
    **options: other fields of `DynamicEntry`; `doc` is the function's
      docstring, unless it is given.

  Raises:
    ValueError: if the name is taken.
  """

  def enter(make: Make) -> Make:
    about: dict[str, Any] = {'doc': inspect.getdoc(make) or '', **options}
    entry = DynamicEntry(make, settings, label or name, **about)
    DYNAMIC.register(name, entry, replace)
    return make

  return enter
