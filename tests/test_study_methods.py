"""All methods and analyses in one small study, in one process."""

import csv

import numpy as np
import pytest

from elth_jax import datasets
from elth_jax.methods import METHODS, Pruning, Sparse
from elth_jax.process.signals import StudyStopped
from elth_jax.runner import session
from elth_jax.study.checks import notes_on
from elth_jax.study.config import base_config
from elth_jax.study.graph import build
from elth_jax.study.nodes import Connect, MaskOverlap
from elth_jax.study.spec import Analyses, read_config
from elth_jax.training import loop as loop_lib
from elth_jax.training.recipe import Recipe
from elth_jax.trees import flatten
from elth_jax.workdir.store import Store
from tests.conftest import make_dataset


def config(**values):
  return base_config(
    **{
      'recipe': Recipe(
        batch_size=8,
        epochs=4,
        drop_epochs=(2, 3),
        rewind_step=2,
        flip=False,
        crop_padding=0,
      ),
      'dataset': 'tiny',
      'sources': ('mlp2',),
      'targets': ('mlp3',),
      'width': 9,
      'levels': 2,
      'compare_levels': (2,),
      'replicates': 2,
      'methods': tuple(METHODS),
      'pruning': Pruning(batches=0, synflow_rounds=3),
      'sparse': Sparse(interval=2, dpf_interval=2),
      'analyses': Analyses(
        connectivity=('imp', 'ett', 'rigl'), points=5, overlap=True
      ),
      **values,
    }
  )


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
  monkeypatch.setitem(
    datasets.DATASETS, 'tiny', datasets.DatasetEntry(make_dataset)
  )


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
  with pytest.MonkeyPatch.context() as patch:
    patch.setitem(
      datasets.DATASETS, 'tiny', datasets.DatasetEntry(make_dataset)
    )
    workdir = tmp_path_factory.mktemp('methods')
    assert session.run(config(), workdir)
  return workdir


@pytest.mark.parametrize(
  ('method', 'sparse', 'message'),
  [
    ('gmp', {'stop_fraction': 0.1}, "'gmp' prunes from step 2, .* nothing is"),
    (
      'set',
      {'interval': 2, 'distribution': 'uniform'},
      "'set', level 9: mlp3: cannot keep .* in dense layers",
    ),
  ],
)
def test_masks_that_cannot_change_or_be_drawn_are_refused(
  tmp_path, method, sparse, message
):
  values = {
    'methods': ('imp', method),
    'sparse': Sparse(**sparse),
    'analyses': Analyses(),
    'levels': 9,
    'compare_levels': (9,),
  }
  for dry_run in (True, False):
    with pytest.raises(session.ConfigError, match=message):
      session.run(config(**values, dry_run=dry_run), tmp_path / 'w')
  assert not list(tmp_path.glob('w/runs/*'))


@pytest.mark.parametrize(
  ('method', 'sparse'),
  [('rigl', {'interval': 50}), ('set', {'interval': 4, 'stop_fraction': 0.2})],
)
def test_masks_that_never_change_are_told(method, sparse):
  """They are not refused: earlier versions finished such studies."""
  values = {'methods': ('imp', method), 'analyses': Analyses()}
  spec, _ = read_config(config(**values, sparse=Sparse(**sparse)))
  (note,) = notes_on(spec, build(spec, {'tiny': make_dataset()}))
  assert note.startswith(f"NOTE method '{method}' never changes a mask: from")
  spec, _ = read_config(config(**values))
  assert not list(notes_on(spec, build(spec, {'tiny': make_dataset()})))


@pytest.mark.parametrize('method', ['ett_random_masks', 'ett_matched'])
def test_a_report_of_transferred_tickets_without_ett(tmp_path, method):
  """The plan is drawn, though not all methods' tickets tell theirs."""
  values = {'methods': ('imp', method), 'replicates': 1}
  assert session.run(config(**values, analyses=Analyses()), tmp_path)
  assert list(tmp_path.glob('figures/transformation_mlp2_to_mlp3_append.*'))


def rows_of(workdir):
  with (workdir / 'results.csv').open() as file:
    rows = list(csv.DictReader(file))
  return [row for row in rows if row['target'] == 'mlp3']


def nodes_of(values):
  spec, _ = read_config(values)
  return build(spec, {'tiny': make_dataset()})


def test_every_method_at_its_sparsity(finished):
  rows = [row for row in rows_of(finished) if row['level'] == '2']
  assert {row['method'] for row in rows} == set(METHODS)
  imp = next(row['sparsity'] for row in rows if row['method'] == 'imp')
  for row in rows:
    method = METHODS[row['method']]
    if method.pruned_by == 'leaf':  # layers round up, the head is never pruned
      assert float(row['sparsity']) == pytest.approx(float(imp), abs=0.02)
    elif row['method'] == 'dense_longer':
      assert float(row['sparsity']) == 0
    elif not method.from_source or row['method'] == 'ett_matched':
      assert float(row['sparsity']) == pytest.approx(float(imp), abs=1e-9)


def test_costs(finished):
  found = {}
  for row in rows_of(finished):
    if row['replicate'] == '0':
      found[row['method'], row['level']] = row
  run, search = (
    {key: float(row[f'{kind}_flops']) for key, row in found.items()}
    for kind in ('train', 'search')
  )
  dense = run['dense', '0']
  assert search['dense', '0'] == pytest.approx(dense / 10 * 2, rel=0.05)
  # IMP at level 2: the dense run from step 0, and level 1
  levels = dense + search['dense', '0'] + run['imp', '1']
  assert search['imp', '2'] == pytest.approx(levels)
  assert search['reinit', '2'] == search['imp', '2']
  for name in ('snip', 'magnitude', 'rigl', 'dpf'):  # they only count
    assert search[name, '2'] == search['dense', '0']
  assert search['ett', '2'] < search['imp', '2']  # a smaller source
  assert run['rigl_x5', '2'] == pytest.approx(
    run['rigl', '2'] * (60 - 2) / (12 - 2), rel=0.02
  )
  assert run['imp', '2'] < run['dpf', '2'] < dense
  assert int(found['rigl_x5', '2']['steps']) == 5 * 12 - 2
  for name in ('dense_longer', 'random_longer'):  # as IMP's three trainings
    assert int(found[name, '2']['steps']) == 3 * 12 - 2
    assert search[name, '2'] == search['dense', '0']
  # pruned at once, after one training
  once = dense + search['dense', '0']
  assert search['imp_oneshot', '2'] == pytest.approx(once)
  # from initialisation, so r steps more and no rewind steps
  assert int(found['imp_from_start', '2']['steps']) == 12
  assert search['imp_from_start', '0'] == 0
  # as many levels as IMP, whose tickets are the trained weights
  assert search['imp_lr_rewind', '2'] == pytest.approx(levels, rel=0.05)


def test_learning_rate_rewinding_keeps_what_was_trained(finished):
  nodes, store = nodes_of(config()), Store(finished)
  begun = nodes['mlp3-r0-imp-lr-rewind-level02-ticket']
  ticket = store.ticket(begun)
  trained = store.trained(nodes[begun.parents['trained']])
  assert begun.parents['trained'].endswith('imp-lr-rewind-level01')
  for name, mask in flatten(ticket.masks).items():
    found = flatten(ticket.params)[name]
    wanted = flatten(trained.params)[name]
    kept = np.ones_like(found, bool) if mask is None else mask
    np.testing.assert_array_equal(found, np.where(kept, wanted, 0))
  run = nodes['mlp3-r0-imp-lr-rewind-level02']
  assert run.start == nodes['mlp3-r0-imp-level02'].start


def test_analyses(finished):
  nodes, store = nodes_of(config()), Store(finished)
  paths = [node for node in nodes.values() if isinstance(node, Connect)]
  assert {n.subject.method for n in paths} == {'imp', 'ett', 'rigl'}
  for node in paths:
    result = store.result(node)
    run, twin = (nodes[node.parents[r]] for r in ('one', 'other'))
    assert result['accuracy'][0] == store.result(run)['test_accuracy']
    assert result['accuracy'][-1] == store.result(twin)['test_accuracy']
    assert len(result['accuracy']) == 5
    one, other = (store.trained(n).params for n in (run, twin))
    assert not np.array_equal(one['head']['bias'], other['head']['bias'])
  found = {}
  for node in nodes.values():
    if isinstance(node, MaskOverlap):
      method = node.subject.method
      found.setdefault(method, []).append(store.result(node)['corrected'])
  assert found['reinit'] == pytest.approx([1, 1])  # the same masks
  assert len(found['imp']) == 1 and found['imp'][0] < 1  # of two replicates
  assert not any(METHODS[method].dynamic for method in found)


def test_masks_of_imp_are_compared_across_levels():
  nodes = nodes_of(config(compare_levels=(1, 2)))
  pairs = {
    tuple(
      getattr(nodes[node.parents[role]].subject, what)
      for what in ('level', 'replicate')
      for role in ('imp', 'other')
    )
    for node in nodes.values()
    if isinstance(node, MaskOverlap) and node.subject.method == 'imp'
  }
  between_replicates = {(1, 1, 0, 1), (2, 2, 0, 1)}
  assert pairs == between_replicates | {(1, 2, 0, 0), (1, 2, 1, 1)}


def test_more_replicates_only_add_nodes():
  fewer, more = nodes_of(config()), nodes_of(config(replicates=3))
  assert fewer.keys() < more.keys()
  assert all(more[name].key == node.key for name, node in fewer.items())


def test_the_report_tells_costs_and_draws_analyses(finished):
  page = (finished / 'report.html').read_text()
  for text in (
    'one ticket for all targets costs',
    'RigL-5x',
    'ETT, SNIP masks on replicas',
  ):
    assert text in page
  for name in ('connectivity_mlp3_level02', 'overlap_mlp3', 'units_mlp3'):
    assert (finished / 'figures' / f'{name}.svg').is_file()


def test_twins_are_no_rows(finished):
  rows = rows_of(finished)
  keys = [(r['method'], r['order'], r['level'], r['replicate']) for r in rows]
  assert len(set(keys)) == len(keys)


@pytest.mark.slow
def test_a_stopped_study_continues_to_the_same_bytes(
  finished, tmp_path, monkeypatch
):
  """RigL's and DPF's masks are part of what a checkpoint holds."""
  monkeypatch.setattr(loop_lib, 'SEGMENT_SECONDS', 0.0)  # many segments
  left = iter([False] * 40)
  with pytest.raises(StudyStopped):
    session.run(config(), tmp_path, lambda: next(left, True))
  session.run(config(), tmp_path)
  results = [path / 'results.csv' for path in (finished, tmp_path)]
  assert results[0].read_bytes() == results[1].read_bytes()


def test_analyses_need_their_methods():
  for analyses in (Analyses(connectivity=('ett',)), Analyses(overlap=True)):
    with pytest.raises(ValueError, match=r"analyses: '(ett|imp)' is not among"):
      config(methods=('random',), analyses=analyses)


def test_methods_in_connectivity_must_be_known():
  with pytest.raises(ValueError, match="unknown method 'inp'; did you mean"):
    nodes_of(config(analyses={'connectivity': ('inp',)}, methods=('inp',)))
  with pytest.raises(ValueError, match=r'analyses\.statistics is'):
    Analyses(statistics='none')
  with pytest.raises(ValueError, match=r'analyses\.points is 1'):
    Analyses(points=1)
