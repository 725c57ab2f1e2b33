"""What the Hugging Face hub reads of a card: the YAML at its head."""

import dataclasses
from typing import Any

import yaml

from elth_jax import datasets
from elth_jax.names import unknown
from elth_jax.tickets.value import SparseNetwork

LIBRARY = 'elth_jax'
TAGS = ('lottery-ticket', 'pruning', 'sparsity', 'jax', 'image-classification')


@dataclasses.dataclass(frozen=True)
class CardFacts:
  """What a card says that a ticket does not know.

  Attributes:
    license: as the hub names it, e.g. `apache-2.0`.
    datasets: as the hub names them; by default, the one on the ticket's record.
    base_model: the repository of the ticket that this one was made from.
    command: that made it.

  Raises:
    TypeError: if `datasets` is no sequence of names.
  """

  license: str = ''
  datasets: tuple[str, ...] = ()
  base_model: str = ''
  command: str = ''

  def __post_init__(self):
    if not isinstance(self.datasets, list | tuple):
      raise TypeError(
        f"datasets is {self.datasets!r}; give a tuple of names, e.g. ('mnist',)"
      )

  @classmethod
  def of(cls, **facts: Any) -> 'CardFacts':
    """The facts by name; `TypeError` if one has no such name."""
    known = [field.name for field in dataclasses.fields(cls)]
    for name in facts:
      if name not in known:
        raise TypeError(unknown('fact', name, known))
    return cls(**facts)


def metadata(
  ticket: SparseNetwork,
  title: str,
  facts: CardFacts,
  trained: SparseNetwork | None = None,
) -> str:
  """The YAML, by huggingface_hub's own class where that is installed.

  Args:
    ticket: what the card is of.
    title: of the card.
    facts: what the ticket does not know.
    trained: the network whose test accuracy is told; without huggingface_hub
      none is.
  """
  named = ticket.provenance.get('dataset')
  known: dict[str, Any] = {
    'library_name': LIBRARY,
    'tags': list(TAGS),
    'license': facts.license,
    'datasets': list(facts.datasets) or [str(named)] * bool(named),
    'base_model': facts.base_model,
  }
  known = {name: value for name, value in known.items() if value}
  try:
    from huggingface_hub import EvalResult, ModelCardData
  except ImportError:
    return yaml.safe_dump(known, sort_keys=False).strip()
  about = trained.provenance if trained is not None else {}
  if about.get('test_accuracy') is not None:
    known['model_name'] = title
    known['eval_results'] = [
      EvalResult(
        task_type='image-classification',
        dataset_type=str(about.get('dataset', '')),
        dataset_name=datasets.pretty(str(about.get('dataset', ''))),
        dataset_split='test',
        metric_type='accuracy',
        metric_value=about['test_accuracy'],
      )
    ]
  return ModelCardData(**known).to_yaml().strip()
