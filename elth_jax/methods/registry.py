"""What a method is, and the registry of them.

A method is one function that makes the ticket which a study trains: from a
target's dense rewind weights, from the ticket that IMP found there, or from
the source's. All are trained alike, but for those that change masks while
they train.
"""

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

import jax
import numpy as np

from elth_jax.datasets import Dataset, Stream
from elth_jax.dynamic import DYNAMIC, Sparse, settings_of
from elth_jax.methods.styles import Style, spare
from elth_jax.names import unknown
from elth_jax.pruners.options import Pruning
from elth_jax.randomness import generator
from elth_jax.registry import Registry
from elth_jax.tickets.ticket import Ticket
from elth_jax.transfers import Transfer

# `rewind`: the target's dense rewind weights; `imp`: the target's own ticket
# of this level; `source`: the ticket of this level found on another network;
# `source_rewind`: that network's dense rewind weights.
Role = Literal['rewind', 'imp', 'source', 'source_rewind']
Tickets = Mapping[Role, Ticket]
Use = Literal['data', 'pruning', 'sparse']


@dataclasses.dataclass(frozen=True)
class Setting:
  """What a method is told beside its tickets.

  Attributes:
    level: of IMP, whose sparsity is matched.
    seed: of the replicate.
    dataset: what the target will be trained on.
    batch_size: of its training.
    pruning: options of scores.
    sparse: options of changing masks.
    transfer: the steps by which a source's ticket gets to the target.
  """

  level: int
  seed: int
  dataset: Dataset | Stream
  batch_size: int
  pruning: Pruning = Pruning()
  sparse: Sparse = Sparse()
  transfer: Transfer = Transfer()

  def seed_for(self, purpose: str) -> int:
    """A seed that differs by purpose, level and replicate."""
    draw = generator(self.seed, purpose, self.level)
    return int(draw.integers(2**31))

  def transferred(self, ticket: Ticket) -> Ticket:
    """A source's ticket, taken to the target."""
    return self.transfer.apply(ticket, self.seed)

  def batches(self) -> Iterator[tuple[jax.Array, np.ndarray]]:
    """Normalised training images and labels, in an order of their own."""
    examples = self.dataset.examples
    order = generator(self.seed, 'score batches').permutation(examples)
    count = self.pruning.batches or -(-examples // self.batch_size)
    for number in range(count):
      start = number * self.batch_size
      rows = order[start : start + self.batch_size]
      if len(rows):
        images, labels = self.dataset.take(rows)
        yield self.dataset.normalize(images), labels


Make = Callable[[Tickets, Setting], Ticket]


@dataclasses.dataclass(frozen=True)
class Method:
  """One way to make a ticket for a target, and how it is shown.

  Attributes:
    needs: the tickets that `make` is given, by role.
    make: (tickets by role, setting) -> ticket; `None` for a method whose
      tickets a study finds by training, see `pruned_by`.
    count_only: roles of which only the number of kept weights is used, so that
      what it cost to find them is no cost of this method.
    uses: what else determines its tickets, as fields of `Setting`: `data`
      (training images), `pruning` or `sparse` (options).
    label: how people write its name.
    doc: what it does.
    claimed_worse: whether E-LTH claims that IMP and ETT are more accurate; a
      report tests that claim where a config names none.
    dynamic: the entry of `dynamic.DYNAMIC` that changes masks in training, if
      any.
    times: how many times longer it is trained; `search` for as long as IMP
      took to find the ticket of that level and to train it.
    pruned_by: for magnitude pruning of what was trained, what it ranks weights
      over: `global` or each `leaf`; empty for methods that make a ticket from
      other tickets.
    once: whether it prunes the trained dense network once, for each level, in
      place of level by level.
    rewound_to: the rewind step r; or the `start`: no late resetting; or where
      they were `trained` to: the learning rate alone goes back.
    version: raised when a mended method makes other tickets; enters the keys
      of its nodes when it is not 1.
    colour: of its lines in figures, as `#RRGGBB`.
    marker: of its points there, as matplotlib names it.
    further_styles: (colour, marker) of its second, third, ... line in a
      figure, where it has one for each source and rule.
  """

  needs: tuple[Role, ...]
  make: Make | None
  count_only: tuple[Role, ...] = ()
  uses: tuple[Use, ...] = ()
  label: str = ''
  doc: str = ''
  claimed_worse: bool = False
  dynamic: str = ''
  times: int | Literal['search'] = 1
  pruned_by: Literal['', 'global', 'leaf'] = ''
  once: bool = False
  rewound_to: Literal['rewind', 'start', 'trained'] = 'rewind'
  version: int = 1
  colour: str = ''
  marker: str = ''
  further_styles: tuple[Style, ...] = ()

  @property
  def from_source(self) -> bool:
    """Whether its ticket comes from another network's."""
    return 'source' in self.needs

  @property
  def drifts(self) -> bool:
    """Whether its sparsity may be another than IMP's at the same level."""
    # within each leaf the counts are rounded leaf by leaf
    alike = 'imp' in self.needs or self.pruned_by == 'global'
    return self.from_source or not alike

  def times_at(self, level: int) -> int:
    """How many times longer it is trained at a level of IMP."""
    # IMP has trained levels 0 to level - 1, and trains this one
    return level + 1 if self.times == 'search' else self.times

  @property
  def styles(self) -> tuple[Style, ...]:
    """(colour, marker) of each of its lines in a figure, in their order."""
    return ((self.colour, self.marker), *self.further_styles)

  def dynamic_settings(self, sparse: Sparse) -> dict[str, Any] | None:
    """What `dynamic.make_dynamic` is given; `None` for static masks."""
    return settings_of(self.dynamic, sparse) if self.dynamic else None


METHODS: Registry[Method] = Registry('method')


def register(
  name: str, *needs: Role, replace: bool = False, **options: Any
) -> Callable[[Make], Make]:
  """Registers the decorated function, which makes a ticket, as a method.

  Args:
    name: as configs, claims and results.csv give it: lower-case letters,
      digits and underscores.
    *needs: the roles of the tickets that the function is given.
    replace: whether it may take the place of a method of that name, as when a
      notebook's cell runs again.
    **options: other fields of `Method`. By default, `label` is the name, `doc`
      the function's docstring, and colour and marker are the first of
      `styles.SPARE` that no method has.

  Raises:
    ValueError: if the name is taken or cannot be one, or a role, a use or a
      dynamic method is unknown.
  """
  _check(name, needs, options)

  def enter(make: Make) -> Make:
    about = {'doc': inspect.getdoc(make) or '', **options}
    _enter(name, needs, make, about, replace)
    return make

  return enter


def register_found(name: str, *needs: Role, doc: str, **options: Any) -> None:
  """Registers a method whose tickets a study finds by training.

  Args:
    name: as for `register`.
    *needs: `imp`, if other methods' tickets of that role are its own.
    doc: what it does.
    **options: other fields of `Method`, `pruned_by` among them.

  Raises:
    ValueError: as `register` does.
  """
  _check(name, needs, options)
  _enter(name, needs, None, {'doc': doc, **options})


def _enter(
  name: str,
  needs: tuple[Role, ...],
  make: Make | None,
  options: Mapping[str, Any],
  replace: bool = False,
) -> None:
  about: dict[str, Any] = {'label': name, **options}
  colour, marker = _free_style(name)
  about['colour'] = about.get('colour') or colour
  about['marker'] = about.get('marker') or marker
  METHODS.register(name, Method(needs, make, **about), replace)


def _free_style(name: str) -> Style:
  """That of an earlier method of the name, or one that no method has."""
  if name in METHODS:
    return METHODS[name].styles[0]
  return spare({style for m in METHODS.values() for style in m.styles})


def _check(name: str, needs: Sequence[str], options: Mapping[str, Any]) -> None:
  if not re.fullmatch(r'[a-z][a-z0-9_]*', name):
    raise ValueError(
      f'method name {name!r}: use lower-case letters, digits and underscores'
    )
  if name == 'dense':
    raise ValueError("method name 'dense': results call the dense network so")
  named = {
    'role': (get_args(Role), (*needs, *options.get('count_only', ()))),
    'use': (get_args(Use), options.get('uses', ())),
    'option': ([f.name for f in dataclasses.fields(Method)], options),
  }
  for what, (known, given) in named.items():
    for one in given:
      if one not in known:
        raise ValueError(f'method {name!r}: {unknown(what, one, known)}')
  if 'source_rewind' in needs and 'source' not in needs:
    raise ValueError(
      f"method {name!r}: 'source_rewind' is of the network that 'source' is "
      "of; add the role 'source'"
    )
  if options.get('dynamic'):
    DYNAMIC.find(options['dynamic'])
