"""A study as a value, and its networks in use."""

import dataclasses
import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import elth_jax
from elth_jax import datasets, families
from elth_jax.cli import publish
from elth_jax.families import architecture
from elth_jax.masks import counts
from elth_jax.methods.lottery import dense_ticket, next_level
from elth_jax.process import devices
from elth_jax.study.config import base_config
from elth_jax.tickets.ticket import Ticket
from elth_jax.training.recipe import Recipe
from tests.conftest import SHORT, make_dataset


@pytest.fixture(scope='module')
def study(tmp_path_factory):
  with pytest.MonkeyPatch.context() as patch:
    entry = datasets.DatasetEntry(make_dataset)
    patch.setitem(datasets.DATASETS, 'tiny', entry)
    config = base_config(
      recipe=SHORT,
      dataset='tiny',
      sources=('mlp2',),
      targets=('mlp2', 'mlp3'),
      methods=('imp', 'ett', 'rigl'),
      width=6,
      levels=1,
      compare_levels=(1,),
      prune_fraction=0.5,
      replicates=1,
    )
    yield elth_jax.run(config, tmp_path_factory.mktemp('study'))


def test_a_study_holds_what_it_found(study):
  assert study and study.failed == {}
  assert re.fullmatch(r'Study\(.*: 7 trained networks\)', repr(study))
  assert '<pre>' in study._repr_html_() and 'MLP-3' in study._repr_html_()
  opened = elth_jax.Study.open(study.root)
  assert opened.results == study.results and opened
  assert {row['node'] for row in study.results} == set(study.runs)
  kinds = {name: type(value) for name, value in study.results[0].items()}
  whole = ('level', 'replicate', 'steps', 'width', 'seed')
  assert {kinds[name] for name in whole} == {int}
  assert kinds['test_loss'] is float


def test_every_run_has_its_ticket_and_its_trained_network(study):
  data = make_dataset()
  for row in study.results:
    ticket, trained = (
      get(row['node']) for get in (study.ticket, study.trained)
    )
    assert (ticket.state, trained.state) == ('rewound', 'trained')
    found = trained.evaluate(data.test_images, data.test_labels)
    assert found == pytest.approx(row['test_accuracy'])
    assert trained.provenance['test_accuracy'] == pytest.approx(found)
    assert trained.sparsity == pytest.approx(row['sparsity'])
    if row['method'] != 'rigl':
      assert counts(trained.masks) == counts(ticket.masks)


def test_results_are_those_of_now(study, tmp_path):
  (tmp_path / 'config.json').write_bytes(
    (study.root / 'config.json').read_bytes()
  )
  going_on = elth_jax.Study.open(tmp_path)
  with pytest.raises(FileNotFoundError, match='run the study first'):
    _ = going_on.results
  content = (study.root / 'results.csv').read_bytes()
  (tmp_path / 'results.csv').write_bytes(content)
  assert going_on.results == study.results


def test_a_run_is_published_with_the_command_that_made_it(
  study, tmp_path, capsys
):
  run = 'mlp3-r0-ett-append-from-mlp2-level01'
  assert publish.main([str(study.root), run, str(tmp_path / 'mine')]) == 0
  for state in ('rewound', 'trained'):
    found = Ticket.from_pretrained(tmp_path / 'mine', state=state)
    assert found.state == state
  card = (tmp_path / 'mine' / 'README.md').read_text()
  assert 'license: apache-2.0' in card
  for wrong, message in (
    ([str(study.root), 'mlp9', 'x'], "elth_jax: unknown ticket 'mlp9'"),
    ([str(tmp_path), run, 'x'], 'holds no study'),
  ):
    assert publish.main(wrong) == 1
    assert message in capsys.readouterr().err
  assert not (tmp_path / 'x').exists()


def test_a_script_is_told_of_other_devices(monkeypatch):
  assert devices.unlike_the_command() == ''
  monkeypatch.setattr(devices, 'suitable_cpu_devices', lambda: 7)
  assert '2 CPU device(s); the command line would use 7' in (
    devices.unlike_the_command()
  )
  monkeypatch.setenv('JAX_NUM_CPU_DEVICES', '2')
  assert devices.unlike_the_command() == ''


def test_names_that_are_not_there(study):
  with pytest.raises(KeyError, match="did you mean 'mlp3-r0-dense'"):
    study.trained('mlp3-r0-dens')
  with pytest.raises(KeyError, match='unknown ticket'):
    study.ticket('mlp9')
  with pytest.raises(FileNotFoundError, match='holds no study'):
    elth_jax.Study.open(study.root / 'runs')


def test_short_texts_for_people(study):
  ticket = study.ticket('mlp3-r0-ett-append-from-mlp2-level01')
  assert repr(ticket) == (
    'Ticket(mlp3, tiny, 46.77% sparse, level 1, rewound at step 1)'
  )
  trained = study.trained('mlp3-r0-ett-append-from-mlp2-level01')
  assert re.fullmatch(
    r'Ticket\(mlp3, tiny, 46\.77% sparse, level 1, trained, '
    r'test accuracy \d\d?\d?\.\d\d%\)',
    repr(trained),
  )
  shown = trained._repr_html_()
  assert 'stage1' in shown and 'elsewhere' in shown and '53.23%' in shown
  plan = elth_jax.Plan.parse('0:0;1:1,2')
  assert repr(plan) == 'Plan(stage1: 0 1 1)'
  assert '<i>1</i>' in plan._repr_html_()


def test_images_are_normalised_by_the_record(study):
  data = make_dataset()
  trained = study.trained('mlp3-r0-dense')
  bytes_, floats = data.test_images, data.normalize(data.test_images)
  np.testing.assert_allclose(
    trained.apply(bytes_), trained.apply(floats), rtol=1e-6
  )
  assert trained.apply(bytes_).shape == (9, 3)
  assert trained.apply(bytes_).dtype == jnp.float32
  rough = trained.apply(floats.astype(jnp.bfloat16))
  np.testing.assert_allclose(rough, trained.apply(floats), rtol=0.1, atol=0.1)
  with pytest.raises(
    ValueError, match=r'the network takes \(images, 4, 4, 1\)'
  ):
    trained.apply(bytes_[0])
  with pytest.raises(ValueError, match='images are int64; give uint8'):
    trained.apply(bytes_.astype(np.int64))
  for labels, message in (
    (data.test_labels[:4], r'labels are of shape \(4,\), for 9 images'),
    (data.test_labels + 1, 'labels run from 1 to 3, for 3 classes'),
    (data.test_labels - 1, 'labels run from -1 to'),
    (np.full(9, np.nan), 'labels are float64; give whole numbers'),
  ):
    with pytest.raises(ValueError, match=message):
      trained.evaluate(bytes_, labels)
  with pytest.raises(ValueError, match='no images'):
    trained.evaluate(bytes_[:0], labels[:0])
  net = architecture('mlp2', (4, 4, 1), 3, 6)
  plain = dense_ticket(net, **net.init(0))
  with pytest.raises(ValueError, match='no normalisation is on record'):
    plain.apply(bytes_)


def test_pixels_that_were_not_normalised_are_noticed(study):
  data, trained = make_dataset(), study.trained('mlp3-r0-dense')
  pixels = data.test_images.astype(np.float32)
  for images in (pixels, pixels / 255, jnp.asarray(pixels)):
    with pytest.warns(UserWarning, match='taken as normalised.*as uint8'):
      trained.apply(images)
    with pytest.warns(UserWarning, match='taken as normalised'):
      trained.evaluate(images, data.test_labels)
  jax.jit(trained.apply)(pixels)  # nothing is known of them
  trained.apply(data.normalize(data.test_images))
  plain = trained.derive(provenance={})  # of images that nobody knows
  plain.apply(pixels)


def test_a_ticket_is_trained_from_the_step_of_its_weights():
  data = make_dataset()
  net = architecture('mlp2', (4, 4, 1), 3, 12)
  dense = dense_ticket(net, **net.init(0))
  late = dense.derive(provenance={'dataset': 'tiny', 'rewind_step': 2})
  with pytest.raises(
    ValueError, match=r'of step 2, .* from step 1; give .*rewind_step=2'
  ):
    elth_jax.train(late, data, SHORT)
  fitting = dataclasses.replace(SHORT, rewind_step=2)
  trained = elth_jax.train(late, data, fitting)
  assert trained.provenance['start'] == 2
  elsewhere = late.derive(provenance={'dataset': 'big', 'rewind_step': 2})
  for other in (trained, elsewhere):
    assert elth_jax.train(other, data, SHORT).provenance['start'] == 1


def test_weights_that_are_no_numbers_are_no_matter_of_the_learning_rate():
  net = architecture('mlp2', (4, 4, 1), 3, 12)
  fresh = net.init(0)
  fresh['params']['head']['bias'][1] = np.nan
  ticket = dense_ticket(net, **fresh)
  with pytest.raises(ValueError, match='params/head/bias of the ticket holds'):
    elth_jax.train(ticket, make_dataset(), SHORT)


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'ticket': make_dataset()}, 'ticket is a Dataset; give a Ticket, as in'),
    ({'ticket': 'a.safetensors'}, "ticket is 'a.safetensors'; give a Ticket"),
    ({'dataset': SHORT}, 'dataset is a Recipe; give a Dataset'),
    ({'recipe': {'epochs': 2}}, 'recipe is a dict; give a Recipe'),
  ],
)
def test_arguments_in_another_order(tickets, change, message):
  given = {'ticket': tickets[0], 'dataset': 'digits', 'recipe': SHORT}
  with pytest.raises(TypeError, match=message):
    elth_jax.train(**given | change)


def test_training_one_ticket():
  data = make_dataset()
  net = architecture('mlp2', (4, 4, 1), 3, 12)
  dense = dense_ticket(net, **net.init(0))
  ticket = next_level(dense, dense, dense.params, 0.5)
  trained = elth_jax.train(ticket, data, SHORT)
  assert trained.state == 'trained' and ticket.state == 'rewound'
  assert counts(trained.masks) == counts(ticket.masks)
  found = trained.evaluate(data.test_images, data.test_labels)
  assert found == pytest.approx(trained.provenance['test_accuracy'])
  again = elth_jax.train(ticket, data, SHORT)
  assert again.provenance == trained.provenance
  with pytest.raises(ValueError, match='tiny has images of'):
    elth_jax.train(ticket, make_dataset(size=5), SHORT)
  wild = Recipe(**{**SHORT.__dict__, 'learning_rate': 1e30})
  with pytest.raises(FloatingPointError, match='diverged at step'):
    elth_jax.train(ticket, data, wild)


class WithoutValid(nn.Module):
  """Called as (images, train), so that `valid` is taken for `train`."""

  @nn.compact
  def __call__(self, images, train=False):
    x = images.reshape(images.shape[0], -1)
    x = nn.Dense(4, name='block_0')(x)
    return nn.Dense(3, name='head')(x)


def test_a_module_that_cannot_be_trained_is_refused(monkeypatch):
  family = families.Family(
    name='without_valid',
    width=4,
    depths=lambda number: {'block': number},
    module=lambda net, backend: WithoutValid(),
    layout=elth_jax.Layout(units=r'block_(\d+)', fixed=0),
  )
  monkeypatch.setitem(families.FAMILIES, family.name, family)
  net = architecture('without_valid1', (4, 4, 1), 3)
  ticket = dense_ticket(net, **net.init(0))
  with pytest.raises(ValueError, match=r"family 'without_valid'.*valid, train"):
    elth_jax.train(ticket, make_dataset(), SHORT)


def test_a_config_is_no_name(tmp_path):
  with pytest.raises(ValueError, match=r"config is 'digits'.*load_shipped"):
    elth_jax.run('digits', tmp_path / 'study')
