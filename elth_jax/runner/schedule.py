"""What of a study can be done next, and in which batches."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence

from elth_jax.runner.batch import Batch
from elth_jax.runner.trainers import Trainers
from elth_jax.study.nodes import Connect, Derive, Node, Run
from elth_jax.workdir.outputs import failed_since

MOST_QUICK = 64  # nodes without training in a batch that is sent elsewhere
BUSY_SECONDS = 1.0  # until a node that another process has is tried again


class Schedule:
  """Lists what is ready, and cuts it into batches of alike nodes.

  Args:
    nodes: the graph, parents first.
    done: names of finished nodes; changed by the caller.
    failed: name of a node -> why it failed; what depends on it is added.
    trainers: how runs lie on the devices of this process.
    step: from which a run goes on.
  """

  def __init__(
    self,
    nodes: Mapping[str, Node],
    done: set[str],
    failed: dict[str, str],
    trainers: Trainers,
    step: Callable[[Run], int],
  ):
    self.nodes = nodes
    self.done = done
    self.failed = failed
    self.trainers = trainers
    self.step = step
    self._alike: dict[str, tuple] = {}
    self._busy: dict[str, float] = {}  # name -> when to try it again

  def left(self) -> list[Node]:
    """What is neither done nor failed; marks what failed with its parents."""
    found = []
    for node in self.nodes.values():
      if node.name in self.done or node.name in self.failed:
        continue
      broken = [p for p in node.parents.values() if p in self.failed]
      if broken:
        self.failed[node.name] = failed_since(broken[0])
      else:
        found.append(node)
    return found

  def ready(self, left: Sequence[Node], taken: Collection[str]) -> list[Node]:
    """What can start, of what is left and nobody has taken."""
    now = time.monotonic()
    return [
      node
      for node in left
      if node.name not in taken
      and self.done.issuperset(node.parents.values())
      and self._busy.get(node.name, 0.0) <= now
    ]

  def postpone(self, name: str) -> None:
    """Leaves a node that another process has alone for a while."""
    self._busy[name] = time.monotonic() + BUSY_SECONDS

  def pick(
    self, ready: Sequence[Node], workers: int = 1, sharing: int = 1
  ) -> Batch:
    """The next batch: all that needs no training first, then alike runs.

    Args:
      ready: from `ready`; not empty.
      workers: how many there are.
      sharing: how many of them share this machine's devices.
    """
    runs = [node for node in ready if isinstance(node, Run)]
    quick = [node for node in ready if not isinstance(node, Run)]
    if quick and isinstance(quick[0], Connect):
      one = self.nodes[quick[0].parents['one']]
      assert isinstance(one, Run)
      return Batch((quick[0].name,), self.trainers.placement(one))
    if quick:
      some = [node.name for node in quick if not isinstance(node, Connect)]
      each = min(
        -(-len(some) // workers), MOST_QUICK if workers > 1 else len(some)
      )
      return Batch(tuple(some[:each]))
    return self._pick(runs, sharing)

  def _pick(self, ready: Sequence[Run], sharing: int) -> Batch:
    """Runs alike in all that is compiled, and at one step.

    Batches that fill the lanes go first, since what is left over may find
    company when more is ready.
    """
    groups: dict[tuple, list[Run]] = {}
    for node in ready:
      alike = *self._constant(node), self.step(node)
      groups.setdefault(alike, []).append(node)
    lanes = {
      key: self._lanes(group[0], sharing) for key, group in groups.items()
    }
    full = [key for key, group in groups.items() if len(group) >= lanes[key]]
    chosen = (full or list(groups))[0]
    batch = groups[chosen][: lanes[chosen]]
    return Batch(
      tuple(node.name for node in batch),
      self.trainers.placement(batch[0]),
      self._per_ticket(batch[0]),
    )

  def _lanes(self, node: Run, sharing: int) -> int:
    """How many runs a batch has."""
    lanes = max(self.trainers.lanes(node) // self._per_ticket(node), 1)
    return -(-lanes // sharing)

  def _constant(self, node: Run) -> tuple:
    """What alike runs have in common, but for the step where they are."""
    if node.name not in self._alike:
      dense = self._has_more_dense_leaves(node)
      per_ticket = self._find_per_ticket(node)
      kind = self.trainers.kind(node)
      self._alike[node.name] = kind, node.stop, per_ticket, dense
    return self._alike[node.name]

  def _has_more_dense_leaves(self, node: Run) -> bool:
    """Whether a run's masks have another structure than others' have."""
    ticket = self.nodes.get(node.parents.get('ticket', ''))
    return isinstance(ticket, Derive) and ticket.transfer.adds_dense_leaves

  def _per_ticket(self, node: Run) -> int:
    return self._constant(node)[2]

  def _find_per_ticket(self, node: Run) -> int:
    """How many devices share a run.

    As many as suit it beside its replicates, which are ready together: what it
    runs beside, and so what is left after a kill, must not change how it
    rounds.
    """
    lanes, replicates = self.trainers.lanes(node), self.trainers.replicates
    place = node.subject.replicate
    together = min(lanes, replicates - place // lanes * lanes)
    return self.trainers.get(node).devices_per_ticket(together)
