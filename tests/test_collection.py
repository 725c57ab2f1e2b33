"""The tickets that come with the package, by name, and what they reach."""

import pytest

from elth_jax import datasets
from elth_jax.datasets import DatasetError
from elth_jax.families import Architecture
from elth_jax.tickets.published import COLLECTION, published_tickets
from elth_jax.tickets.ticket import Ticket

hub = pytest.importorskip('huggingface_hub')
NAMES = sorted(published_tickets())


def test_they_are_few_bytes_and_several():
  assert len(NAMES) >= 2
  files = [path for path in COLLECTION.rglob('*') if path.is_file()]
  assert sum(path.stat().st_size for path in files) < 2_000_000


@pytest.mark.parametrize('name', NAMES)
def test_both_states_are_one_network(name):
  states = {
    state: Ticket.from_pretrained(f'elth_jax:{name}', state=state)
    for state in ('rewound', 'trained')
  }
  for state, ticket in states.items():
    assert ticket.state == state
    network = Architecture.from_json(ticket.architecture)
    trees = {'params': ticket.params, 'batch_stats': ticket.batch_stats}
    network.check(trees)
  one, other = states.values()
  assert one.architecture == other.architecture
  assert one.sparsity == other.sparsity > 0.5
  deeper = one.architecture['name'].replace('20', '32').replace('mlp', 'mlp1')
  assert one.transform(deeper).sparsity > 0.5
  card = (COLLECTION / name / 'README.md').read_text()
  assert 'Made by `python -m elth_jax.main --config=configs/coll' in card


@pytest.mark.parametrize('name', NAMES)
def test_they_reach_the_accuracy_on_their_cards(name):
  (result,) = hub.ModelCard.load(
    COLLECTION / name / 'README.md'
  ).data.eval_results
  try:
    data = datasets.load(result.dataset_type)
  except DatasetError as error:
    pytest.skip(str(error))
  trained = Ticket.from_pretrained(f'elth_jax:{name}', state='trained')
  found = trained.evaluate(data.test_images, data.test_labels)
  # other machines round otherwise, which may tip single images
  slack = 2 / len(data.test_labels)
  assert found == pytest.approx(result.metric_value, abs=slack)


def test_unknown_names():
  with pytest.raises(
    ValueError, match="unknown state 'train'; did you mean 'trained'"
  ):
    Ticket.from_pretrained('elth_jax:resnet20-digits', state='train')
  with pytest.raises(FileNotFoundError, match='unknown published ticket'):
    Ticket.from_pretrained('elth_jax:resnet2-digits')
