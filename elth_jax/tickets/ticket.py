"""Tickets: sparse networks, rewound or trained, and where they came from."""

import dataclasses
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from elth_jax.elastic.plan import Plan
from elth_jax.elastic.rules import Rule
from elth_jax.elastic.tables import UnitNumbers
from elth_jax.families import Architecture
from elth_jax.limits import check_argument
from elth_jax.masks import (
  apply_masks,
  as_mask,
  dense_masks,
  masked_leaves,
)
from elth_jax.storage.files import local_path, write_atomically
from elth_jax.tickets import file as ticket_file
from elth_jax.tickets import hub, inference, shown, transform
from elth_jax.tickets.arrays import from_arrays, to_arrays
from elth_jax.tickets.compact import pack, unpacked
from elth_jax.tickets.value import COLLECTIONS, SparseNetwork
from elth_jax.trees import PyTree, map_named, named_leaves

MANY_ZEROS = 0.2  # a share of weights; fresh ones are not 0


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Ticket(SparseNetwork):
  """A sparse network that is kept in files, shared and transformed.

  Its fields are those of `SparseNetwork`.
  """

  @classmethod
  def of(
    cls,
    network: Architecture,
    params: PyTree,
    batch_stats: PyTree | None = None,
    masks: PyTree | None = None,
    **about: Any,
  ):
    """A ticket of weights and masks of one's own, e.g. from a checkpoint.

    Args:
      network: of which they are, e.g. `architecture('resnet20')`.
      params: with the leaves of `network.init(0)['params']`; they are masked
        here if they are not.
      batch_stats: likewise; may be left out where the network has none.
      masks: bool or 0 and 1, true where kept, with the structure of `params`;
        `None` where a parameter is dense and not counted. By default all
        prunable weights are kept. Layers that keep all bring a warning where
        many weights are 0; `masks.nonzero_masks` makes masks of these.
      **about: `provenance` and `state`, as in `SparseNetwork`. The provenance
        says what other functions go by: `dataset`, `rewind_step` and
        `normalization` (mean and std by channel).

    Raises:
      TypeError: if `network` is no architecture.
      ValueError: naming the leaf that is missing, unexpected, or of another
        shape or dtype than the network's, or whose mask is no mask of it.
    """
    check_argument(
      'network', network, Architecture, "architecture('resnet20') or the like"
    )
    if isinstance(params, Mapping) and 'params' in params:
      raise ValueError(
        "params holds collections; give variables['params'], and "
        "variables['batch_stats'] where there are any"
      )
    batch_stats = {} if batch_stats is None else batch_stats
    network.check({'params': params, 'batch_stats': batch_stats})
    if masks is None:
      masks = dense_masks(params, network.family.prunable)
    masks = map_named(as_mask, masks)
    ticket = cls(
      architecture=network.to_json(),
      params=apply_masks(params, masks),
      batch_stats=batch_stats,
      masks=masks,
      **about,
    )
    _warn_of_zeros(params, masks, network)
    return ticket

  def save(
    self, path: Path | str, *, compact: bool = False, values: str | None = None
  ) -> None:
    """Writes the ticket to one safetensors file, whole or not at all.

    Keys, their order, shapes and dtypes come back; mappings of any type come
    back as dictionaries.

    Args:
      path: of the file.
      compact: write a bit a weight for masks, and only the kept values.
      values: the dtype of kept values in a compact file, `bfloat16` or
        `float16`, to which they are rounded; by default their own.

    Raises:
      ValueError: before anything is written: if the provenance is no JSON, or
        naming the leaf, if a dtype or a key cannot be written.
    """
    content = self.to_bytes(compact=compact, values=values)
    write_atomically(local_path(path, 'the ticket file'), content)

  def to_bytes(
    self, *, compact: bool = False, values: str | None = None
  ) -> bytes:
    """What `save` writes, by the same arguments."""
    if values is not None and not compact:
      raise ValueError('values is for compact files; give compact=True too')
    about: dict[str, Any] = {
      'architecture': dict(self.architecture),
      'provenance': dict(self.provenance),
    }
    trees = {name: getattr(self, name) for name in COLLECTIONS}
    arrays, paths = to_arrays(trees, optional='masks')
    if paths is not None:
      about['paths'] = paths
    if self.state != 'rewound':
      about['state'] = self.state
    if compact:
      arrays, about['compact'] = pack(arrays, values)
    return ticket_file.encode(arrays, about)

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
      if 'compact' in about:
        tensors = unpacked(tensors, about['compact'])
      return cls._from_tensors(tensors, about)
    except (ValueError, LookupError, TypeError) as error:
      raise ticket_file.unsound(path, error) from error

  def save_pretrained(self, folder: Path | str, **options: Any) -> None:
    """Writes the ticket and a card into a folder; see `hub`."""
    hub.save_pretrained(self, folder, **options)

  @classmethod
  def from_pretrained(cls, name: Path | str, **options: Any):
    """A ticket that comes with this library, in a folder or in a repository.

    Args:
      name: `elth_jax:NAME`, a folder that `save_pretrained` wrote, or
        `user/repository`.
      **options: `state`, `revision`, and others of `hub.find_ticket`.

    Raises:
      FileNotFoundError, ImportError, ValueError: as `hub.find_ticket` and
        `load` do.
    """
    return cls.load(hub.find_ticket(name, **options))

  def push_to_hub(self, repository: str, **options: Any) -> str:
    """Uploads the ticket and its card; see `hub.push_to_hub`."""
    return hub.push_to_hub(self, repository, **options)

  def transform(
    self,
    target: str,
    order: str | Rule | None = None,
    *,
    units: UnitNumbers | Mapping[str, UnitNumbers] | None = None,
    keep: UnitNumbers | Mapping[str, UnitNumbers] | None = None,
    drop: UnitNumbers | Mapping[str, UnitNumbers] | None = None,
    plan: Plan | None = None,
  ):
    """The ticket of another depth of the same family, checked against it.

    Args:
      target: the network wanted, e.g. `resnet32`; width, input and classes
        stay.
      order: how replicas are arranged when stretching, `append` (by default)
        or `interpolate`, or any rule of `elastic.rules`, a value or its text.
      units: the units to replicate when stretching.
      keep: the units to keep when squeezing; see `squeeze_tree`.
      drop: the units to drop when squeezing.
      plan: a plan of your own instead of these rules.

    Raises:
      TypeError: if target, order or plan are of another type.
      ValueError: if the target is of another family or unknown, choices do not
        go together, or the result does not have exactly its leaves, shapes and
        dtypes.
    """
    plan = transform.plan_for(self, target, order, units, keep, drop, plan)
    return transform.transform(self, target, plan)

  def apply(self, images: Any) -> jax.Array:
    """Logits of NHWC images, BN in evaluation mode; see `inference.logits`."""
    return inference.logits(self, images)

  def evaluate(self, images: Any, labels: Any) -> float:
    """Accuracy on images, 0 to 1; see `inference.accuracy`."""
    return inference.accuracy(self, images, labels)

  def __repr__(self) -> str:
    return f'{type(self).__name__}({shown.summary(self)})'

  def _repr_html_(self) -> str:
    """What a notebook shows."""
    return shown.table(self)

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
      state=about.get('state', 'rewound'),
    )


def _warn_of_zeros(
  params: PyTree, masks: PyTree, network: Architecture
) -> None:
  """Warns of layers that seem to be pruned, and whose masks keep all weights.

  Layers that are 0 altogether were made so, as a new head may be.
  """
  weights = dict(named_leaves(params))
  kept = [weights[name] for name, mask in masked_leaves(masks) if np.all(mask)]
  looked_at = [leaf for leaf in kept if np.any(leaf)]
  total = sum(np.size(leaf) for leaf in looked_at)
  nonzero = sum(np.count_nonzero(leaf) for leaf in looked_at)
  share = 1 - nonzero / total if total else 0
  if share > MANY_ZEROS:
    warnings.warn(
      f'{share:.1%} of the weights of {network.name} are 0 in '
      'layers whose masks keep all of them; if they were pruned, give '
      'masks=elth_jax.masks.nonzero_masks(params, network.family.prunable)',
      stacklevel=3,
    )
