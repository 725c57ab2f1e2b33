import dataclasses

import pytest

from elth_jax.study.checks import notes_on
from elth_jax.study.estimate import Pace, describe, duration
from elth_jax.study.graph import build
from elth_jax.study.nodes import Derive, Run, Train
from elth_jax.study.spec import Analyses, StudySpec
from elth_jax.training.recipe import Recipe

SPEC = StudySpec(
  dataset='tiny',
  sources=('resnet14',),
  targets=('resnet8', 'resnet20'),
  recipe=Recipe(batch_size=8, epochs=3, drop_epochs=(2,), rewind_step=2),
  width=2,
  levels=3,
  compare_levels=(2, 3),
  replicates=2,
)


def planned(spec, *data):
  return build(spec, {one.name: one for one in data})


def keys(spec, dataset):
  return {name: node.key for name, node in planned(spec, dataset).items()}


def test_parents_come_first_and_runs_are_what_was_asked_for(dataset):
  nodes = planned(SPEC, dataset)
  seen = set()
  for node in nodes.values():
    assert seen.issuperset(node.parents.values())
    seen.add(node.name)
  runs = [n for n in nodes.values() if isinstance(n, Train)]
  count = {}
  for node in runs:
    identity = node.subject.target, node.subject.method
    count[identity] = count.get(identity, 0) + 1
    assert (node.start, node.stop) == (2, 9)
  assert count == {
    ('resnet14', 'dense'): 2,
    ('resnet14', 'imp'): 4,  # the last level's ticket needs no training
    **{
      (target, method): 2 * runs
      for target in ('resnet8', 'resnet20')
      for method, runs in [
        ('dense', 1),
        ('imp', 3),
        ('ett', 2),
        ('reinit', 2),
        ('random', 2),
        ('magnitude', 2),
      ]
    },
  }


def test_keys_are_of_all_that_determines_a_node(dataset):
  before = keys(SPEC, dataset)
  assert len(set(before.values())) == len(before)
  assert keys(SPEC, dataset) == before
  more = keys(dataclasses.replace(SPEC, replicates=3, levels=4), dataset)
  assert before.items() <= more.items()
  other = keys(dataclasses.replace(SPEC, prune_fraction=0.3), dataset)
  changed = {name for name in before if before[name] != other[name]}
  unchanged = {'rewind', 'dense'}
  assert {name.split('-')[2] for name in before.keys() - changed} == unchanged
  recipe = dataclasses.replace(SPEC.recipe, l2=0.0)
  assert not set(
    keys(dataclasses.replace(SPEC, recipe=recipe), dataset).values()
  ) & set(before.values())


def test_only_stretching_knows_an_order(dataset):
  spec = dataclasses.replace(SPEC, orders=('append', 'interpolate'))
  orders = {
    (n.subject.target, n.subject.order)
    for n in planned(spec, dataset).values()
    if n.subject.method == 'ett'
  }
  assert orders == {
    ('resnet8', 'squeeze'),
    ('resnet20', 'append'),
    ('resnet20', 'interpolate'),
  }


def test_methods_bring_what_they_need_and_no_more(dataset):
  spec = dataclasses.replace(SPEC, methods=('reinit',), compare_levels=(2,))
  names = [
    n.name for n in planned(spec, dataset).values() if isinstance(n, Run)
  ]
  assert 'resnet8-r0-imp-level01' in names
  assert 'resnet8-r0-imp-level02' not in names
  assert not any('resnet14-r0-imp' in name for name in names)


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'targets': ('resnet21',)}, 'resnet21'),
    ({'targets': ('mlp2',)}, 'mlp2 is not of the family of resnet14'),
    (
      {'sources': ('resnet8',), 'targets': ('resnet20',)},
      'resnet8 to resnet20: stage1: no units to replicate',
    ),
    ({'levels': 60}, 'level .* would keep 0 of'),
    ({'recipe': Recipe(batch_size=8, epochs=3)}, 'rewind point 1000'),
    ({'source_width': 9}, 'sources of width 9 and targets of width'),
    ({'source_datasets': ('digits', 'digits')}, 'give distinct values'),
    ({'recipe_on': {'digit': {}}}, "did you mean 'digits'"),
    ({'recipe_on': {'digits': {'epoch': 1}}}, 'recipe_on.digits.epoch'),
    (
      {'sources': ('resnet14',), 'targets': ('resnet14',), 'methods': ('ett',)},
      'ett takes tickets from other networks, and resnet14 is the only source',
    ),
    ({'orders_of': {'random': ('append',)}}, 'random takes no ticket from'),
    ({'orders_of': {'ett': ()}}, 'orders_of.ett is empty'),
    ({'orders_of': {'ett_match': ('append',)}}, "did you mean 'ett_matched'"),
    ({'orders_of': {'ett': ('apend',)}}, 'apend'),
  ],
)
def test_impossible_studies_are_refused_at_once(dataset, change, message):
  with pytest.raises(ValueError, match=message):
    planned(dataclasses.replace(SPEC, **change), dataset)


def test_rules_by_direction(dataset):
  """Rules that squeeze are for shallower targets, others for deeper ones."""
  spec = dataclasses.replace(
    SPEC,
    sources=('resnet14',),
    targets=('resnet8', 'resnet20'),
    orders=('interpolate', 'append best 1 by density', 'keep best by density'),
  )
  found = {
    (node.subject.target, node.subject.order)
    for node in planned(spec, dataset).values()
    if node.subject.method == 'ett'
  }
  assert found == {
    ('resnet20', 'interpolate'),
    ('resnet20', 'append best 1 by density'),
    ('resnet8', 'keep best by density'),
  }
  names = list(planned(spec, dataset))
  assert any('ett-append-best-1-by-density-from-resnet14' in n for n in names)
  only = dataclasses.replace(spec, targets=('resnet20',), orders=('keep 1',))
  with pytest.raises(ValueError, match=r'none of .* leads from resnet14'):
    planned(only, dataset)


def test_a_rule_that_resizes_both_ways_is_for_where_it_leads(dataset):
  rules = ('append x3, keep 1 2 3 4', 'append x2, keep 2', 'squeeze')
  spec = dataclasses.replace(
    SPEC, sources=('resnet20',), targets=('resnet32', 'resnet14'), orders=rules
  )
  found = {
    (node.subject.target, node.subject.order)
    for node in planned(spec, dataset).values()
    if node.subject.order
  }
  assert found == {
    ('resnet32', rules[0]),
    ('resnet32', rules[1]),  # there is nothing to drop
    ('resnet14', rules[1]),
    ('resnet14', 'squeeze'),
  }


def test_rules_that_lead_nowhere_are_told(dataset):
  def told(**change):
    spec = dataclasses.replace(SPEC, sources=('resnet14',), **change)
    return list(notes_on(spec, planned(spec, dataset)))

  assert not told(targets=('resnet8',))  # the default rule is for others
  both = {'targets': ('resnet8', 'resnet20'), 'orders': ('append', 'squeeze')}
  assert not told(**both)
  (note,) = told(**both | {'targets': ('resnet20',)})
  assert note.startswith("NOTE orders: 'squeeze' leads from no source")


def test_a_method_may_take_rules_of_its_own(dataset):
  spec = dataclasses.replace(
    SPEC,
    sources=('resnet14',),
    targets=('resnet20',),
    methods=('ett', 'ett_permuted_replicas'),
    orders=('append', 'interpolate'),
    orders_of={'ett_permuted_replicas': ('interpolate',)},
  )
  found = {
    (node.subject.method, node.subject.order)
    for node in planned(spec, dataset).values()
    if node.subject.order
  }
  assert found == {
    ('ett', 'append'),
    ('ett', 'interpolate'),
    ('ett_permuted_replicas', 'interpolate'),
  }


def test_a_dry_run_lists_nodes_sparsity_and_cost(dataset):
  nodes = planned(SPEC, dataset)
  text = describe(nodes, SPEC, every=True)
  lines = text.splitlines()
  listed = [line for line in lines if line.split()[:1] and '-r' in line]
  assert {line.split()[0] for line in listed} == nodes.keys()
  explained = [line for line in lines if '->' in line and ': 0:0' in line]
  transfers = {
    (node.subject.source, node.subject.target, node.subject.order)
    for node in nodes.values()
    if node.subject.method == 'ett'
  }
  assert len(explained) == len(transfers)
  level2 = next(x for x in lines if x.startswith('resnet8-r0-imp-level02 '))
  assert '36.0' in level2
  spans = [duration(seconds) for seconds in (0, 1, 5, 300, 7200, 864_000)]
  assert spans[:2] == ['1 second', '1 second']
  assert spans[2:] == ['5 seconds', '5 minutes', '2 hours', '10 days']


def test_a_dry_run_says_totals_first_and_no_node(dataset):
  nodes = planned(SPEC, dataset)
  pace = Pace(300.0, 'by 12 steps of resnet8')
  lines = describe(nodes, SPEC, pace).splitlines()
  runs = [node for node in nodes.values() if isinstance(node, Run)]
  assert lines[0].startswith(
    f'{len(nodes)} nodes, {len(runs)} of them training runs, '
  )
  assert lines[1] == (
    'about 5 minutes on this machine (by 12 steps of resnet8)'
  )
  of = dataset.name
  small = [node for node in runs if node.architecture.name == 'resnet8']
  (line,) = [line for line in lines if line.startswith(f'resnet8 on {of} ')]
  assert f' {len(small)} runs ' in line
  assert f' {sum(node.steps for node in small)} steps ' in line
  assert not any('-r0-' in line for line in lines) and len(lines) < 16
  assert 'resnet14 -> resnet20: append' in lines
  assert 'dry_run_nodes' in lines[-1]
  only = dataclasses.replace(SPEC, methods=('ett_matched',))
  lines = describe(planned(only, dataset), only, pace).splitlines()
  assert lines.count('resnet14 -> resnet20: append') == 1


def test_sources_of_another_data_set_are_found_there(dataset):
  other = dataclasses.replace(dataset, name='other')
  spec = dataclasses.replace(
    SPEC,
    sources=('mlp2', 'mlp3'),
    targets=('mlp3',),
    source_datasets=('other',),
  )
  nodes = planned(spec, dataset, other)
  runs = [node for node in nodes.values() if isinstance(node, Run)]
  away = {n.name for n in runs if n.data.dataset == 'other'}
  assert away and all('-on-other-' in name for name in away)
  assert {n.subject.method for n in runs if n.name in away} <= {
    'dense',
    'imp',
  }
  made = [n for n in nodes.values() if isinstance(n, Derive)]
  etts = [n for n in made if n.method == 'ett']
  assert {n.subject.source for n in etts} == {'mlp2', 'mlp3'}
  for node in etts:
    (parent,) = node.parents.values()
    assert '-on-other-' in parent
    assert node.subject.origin == {'source_dataset': 'other'}
  alone = planned(dataclasses.replace(spec, source_datasets=()), dataset)
  kept = [n for n in runs if n.subject.method in ('imp', 'random')]
  kept = [node for node in kept if node.name not in away]
  assert kept and all(alone[n.name].key == n.key for n in kept)


def test_a_dense_network_trained_twice_as_long(dataset):
  before = keys(SPEC, dataset)
  spec = dataclasses.replace(SPEC, analyses=Analyses(doubled=True))
  nodes = planned(spec, dataset)
  assert before.items() <= keys(spec, dataset).items()
  added = [node for name, node in nodes.items() if name not in before]
  assert {node.subject.target for node in added} == {'resnet8', 'resnet20'}
  for node in added:
    assert node.subject.method == 'dense_doubled' and node.subject.level == 0
    assert (node.start, node.stop) == (2, 18)
    assert node.recipe.drop_epochs == (4,)


def test_levels_may_have_orders_of_their_own(dataset):
  shared = planned(SPEC, dataset)
  spec = dataclasses.replace(SPEC, data_order='by_level')
  own = planned(spec, dataset)
  seeds = {own[f'resnet20-r0-imp-level{k:02}'].seed for k in (1, 2, 3)}
  assert len(seeds) == 3
  assert {shared[f'resnet20-r0-imp-level{k:02}'].seed for k in (1, 2)} == {0}
  dense = 'resnet20-r0-dense'
  assert own[dense].key == shared[dense].key


def test_methods_that_train_as_long_as_the_search(dataset):
  spec = dataclasses.replace(SPEC, methods=('random_longer', 'dense_longer'))
  nodes = planned(spec, dataset)
  for level in (2, 3):
    for name in ('random', 'dense'):
      run = nodes[f'resnet20-r0-{name}_longer-level{level:02}']
      assert run.recipe.epochs == 3 * (level + 1)


def test_other_kinds_of_pruning_what_was_trained(dataset):
  spec = dataclasses.replace(
    SPEC, methods=('imp', 'imp_oneshot', 'imp_from_start')
  )
  nodes = planned(spec, dataset)
  assert keys(SPEC, dataset)['resnet20-r0-dense'] == (
    nodes['resnet20-r0-dense'].key
  )
  once = nodes['resnet20-r0-imp-oneshot-level03-ticket']
  assert once.parents['trained'] == 'resnet20-r0-dense'
  assert once.fraction == pytest.approx(1 - 0.8**3, abs=1e-2)
  early = nodes['resnet20-start-r0-imp-from-start-level03']
  assert (early.start, early.stop) == (0, 9)
  assert nodes['resnet20-start-r0-dense'].subject.method == 'imp_from_start'


def test_rules_that_differ_in_punctuation_alone_are_two_tickets(dataset):
  orders = ('0:0;1:1,2;2:3', '0:0;1:1;2:2,3')
  spec = dataclasses.replace(
    SPEC, sources=('resnet20',), targets=('resnet26',), orders=orders
  )
  nodes = planned(dataclasses.replace(spec, methods=('ett',)), dataset)
  runs = [
    node
    for node in nodes.values()
    if isinstance(node, Train) and node.subject.method == 'ett'
  ]
  found = {(node.subject.order, node.subject.level) for node in runs}
  assert found == {(order, level) for order in orders for level in (2, 3)}
  alone = dataclasses.replace(spec, methods=('ett',), orders=orders[:1])
  before = planned(alone, dataset)  # the second rule only adds nodes
  assert before.items() <= nodes.items()


def test_one_shot_pruning_alone_needs_no_imp(dataset):
  spec = dataclasses.replace(SPEC, methods=('imp_oneshot',))
  runs = {
    node.subject.method
    for node in planned(spec, dataset).values()
    if isinstance(node, Train) and node.subject.level
  }
  assert runs == {'imp_oneshot'}
