"""What a study is to do: a config, checked and turned into plain values."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from ml_collections import ConfigDict

from elth_jax.dynamic.options import Sparse
from elth_jax.limits import (
  ABOVE_0,
  AT_LEAST_0,
  Limits,
  check_numbers,
)
from elth_jax.process.distributed import Distributed
from elth_jax.pruners.options import Pruning
from elth_jax.reading import build_from, check_types
from elth_jax.study.claims import Claim
from elth_jax.study.parallel import Parallel
from elth_jax.study.presets import apply_preset
from elth_jax.study.published import Published
from elth_jax.study.scale import scaled
from elth_jax.training.recipe import OptimizerName, Recipe

MOST = 1000  # levels or replicates; more is a slip
LARGEST_IMAGE = 4096  # pixels a side
LARGEST_WIDTH = 2**20  # channels


@dataclasses.dataclass(frozen=True)
class Analyses:
  """What is looked into at the compared levels, beside accuracy.

  Attributes:
    connectivity: methods whose tickets are trained twice, in independent data
      orders, to test what lies between the two.
    points: how many networks are tested from one to the other, both included.
    statistics: BN statistics in between: `interpolated`, or `recomputed`: the
      means over batches of all training images.
    overlap: whether masks are compared, between methods and replicates.
    doubled: whether dense targets are trained twice as long too, to see
      whether they have converged.
  """

  connectivity: tuple[str, ...] = ()
  points: int = 21
  statistics: Literal['interpolated', 'recomputed'] = 'interpolated'
  overlap: bool = False
  doubled: bool = False

  def __post_init__(self):
    check_types(self, 'analyses.')
    check_numbers(self, 'analyses.', points=Limits(2, 10_000))


@dataclasses.dataclass(frozen=True)
class Paper:
  """What a study reproduces.

  Attributes:
    title: the paper, and its table or figure; empty if it reproduces none.
    question: what it asks, in a sentence.
    claims: what the paper claims.
    published: the paper's numbers.
    scale: at which of the config's scales it is run.
  """

  title: str = ''
  question: str = ''
  claims: tuple[Claim, ...] = ()
  published: tuple[Published, ...] = ()
  scale: str = 'paper'

  def __post_init__(self):
    check_types(self, 'paper.')


@dataclasses.dataclass(frozen=True)
class StudySpec:
  """One IMP run on each source, and every method on each target.

  Attributes:
    dataset: name of the data set that targets are trained on.
    source_datasets: names of those in which every source's ticket is found;
      empty for the targets' own.
    source_optimizer: the optimiser by which the sources' tickets are found,
      `sgd`, `adam` or `adamw`, at its usual learning rate; empty for the same.
    source_width: the width of the networks in which the sources' tickets are
      found, half or twice the targets'; 0 for the same.
    sources: networks whose tickets are transformed.
    targets: networks on which methods are compared.
    recipe: how every network is trained.
    recipe_on: data set -> fields of the recipe that differ there.
    methods: what is trained on each target beside the dense network.
    orders: how ETT gets from sources to targets: rules for units, of
      `elastic.rules`; for channels, where widths differ, of `elastic.width`;
      or for any other kind of step of `transfers`.
    orders_of: method -> the rules that it is trained with, if not with all of
      `orders`.
    width: channels of the first stage or units of a hidden layer; 0 for the
      family's usual width.
    levels: how many times IMP prunes.
    compare_levels: the levels at which methods other than IMP are trained.
    prune_fraction: the share of remaining weights that a level prunes.
    reference_count: prune as many weights as the published code does.
    replicates: how often all is repeated, with other seeds.
    seed: seed of the first replicate; the next one takes the next number.
    train_examples: how many training images are used; 0 for all.
    image_size: pixels a side to which images are resized; 0 for each data
      set's own.
    imagenet_normalization: normalise CIFAR by ImageNet's mean and deviation,
      as the published runs did; other data sets keep their own.
    data_order: whether all levels of a replicate see one order of the data
      (`shared`), or each its own (`by_level`).
    pruning: options of the baselines that prune by scores.
    sparse: options of methods that change masks while they train.
    analyses: what is looked into at the compared levels.
    paper: what the study reproduces; changes nothing that is trained.
  """

  dataset: str
  sources: tuple[str, ...]
  targets: tuple[str, ...]
  recipe: Recipe
  methods: tuple[str, ...] = ('imp', 'ett', 'reinit', 'random', 'magnitude')
  orders: tuple[str, ...] = ('append',)
  width: int = 0
  levels: int = 10
  compare_levels: tuple[int, ...] = (2, 6, 10)
  prune_fraction: float = 0.2
  reference_count: bool = False
  replicates: int = 3
  seed: int = 0
  train_examples: int = 0
  image_size: int = 0
  source_datasets: tuple[str, ...] = ()
  source_optimizer: Literal['', OptimizerName] = ''
  source_width: int = 0
  recipe_on: Mapping[str, Mapping[str, Any]] = dataclasses.field(
    default_factory=dict
  )
  orders_of: Mapping[str, tuple[str, ...]] = dataclasses.field(
    default_factory=dict
  )
  imagenet_normalization: bool = False
  data_order: Literal['shared', 'by_level'] = 'shared'
  pruning: Pruning = Pruning()
  sparse: Sparse = Sparse()
  analyses: Analyses = Analyses()
  paper: Paper = Paper()

  def __post_init__(self):
    check_types(self)
    for name in ('sources', 'targets', 'methods', 'orders', 'compare_levels'):
      values = getattr(self, name)
      if not values or len(set(values)) < len(values):
        raise ValueError(f'{name} is {values}; give distinct values')
    if len(set(self.source_datasets)) < len(self.source_datasets):
      raise ValueError(
        f'source_datasets is {self.source_datasets}; give distinct values'
      )
    idle = [m for m in self.analyses.connectivity if m not in self.methods]
    if idle or (self.analyses.overlap and 'imp' not in self.methods):
      raise ValueError(
        f'analyses: {idle[0] if idle else "imp"!r} is not among methods '
        f'{self.methods}, so there is nothing to analyse'
      )
    check_numbers(
      self,
      width=Limits(0, LARGEST_WIDTH),
      source_width=Limits(0, LARGEST_WIDTH),
      levels=Limits(1, MOST),
      replicates=Limits(1, MOST),
      prune_fraction=Limits(0, 1, above=True, below=True),
      seed=AT_LEAST_0,
      train_examples=AT_LEAST_0,
      image_size=Limits(0, LARGEST_IMAGE),
    )
    for name in self.recipe_on:
      self.recipe_for(name)
    if self.source_optimizer == self.recipe.optimizer:
      raise ValueError(
        f'source_optimizer is {self.source_optimizer} too; leave it empty'
      )
    wrong = [k for k in self.compare_levels if not 1 <= k <= self.levels]
    if wrong:
      raise ValueError(
        f'compare_levels has {wrong}; IMP goes from level 1 to {self.levels}'
      )

  def recipe_for(self, dataset: str, source: bool = False) -> Recipe:
    """How networks are trained on a data set, sources perhaps otherwise."""
    changes = self.recipe_on.get(dataset, {})
    values = {**dataclasses.asdict(self.recipe), **changes}
    recipe = build_from(Recipe, values, f'recipe_on.{dataset}.')
    if source and self.source_optimizer:
      return recipe.by(self.source_optimizer)
    return recipe

  @classmethod
  def from_config(cls, config: Mapping[str, Any] | ConfigDict) -> 'StudySpec':
    """Reads a mapping (an ml_collections ConfigDict, say).

    Raises:
      ValueError: naming a key that is unknown, missing or of the wrong type.
    """
    values = apply_preset(dict(config))
    if 'source_dataset' in values:  # as older configs have it
      only = values.pop('source_dataset')
      values.setdefault('source_datasets', (only,) if only else ())
    options = [field.name for field in dataclasses.fields(RunOptions)]
    return build_from(cls, values, others=options)


@dataclasses.dataclass(frozen=True)
class RunOptions:
  """How a study is run; nothing here changes a result.

  Attributes:
    parallel: how tickets share the machine: `auto`, `tickets`, `batch` or how
      many at once; see `Parallel.parse`.
    distributed: whether several processes run the study together: `off`,
      `auto` or `address:port,processes,number`; see docs/distributed.md.
    executor: who does the work: `local`, this process alone; `shared`, every
      process that is started with the same workdir; `dask`, workers of a Dask
      cluster; see docs/cluster.md.
    workers: that `dask` starts on this machine, if it joins no cluster.
    scheduler: of a Dask cluster to join, by its address or its file.
    lease_seconds: of silence after which other processes take over what one
      worked on.
    hung_seconds: without a dispatch, after which a live process is taken to
      hang: it goes silent. Compiling and reading data must take less.
    checkpoint_seconds: how often the state of a training run is saved.
    dry_run: say what would run, with its cost and time here, and stop; a few
      steps are trained to know the time.
    dry_run_nodes: the same, with a line for every node.
    tracker: another program that shows how training goes: `tensorboard` or
      `wandb`, which are extras; empty for none.
    profile: write where time goes, and a trace of the first seconds.
    deterministic: refuse a GPU's kernels whose results vary from run to run.
    read_threads: threads that decode images of a streamed data set, in each
      process; 0 for one a core.
    read_processes: processes beside this one that decode; 0 to decode here.
    native: whether C++ kernels compute convolutions on a CPU: `auto` if they
      can be compiled and vectors are wide, `on` (an error if they cannot) or
      `off`. Results differ in rounding, and say which kernels made them.
    reuse: other workdirs, with commas between, whose finished nodes of equal
      keys are taken; see `workdir.reuse`.
  """

  parallel: Parallel = Parallel()
  distributed: Distributed = Distributed()
  executor: str = 'local'
  workers: int = 2
  scheduler: str = ''
  lease_seconds: float = 60.0
  hung_seconds: float = 1800.0
  checkpoint_seconds: float = 300.0
  dry_run: bool = False
  dry_run_nodes: bool = False
  tracker: str = ''
  profile: bool = False
  deterministic: bool = False
  read_threads: int = 0
  read_processes: int = 0
  native: Literal['auto', 'on', 'off'] = 'auto'
  reuse: str = ''

  def __post_init__(self):
    check_types(self)
    check_numbers(
      self,
      checkpoint_seconds=ABOVE_0,
      workers=Limits(1, MOST),
      lease_seconds=ABOVE_0,
      hung_seconds=ABOVE_0,
      read_threads=Limits(0, MOST),
      read_processes=Limits(0, MOST),
    )


def read_config(
  config: Mapping[str, Any] | ConfigDict,
  given: Mapping[str, Any] | None = None,
) -> tuple[StudySpec, RunOptions]:
  """Splits one config, at its scale, into what a study is and how it is run.

  Args:
    config: the fields of both, and perhaps `scale` and `scales`.
    given: dotted name -> value: what a person set, which no scale changes.

  Raises:
    ValueError: naming a key that is unknown, missing or of the wrong type.
  """
  config = scaled(config, given)
  names = {field.name for field in dataclasses.fields(RunOptions)}
  options = {key: value for key, value in config.items() if key in names}
  rest = {key: value for key, value in config.items() if key not in names}
  return StudySpec.from_config(rest), build_from(RunOptions, options)
