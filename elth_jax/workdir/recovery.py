"""What a start finds in its workdir; what is damaged is set aside and named."""

import sys
from collections.abc import Mapping
from pathlib import Path

from elth_jax.process.text import say
from elth_jax.storage.manifest import DamagedError
from elth_jax.study.nodes import Node
from elth_jax.workdir import outputs
from elth_jax.workdir.checkpoints import Checkpoints
from elth_jax.workdir.store import OUTDATED, OutdatedError, Store, StoreError

MOST_REPAIRS = 3  # of one node in one start; then the disk is at fault


class Recovery:
  """Looks at everything that earlier starts left, before any of it is used.

  Args:
    nodes: the study.
    store: its workdir.

  Attributes:
    earlier: the state of the study's own files.
    done: names of nodes whose product is there and whole.
    notes: one line for everything that was damaged or lost, and what is done
      about it.
    checkpoints: of the runs that are half done.
  """

  def __init__(self, nodes: Mapping[str, Node], store: Store):
    self.nodes = nodes
    self.store = store
    self.notes: list[str] = []
    self.earlier = outputs.inspect(store.root)
    self.checkpoints = Checkpoints(store, self._set_aside)
    self._repairs: dict[str, int] = {}
    self._damaged: set[str] = set()
    for error in self.earlier.damaged:
      self._set_aside(error.path, error, 'it is written anew')
    self.done = {name for name in nodes if self._finished(nodes[name])}
    self._note_missing()

  def digests(self) -> dict[str, str]:
    """Every finished node -> hash of what it made."""
    made = sorted(self.done)
    return {name: self.store.digest(self.nodes[name]) for name in made}

  def look_again(self) -> None:
    """Reads anew what the workdir says of itself: others write there too."""
    self.earlier = outputs.inspect(self.store.root)

  def finds_work(self) -> bool:
    """Whether anything may be written that the manifest speaks of."""
    left = self.nodes.keys() - self.done - self.earlier.failed.keys()
    return not self.earlier.closed or bool(self.notes) or bool(left)

  def covers(self, made: Mapping[str, str], failed: Mapping[str, str]) -> bool:
    """Whether the report of an earlier start is whole and says it all.

    Args:
      made: from `digests`, which reads every ticket.
      failed: name of a node -> why it failed.
    """
    earlier = self.earlier
    return (
      earlier.closed
      and not self.notes
      and dict(earlier.failed) == dict(failed)
      and dict(earlier.nodes) == dict(made)
    )

  def repair(self, error: DamagedError) -> None:
    """Sets aside what was found damaged in use: its node is not done then.

    Raises:
      DamagedError: the same, if it is neither a product nor a checkpoint.
      StoreError: if a node's files were damaged again and again.
    """
    for node in self.nodes.values():
      product, partial = self.store.product(node), self.store.partial(node)
      places = (error.path, *error.path.parents)
      if product in places:
        self._count_repair(node, error)
        self._set_aside(product, error, f'{node.name} is made again')
        self.done.discard(node.name)
      elif partial in error.path.parents:
        self._count_repair(node, error)
        step = places[places.index(partial) - 1]
        self._set_aside(step, error, f'{node.name} goes on from an earlier one')
      else:
        continue
      self.checkpoints.forget(node)
      return
    raise error

  def _count_repair(self, node: Node, error: DamagedError) -> None:
    times = self._repairs[node.name] = self._repairs.get(node.name, 0) + 1
    if times > MOST_REPAIRS:
      raise StoreError(
        f'{error}, for the {times}th time: is the disk sound? Copy the workdir '
        'to another one and continue there'
      ) from error

  def _note(self, note: str) -> None:
    self.notes.append(note)
    say(f'NOTE {note}', sys.stderr)

  def _finished(self, node: Node) -> bool:
    try:
      finished = self.store.finished(node)
    except DamagedError as error:
      product = self.store.product(node)
      folder = OUTDATED if isinstance(error, OutdatedError) else 'damaged'
      self._set_aside(product, error, f'{node.name} is made again', folder)
      self._damaged.add(node.name)
      return False
    if finished and self.store.partial(node).exists():
      self.store.forget_partial(node)
    return finished

  def _note_missing(self) -> None:
    """Products that others were made from, or that were once there."""
    known = dict.fromkeys(self.earlier.nodes)
    for name in self.done:
      known |= dict.fromkeys(self.nodes[name].parents.values())
    for name in known:
      if name in self.nodes and name not in self.done | self._damaged:
        path = self.store.product(self.nodes[name])
        self._note(f'{path} is missing; {name} is made again')

  def _set_aside(
    self, path: Path, error: DamagedError, then: str, folder: str = 'damaged'
  ) -> None:
    if path.exists():
      aside = self.store.set_aside(path, folder)
      self._note(f'{error}; it is now {aside}; {then}')
    else:
      self._note(f'{error}; {then}')
