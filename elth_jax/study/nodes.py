"""Nodes: what a study does once. One class for each kind, with its settings."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from elth_jax.dynamic.options import Sparse
from elth_jax.families import Architecture
from elth_jax.pruners.options import Pruning
from elth_jax.reading import changed, plain
from elth_jax.training.recipe import Recipe
from elth_jax.transfers import Transfer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subject:
  """What a node is about, for names, results and reports; no key has it.

  Attributes:
    target: the network.
    source: the one whose ticket it goes back to; often the same.
    method: the name of a method, or `dense`.
    level: of IMP; 0 for dense networks.
    replicate: from 0.
    order: the rules of its transfer, as results name them; empty for none.
    origin: column of results.csv -> how the source was trained otherwise.
  """

  target: str
  source: str
  method: str
  level: int
  replicate: int
  order: str = ''
  origin: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def columns(self) -> dict[str, Any]:
    """As columns of results.csv and in the provenance of tickets."""
    values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
    origin = values.pop('origin')
    return {**values, **origin}


@dataclasses.dataclass(frozen=True)
class TrainingSet:
  """The training images, in plain values.

  Attributes:
    dataset: its name.
    examples: how many there are.
    sha256: of images and labels.
    normalization: mean and deviation by channel.
  """

  dataset: str
  examples: int
  sha256: str
  normalization: tuple[tuple[float, ...], tuple[float, ...]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Node:
  """One thing to do once. Subclasses are the kinds of nodes.

  Attributes:
    kind: the name of this kind of node.
    version: raised when a mended kind makes other products; see `keys`.
    name: unique in the study, readable, and safe as a file name.
    architecture: the network that is trained or for which the ticket is.
    parents: role -> name of the node that must be done before.
    subject: what it is about.
    key: hash of all that determines it, parents included.
    earlier: its keys before this library's methods were mended; see `keys`.
  """

  kind: ClassVar[str]
  version: ClassVar[int] = 1

  name: str
  architecture: Architecture
  parents: Mapping[str, str]
  subject: Subject
  key: str = ''
  earlier: tuple[str, ...] = ()

  def settings(self) -> dict[str, Any]:
    """What determines the product beside network and parents, by field."""
    common = {field.name for field in dataclasses.fields(Node)}
    return {
      field.name: getattr(self, field.name)
      for field in dataclasses.fields(self)
      if field.name not in common
    }

  def record(self) -> dict[str, Any]:
    """The settings as products tell them, in plain values."""
    return plain(changed(self, self.settings()))


@dataclasses.dataclass(frozen=True, kw_only=True)
class TicketNode(Node):
  """A node whose product is a ticket."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run(Node):
  """A node that trains, and so takes time.

  Attributes:
    recipe: how it trains.
    data: on what.
    seed: of data order and augmentation.
    start: the step from which it trains.
    stop: the step to which it does.
    dynamic: settings of the method that changes masks meanwhile, if any; see
      `dynamic.make_dynamic`.
  """

  recipe: Recipe
  data: TrainingSet
  seed: int
  start: int
  stop: int
  dynamic: Mapping[str, int | float | str] | None = None

  def record(self) -> dict[str, Any]:
    values = super().record()
    values['recipe']['precision'] = self.recipe.product_precision
    return {**values, **values.pop('data')}

  @property
  def steps(self) -> int:
    return self.stop - self.start

  @property
  def images(self) -> float:
    """How many images it sees, some of them again and again."""
    an_epoch = self.recipe.steps_per_epoch(self.data.examples)
    return self.steps / an_epoch * self.data.examples


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rewind(Run, TicketNode):
  """Trains a dense network from step 0 to the rewind step r."""

  kind: ClassVar[str] = 'rewind'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Train(Run):
  """Trains a ticket from r to the end; parent `ticket`."""

  kind: ClassVar[str] = 'train'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Twin(Run):
  """Trains a ticket once more, in another data order; parent `ticket`."""

  kind: ClassVar[str] = 'twin'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prune(TicketNode):
  """IMP's next ticket; parents `rewind`, `previous` and `trained`.

  Attributes:
    fraction: the share of remaining weights that is pruned.
    reference_count: prune as many as the published code does.
    scope: rank weights over all layers, or in each leaf.
    weights: those of the rewind step, or those that were trained.
  """

  kind: ClassVar[str] = 'prune'

  fraction: float
  reference_count: bool = False
  scope: Literal['global', 'leaf'] = 'global'
  weights: Literal['rewound', 'trained'] = 'rewound'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Derive(TicketNode):
  """A method's ticket, from those of its parents, by the roles it needs.

  Attributes:
    method: its name.
    method_version: of the method; see `methods.Method`.
    transfer: the steps from the source; none for methods without one.
    level: of IMP, whose sparsity is matched.
    seed: of the replicate.
    data: what scores are computed on, for methods that use images.
    batch_size: of these images.
    pruning: options of scores, for methods that use them.
    sparse: options of changing masks, likewise.
  """

  kind: ClassVar[str] = 'derive'

  method: str
  method_version: int = 1
  transfer: Transfer = Transfer()
  level: int
  seed: int
  data: TrainingSet | None = None
  batch_size: int = 0
  pruning: Pruning = Pruning()
  sparse: Sparse = Sparse()

  def record(self) -> dict[str, Any]:
    values = super().record()
    steps = [
      {'kind': step.kind, **plain(changed(step))}
      for step in self.transfer.steps
    ]
    return {**values, 'transfer': steps} if steps else values


@dataclasses.dataclass(frozen=True, kw_only=True)
class Connect(Node):
  """Accuracy between two trainings; parents `one`, `other` and `ticket`.

  Attributes:
    points: how many networks are tested, both ends included.
    statistics: BN statistics in between; see `study.spec.Analyses`.
    statistics_version: raised when mended statistics are others; see `keys`.
  """

  kind: ClassVar[str] = 'connect'

  points: int
  statistics: Literal['interpolated', 'recomputed'] = 'interpolated'
  statistics_version: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConnectDynamic(Connect):
  """The same of a dynamic method: two trainings end with masks of their own."""

  version: ClassVar[int] = 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskOverlap(Node):
  """The overlap of a ticket's masks with IMP's; parents `imp` and `other`."""

  kind: ClassVar[str] = 'overlap'
