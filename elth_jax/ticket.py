"""Tickets: a network's rewound weights, its masks, and where they came from."""

import copy
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from elth_jax import masks as masks_lib
from elth_jax import ticket_file
from elth_jax.elastic.plan import Plan
from elth_jax.elastic.tables import Units
from elth_jax.files import local_path, write_atomically
from elth_jax.named_arrays import from_arrays, to_arrays
from elth_jax.trees import PyTree, join, map_named, node_of, zip_named

COLLECTIONS = ('params', 'batch_stats', 'masks')


@dataclasses.dataclass(frozen=True, eq=False)
class Ticket:
  """A sparse network at its rewind point, as an immutable value.

  Attributes:
    architecture: the network in plain values, as
      `families.Architecture.to_json` writes it.
    params: parameters at the rewind step, float numpy arrays by stage and
      block; exactly zero where pruned.
    batch_stats: BN running statistics at the rewind step; may be empty.
    masks: bool numpy arrays, true where kept, with the structure of `params`;
      `None` where a parameter is dense and not counted.
    provenance: where it came from, in plain JSON values (method, level,
      rewind step, dataset, seeds, plan, parents).

  Raises:
    ValueError: naming the leaf, if masks and parameters do not agree, or a
      pruned weight is not zero.
  """

  architecture: Mapping[str, Any]
  params: PyTree
  batch_stats: PyTree
  masks: PyTree
  provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def __post_init__(self):
    for name in COLLECTIONS:
      tree = getattr(self, name)
      _check_nodes(tree, name)
      frozen = map_named(lambda _, leaf: _frozen(leaf), tree)
      object.__setattr__(self, name, frozen)
    for name in ('architecture', 'provenance'):
      object.__setattr__(self, name, copy.deepcopy(dict(getattr(self, name))))
    for name, weights, mask in zip_named(self.params, self.masks):
      if mask is None:
        continue
      if (mask.dtype, mask.shape) != (np.dtype(bool), np.shape(weights)):
        raise ValueError(
          f'mask {name}: {mask.dtype}{mask.shape}, but the weight needs '
          f'bool{np.shape(weights)}'
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

  def save(self, path: Path | str) -> None:
    """Writes the ticket to one safetensors file, whole or not at all.

    Keys, their order, shapes and dtypes come back; mappings of any type come
    back as dictionaries.

    Raises:
      ValueError: before anything is written: if the provenance is no JSON, or
        naming the leaf, if a dtype or a key cannot be written.
    """
    about: dict[str, Any] = {
      'architecture': dict(self.architecture),
      'provenance': dict(self.provenance),
    }
    trees = {name: getattr(self, name) for name in COLLECTIONS}
    arrays, paths = to_arrays(trees, optional='masks')
    if paths is not None:
      about['paths'] = paths
    content = ticket_file.encode(arrays, about)
    write_atomically(local_path(path, 'the ticket file'), content)

  @classmethod
  def load(cls, path: Path | str):
    """Reads a ticket; the file may come from anybody.

    Sizes are bounded and hashes checked before anything is allocated; nothing
    in the file is executed, imported or used as a path.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if the file is damaged, is no ticket, exceeds the limits of
        `ticket_file`, or contradicts itself.
    """
    tensors, about = ticket_file.read(path)
    try:
      return cls._from_tensors(tensors, about)
    except (ValueError, LookupError, TypeError) as error:
      raise ticket_file.unsound(path, error) from error

  def save_pretrained(self, folder: Path | str) -> None:
    """Writes the ticket and a card into a folder; see `hub`."""
    from elth_jax import hub

    hub.save_pretrained(self, folder)

  @classmethod
  def from_pretrained(cls, name: Path | str, **options: Any):
    """The ticket in a folder or in a repository; see `hub.from_pretrained`."""
    from elth_jax import hub

    return hub.from_pretrained(name, **options)

  def push_to_hub(self, repository: str, **options: Any) -> str:
    """Uploads the ticket and its card; see `hub.push_to_hub`."""
    from elth_jax import hub

    return hub.push_to_hub(self, repository, **options)

  def transform(
    self,
    target: str,
    *,
    order: str = 'append',
    units: Units | Mapping[str, Units] | None = None,
    keep: Units | Mapping[str, Units] | None = None,
    drop: Units | Mapping[str, Units] | None = None,
    plan: Plan | None = None,
  ):
    """The ticket of another depth of the same family, checked against it.

    Args:
      target: the network wanted, e.g. `resnet32`; width, input and classes
        stay.
      order: how replicas are arranged when stretching, `append` or
        `interpolate`, or any rule of `elastic.rules`.
      units: the units to replicate when stretching.
      keep: the units to keep when squeezing; see `squeeze_tree`.
      drop: the units to drop when squeezing.
      plan: a plan of your own instead of these rules.

    Raises:
      ValueError: if the target is of another family or unknown, or the result
        does not have exactly its leaves, shapes and dtypes.
    """
    from elth_jax import transform

    if plan is None:
      plan = transform.plan_for(self, target, order, units, keep, drop)
    return transform.transform(self, target, plan)

  def derive(self, **changes: Any):
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

  @classmethod
  def _from_tensors(cls, tensors: Mapping[str, np.ndarray], about: Any):
    for name in ('architecture', 'provenance'):
      if not isinstance(about[name], dict):
        raise ValueError(f'its {name} is no JSON object')
    trees = from_arrays(
      tensors, about.get('paths'), COLLECTIONS, optional='masks'
    )
    return cls(
      **trees,
      architecture=about['architecture'],
      provenance=about['provenance'],
    )


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
  if array.dtype.hasobject:
    raise ValueError(f'{leaf!r:.80} is no array of numbers')
  return np.ndarray(array.shape, array.dtype, array.tobytes())


def _memory(array: Any) -> Any:
  """What an array looks at in the end; `None` if it owns its memory."""
  while isinstance(array, np.ndarray):
    array = array.base
  return array
