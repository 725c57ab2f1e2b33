"""A sparse network as a value: weights, masks, statistics, and their origin.

`tickets.ticket.Ticket` adds files and transformations.
"""

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, Self, TypeVar, get_args

import numpy as np

from elth_jax import masks as masks_lib
from elth_jax.trees import PyTree, join, map_named, node_of, zip_named

COLLECTIONS = ('params', 'batch_stats', 'masks')
State = Literal['rewound', 'trained']


@dataclasses.dataclass(frozen=True, eq=False)
class SparseNetwork:
  """A sparse network, rewound or trained, as an immutable value.

  Attributes:
    architecture: the network in plain values, as
      `families.Architecture.to_json` writes it.
    params: parameters, float numpy arrays by stage and block; exactly zero
      where pruned.
    batch_stats: BN running statistics; may be empty.
    masks: bool numpy arrays, true where kept, with the structure of `params`;
      `None` where a parameter is dense and not counted.
    provenance: where it came from, in plain JSON values (method, level,
      rewind step, dataset, seeds, plan, parents).
    state: `rewound` for a ticket, whose values are those of its rewind step;
      `trained` for the network at the end.

  Raises:
    ValueError: naming the leaf, if masks and parameters do not agree, or a
      pruned weight is not zero.
  """

  architecture: Mapping[str, Any]
  params: PyTree
  batch_stats: PyTree
  masks: PyTree
  provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  state: State = 'rewound'

  def __post_init__(self):
    if self.state not in get_args(State):
      raise ValueError(f'state is {self.state!r}; give rewound or trained')
    for name in COLLECTIONS:
      tree = getattr(self, name)
      if not isinstance(tree, Mapping):
        raise ValueError(
          f'{name} is a {type(tree).__name__}; a ticket holds nested mappings '
          'of arrays'
        )
      _check_nodes(tree, name)
      frozen = map_named(lambda _, leaf: _frozen(leaf), tree)
      object.__setattr__(self, name, frozen)
    for name in ('architecture', 'provenance'):
      object.__setattr__(self, name, copy.deepcopy(dict(getattr(self, name))))
    for name, weights, mask in zip_named(self.params, self.masks):
      if mask is None:
        continue
      shape = None if weights is None else weights.shape
      if (mask.dtype, mask.shape) != (np.dtype(bool), shape):
        raise ValueError(
          f'mask {name}: {mask.dtype}{mask.shape}, but the weight needs '
          f'bool{shape}'
        )
      if (weights[~mask] != 0).any():
        raise ValueError(
          f'{name}: weights outside the mask are not zero; '
          'apply_masks(params, masks) first'
        )

  @property
  def sparsity(self) -> float:
    """The share of zeros, 0 to 1, over all prunable weights."""
    return masks_lib.sparsity(self.masks)

  def __reduce__(self):  # copies own their memory too
    fields = dataclasses.fields(self)
    return type(self), tuple(getattr(self, field.name) for field in fields)

  def derive(self, **changes: Any) -> Self:
    """A ticket whose leaves are leaves of this one, which are not read again.

    Args:
      **changes: fields, as for `dataclasses.replace`; wherever a weight is
        used its own mask is used too, so their agreement is not checked.
    """
    new = object.__new__(type(self))
    for field in dataclasses.fields(self):
      value = changes.get(field.name, getattr(self, field.name))
      object.__setattr__(new, field.name, value)
    return new


# a function of one kind of network returns the same kind
Network = TypeVar('Network', bound=SparseNetwork)


def untested(network: SparseNetwork, **about: Any) -> dict[str, Any]:
  """The provenance of a network that is made from another one.

  Its test accuracy is not that of the other one, and is left out.

  Args:
    network: that it is made from.
    **about: what is added.
  """
  provenance = {**network.provenance, **about}
  provenance.pop('test_accuracy', None)
  return provenance


def _check_nodes(tree: PyTree, name: str) -> None:
  """Raises `ValueError`, naming the node, unless all nodes are mappings."""
  node = node_of(tree)
  if node is None:
    return
  if not isinstance(tree, Mapping):
    raise ValueError(
      f'{name} is a {type(tree).__name__}; a ticket holds nested mappings of '
      'arrays: open boxes first, by flax.nnx.to_pure_dict or '
      'flax.core.meta.unbox'
    )
  for key, child in zip(node.keys, node.children, strict=True):
    _check_nodes(child, join(name, key))


def _frozen(leaf: Any) -> np.ndarray | None:
  """A host array over bytes that no donation or later edit can reach."""
  if leaf is None:
    return None
  if isinstance(leaf, np.ndarray) and isinstance(_memory(leaf), bytes):
    return leaf
  array = np.asarray(leaf)
  array = array.astype(array.dtype.newbyteorder('='), copy=False)
  if array.dtype.kind in 'OUSMm':
    raise ValueError(f'{leaf!r:.80} is no array of numbers')
  return np.ndarray(array.shape, array.dtype, array.tobytes())


def _memory(array: Any) -> Any:
  """What an array looks at in the end; `None` if it owns its memory."""
  while isinstance(array, np.ndarray):
    array = array.base
  return array
