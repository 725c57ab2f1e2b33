import json
import shutil
import sys

import numpy as np
import pytest

from elth_jax import Ticket
from elth_jax.tickets.card import write_card

hub = pytest.importorskip('huggingface_hub')


@pytest.fixture
def ticket(tickets):
  return tickets[1].derive(
    architecture={'name': 'resnet8', 'width': 2},
    provenance={'method': 'imp', 'dataset': 'tiny', 'recipe': {'epochs': 3}},
  )


def same(one, other):
  assert one.architecture == other.architecture
  assert one.provenance == other.provenance
  np.testing.assert_array_equal(
    one.masks['stem']['kernel'], other.masks['stem']['kernel']
  )


def test_a_folder_holds_the_ticket_and_its_card(ticket, tmp_path):
  ticket.save_pretrained(tmp_path / 'a')
  same(Ticket.from_pretrained(tmp_path / 'a'), ticket)
  names = {path.name for path in (tmp_path / 'a').iterdir()}
  assert names == {
    'ticket.safetensors',
    'README.md',
    'sparsity.png',
    'config.json',
  }
  config = json.loads((tmp_path / 'a' / 'config.json').read_text())
  assert config['architecture'] == {'name': 'resnet8', 'width': 2}
  assert config['files'] == {'rewound': 'ticket.safetensors'}
  card = (tmp_path / 'a' / 'README.md').read_text()
  assert '# Ticket of resnet8 at 50.' in card
  assert '| `dataset` | `tiny` |' in card and '{"epochs": 3}' in card
  assert '](sparsity.png)' in card
  code = card.split('```python\n')[1].split('```')[0]
  assert 'ticket.safetensors' in code


def test_a_card_shows_what_a_ticket_says_as_text(ticket, tmp_path):
  hostile = ticket.derive(
    architecture={'name': 'x](http://evil)<script>'},
    provenance={'note`|\n# title': '`</code>\n\n![x](y)|<script>`'},
  )
  write_card(hostile, tmp_path)
  card = (tmp_path / 'README.md').read_text()
  rows = [line for line in card.splitlines() if 'script' in line]
  assert len(rows) == 3  # the title, and two cells
  for row in rows[1:]:
    assert row.count('|') == 3 and row.count('`') == 4
  assert '<' not in rows[0] and '(' not in rows[0]
  assert [line for line in card.splitlines() if line.startswith('# ')] == [
    rows[0]
  ]


def test_rewound_and_trained_stand_side_by_side(ticket, tmp_path):
  trained = ticket.derive(
    provenance={**ticket.provenance, 'dataset': 'mnist', 'test_accuracy': 0.91},
    state='trained',
  )
  ticket.save_pretrained(
    tmp_path, beside=trained, license='apache-2.0', base_model='me/resnet20'
  )
  assert Ticket.from_pretrained(tmp_path).state == 'rewound'
  same(Ticket.from_pretrained(tmp_path, state='trained'), trained)
  card = hub.ModelCard.load(tmp_path / 'README.md')
  assert card.data.license == 'apache-2.0'
  assert card.data.datasets == ['tiny']
  assert card.data.base_model == 'me/resnet20'
  (result,) = card.data.eval_results
  assert (result.metric_value, result.dataset_name) == (0.91, 'MNIST')
  assert 'network trained is\nin `trained.safetensors`' in card.text
  with pytest.raises(ValueError, match='both tickets are rewound'):
    ticket.save_pretrained(tmp_path, beside=ticket)
  ticket.save_pretrained(tmp_path)  # the trained one stays, and on the card
  same(Ticket.from_pretrained(tmp_path, state='trained'), trained)
  files = json.loads((tmp_path / 'config.json').read_text())['files']
  assert files.keys() == {'rewound', 'trained'}
  assert '`trained.safetensors`' in (tmp_path / 'README.md').read_text()
  other = trained.derive(architecture={'name': 'resnet14', 'width': 2})
  with pytest.raises(ValueError, match='beside is of resnet14 and the ticket'):
    ticket.save_pretrained(tmp_path / 'other', beside=other)
  with pytest.raises(ValueError, match=r'ticket\.safetensors is of resnet8'):
    other.save_pretrained(tmp_path)
  assert not (tmp_path / 'other').exists()
  of_another_run = ticket.derive(
    provenance={**ticket.provenance, 'node': 'b', 'parents': {'ticket': 'a'}},
    state='trained',
  )
  mine = ticket.derive(provenance={**ticket.provenance, 'node': 'b'})
  mine.save_pretrained(tmp_path / 'run')
  with pytest.raises(ValueError, match='are of two runs'):
    of_another_run.save_pretrained(tmp_path / 'run')
  with pytest.raises(ValueError, match='beside and the ticket are of two runs'):
    mine.save_pretrained(tmp_path / 'run', beside=of_another_run)
  assert not (tmp_path / 'run' / 'trained.safetensors').exists()
  own = of_another_run.derive(
    provenance={**ticket.provenance, 'node': 'c', 'parents': {'ticket': 'b'}}
  )
  own.save_pretrained(tmp_path / 'run')
  trained.save_pretrained(tmp_path / 'alone')
  assert Ticket.from_pretrained(tmp_path / 'alone').state == 'trained'
  with pytest.raises(FileNotFoundError, match='has no ticket'):
    Ticket.from_pretrained(tmp_path / 'alone', state='rewound')


@pytest.mark.parametrize(
  ('facts', 'message'),
  [
    ({'licence': 'mit'}, "unknown fact 'licence'; did you mean 'license'"),
    ({'datasets': 'mnist'}, r"datasets is 'mnist'; .* \('mnist',\)"),
  ],
)
def test_wrong_facts_are_refused_before_a_file_is_written(
  ticket, tmp_path, facts, message
):
  with pytest.raises(TypeError, match=message):
    ticket.save_pretrained(tmp_path / 'a', **facts)
  assert not (tmp_path / 'a').exists()


def test_what_a_ticket_says_cannot_change_the_metadata(ticket, tmp_path):
  evil = 'x\n---\nlicense: mit'
  ticket.derive(provenance={'dataset': evil}).save_pretrained(tmp_path)
  card = hub.ModelCard.load(tmp_path / 'README.md')
  assert card.data.license is None and card.data.datasets == [evil]


def test_push_and_pull(ticket, tmp_path, monkeypatch):
  class Api:
    def __init__(self, token):
      assert token == 'secret'

    def create_repo(self, name, private, exist_ok):
      assert (name, private, exist_ok) == ('me/ticket', True, True)

    def upload_folder(self, repo_id, folder_path, revision, commit_message):
      shutil.copytree(folder_path, tmp_path / repo_id)
      return hub.CommitInfo(
        commit_url='https://huggingface.co/me/ticket/commit/1',
        commit_message=commit_message,
        commit_description='',
        oid='1',
      )

  def download(name, file, revision):
    assert revision == 'v1'
    return str(tmp_path / name / file)

  monkeypatch.setattr(hub, 'HfApi', Api)
  monkeypatch.setattr(hub, 'hf_hub_download', download)
  url = ticket.push_to_hub('me/ticket', private=True, token='secret')
  assert url == 'https://huggingface.co/me/ticket/commit/1'
  same(Ticket.from_pretrained('me/ticket', revision='v1'), ticket)


@pytest.mark.parametrize(
  'name', ['none', '../up', 'a/../b', '/nowhere', 'a/b/c']
)
def test_what_is_no_repository_is_a_missing_folder(name):
  with pytest.raises(FileNotFoundError, match='no folder'):
    Ticket.from_pretrained(name)


def test_the_extra_is_named(monkeypatch):
  monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
  with pytest.raises(ImportError, match=r"pip install 'elth_jax\[hub\]'"):
    Ticket.from_pretrained('user/ticket')


def test_a_card_of_a_real_ticket_is_json_in_cells(ticket, tmp_path):
  write_card(ticket, tmp_path)
  rows = (tmp_path / 'README.md').read_text().splitlines()
  (row,) = [row for row in rows if row.startswith('| `recipe`')]
  assert json.loads(row.split('`')[3]) == {'epochs': 3}


def test_folders_are_on_this_machine(ticket, tmp_path, monkeypatch):
  monkeypatch.setenv('HOME', str(tmp_path))
  ticket.save_pretrained('~/a')
  assert (tmp_path / 'a' / 'README.md').is_file()
  same(Ticket.from_pretrained('~/a'), ticket)
  for wrong in ('gs://bucket/a', ''):
    with pytest.raises(ValueError, match='folder is'):
      ticket.save_pretrained(wrong)
    with pytest.raises(ValueError, match='name is'):
      Ticket.from_pretrained(wrong)
