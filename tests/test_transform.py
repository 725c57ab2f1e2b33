"""Tickets to other networks: every pair of every family, widths, sparsities."""

import dataclasses
import itertools

import jax
import numpy as np
import pytest

from elth_jax.elastic.plan import Plan
from elth_jax.elastic.sparsity import predict
from elth_jax.elastic.width import narrow_tree, widen_tree
from elth_jax.families import Architecture, architecture, plan_between
from elth_jax.masks import counts
from elth_jax.methods.lottery import dense_ticket, with_masks
from elth_jax.nn import conv_backends
from elth_jax.tickets import transform, widths
from elth_jax.tickets.explanation import explain
from elth_jax.trees import flatten, map_named, unflatten

LADDERS = {
  'resnet': ('resnet14', 'resnet20', 'resnet32', 'resnet44', 'resnet56'),
  'imagenet_resnet': (
    'imagenet_resnet18',
    'imagenet_resnet26',
    'imagenet_resnet34',
  ),
  'bottleneck_resnet': ('bottleneck_resnet50', 'bottleneck_resnet101'),
  'oneticket_resnet': ('oneticket_resnet50', 'oneticket_resnet101'),
  'vgg': ('vgg13', 'vgg16', 'vgg19'),
  'vgg-k': ('vgg13-2', 'vgg13-3', 'vgg13-5'),
  'oneticket_vgg': ('oneticket_vgg16', 'oneticket_vgg19'),
  'mobilenet': ('mobilenet20', 'mobilenet24', 'mobilenet28'),
  'mlp': ('mlp2', 'mlp3', 'mlp4'),
}


def make_network(name: str) -> Architecture:
  return architecture(name, (8, 8, 3), 3, 6 if name.startswith('mlp') else 4)


def sparse_ticket(network, seed=0):
  """Random masks, another density for each leaf, and settled statistics."""
  fresh = network.init(seed)
  draw = np.random.default_rng(seed)
  stats = jax.tree.map(
    lambda s: (s + 0.2 * draw.random(s.shape)).astype(np.float32),
    fresh['batch_stats'],
  )
  more = {'scale': 1, 'bias': 0.3}  # so that few units are dead
  params = map_named(
    lambda name, p: p + np.float32(more.get(name.rpartition('/')[2], 0)),
    fresh['params'],
  )
  dense = dense_ticket(network, params, stats)
  masks = map_named(
    lambda _, m: (
      None if m is None else draw.random(m.shape) < draw.uniform(0.5, 1)
    ),
    dense.masks,
  )
  return with_masks(dense, masks)


def logits(ticket, images):
  """Logits as a share of the largest; they depend on the image."""
  network = Architecture.from_json(ticket.architecture)
  variables = {'params': ticket.params, 'batch_stats': ticket.batch_stats}
  found = np.asarray(
    network.module(conv_backends.NHWC).apply(variables, images)
  )
  assert np.ptp(found, axis=0).max() > 1e-4 * np.abs(found).max()
  return found / np.abs(found).max()


@pytest.fixture(scope='module')
def images():
  return np.random.default_rng(0).normal(size=(3, 8, 8, 3)).astype(np.float32)


@pytest.mark.parametrize('family', LADDERS)
def test_every_ordered_pair(family, images):
  """Exactly the target's leaves, masks included; it runs; predicted right."""
  tickets = {
    name: sparse_ticket(make_network(name)) for name in LADDERS[family]
  }
  for source, target in itertools.permutations(LADDERS[family], 2):
    wanted = make_network(target)
    plan = transform.plan_for(tickets[source], target)
    new = tickets[source].transform(target)
    fresh = dense_ticket(wanted, **wanted.init(0))
    for found, expected in (
      (new.params, fresh.params),
      (new.batch_stats, fresh.batch_stats),
      (new.masks, fresh.masks),
    ):
      same = jax.tree.map(
        lambda f, e: (f.shape, f.dtype) == (e.shape, e.dtype), found, expected
      )
      assert all(jax.tree.leaves(same))
    assert np.isfinite(logits(new, images)).all()
    layout = wanted.family.layout
    forecast = predict(tickets[source].masks, plan, layout)
    assert (forecast.overall.kept, forecast.overall.total) == counts(new.masks)
    assert forecast.overall.sparsity == pytest.approx(new.sparsity)
    dataclasses.replace(new)  # weights outside masks are zero


def test_nothing_is_copied():
  ticket = sparse_ticket(make_network('imagenet_resnet34'))
  mine = {id(leaf) for leaf in jax.tree.leaves((ticket.params, ticket.masks))}
  new = ticket.transform('imagenet_resnet18')
  assert mine >= {id(leaf) for leaf in jax.tree.leaves((new.params, new.masks))}


def test_pairs_without_a_plan():
  one, other = make_network('vgg13'), make_network('vgg13-2')
  for source, target in ((one, other), (other, one)):
    with pytest.raises(ValueError, match='only one of them has stage6'):
      plan_between(source, target)
  with pytest.raises(ValueError, match='no units to replicate'):
    plan_between(make_network('mlp1'), make_network('mlp2'))


def test_stages_may_follow_different_rules():
  source, target = make_network('vgg13-5'), make_network('vgg19-3')
  with pytest.raises(ValueError, match='stage6: cannot stretch 4 units to 2'):
    plan_between(source, target)
  plan = plan_between(
    source, target, 'append|append' + '|append' * 3 + '|squeeze'
  )
  assert plan.depths == target.depths


def test_published_mlp_tables_may_name_the_narrow_layer():
  source, target = make_network('mlp2'), make_network('mlp3')
  complete = plan_between(source, target, '0:0;1:1,2;2:3')
  assert complete == Plan({'stage1': (0, 1, 1)})
  assert complete == plan_between(source, target, '0:0;1:1,2')
  with pytest.raises(ValueError, match='makes depths'):
    plan_between(source, target, '0:0;1:1,2,3')


def test_rules_choose_units_by_score():
  ticket = sparse_ticket(make_network('resnet20'))
  scores = transform.unit_scores(ticket)
  new = ticket.transform('resnet14', order='keep best by density')
  for stage, density in scores['density'].items():
    best = 1 if density[1] >= density[2] else 2
    kept = new.params[stage]['block1']['conv1']['kernel']
    source = ticket.params[stage][f'block{best}']['conv1']['kernel']
    assert kept is source
  deep = ticket.transform('resnet32', order='append best 1 by magnitude')
  assert set(deep.provenance['plan']) <= set('0123456789:;,|')


def doubled_by_hand(name, mask, wanted):
  """Sparsity does not change where both axes double or neither does."""
  del name
  return np.mean(mask) == pytest.approx(np.mean(wanted))


@pytest.mark.parametrize(
  'name',
  [
    'resnet20',
    'vgg13-3',
    'mobilenet20',
    'mlp3',
    pytest.param('bottleneck_resnet50', marks=pytest.mark.slow),
  ],
)
def test_twice_the_width_computes_the_same(name, images):
  ticket = sparse_ticket(make_network(name))
  wide = widths.widen(ticket)
  expected, found = logits(ticket, images), logits(wide, images)
  np.testing.assert_allclose(found, expected, atol=2e-5)
  assert wide.architecture['width'] == 2 * ticket.architecture['width']
  for leaf, mask in flatten(wide.masks).items():
    assert mask is None or doubled_by_hand(
      leaf, flatten(ticket.masks)[leaf], mask
    )
  back = widths.narrow(wide)
  jax.tree.map(np.testing.assert_array_equal, back.params, ticket.params)
  jax.tree.map(np.testing.assert_array_equal, back.masks, ticket.masks)


def test_width_and_depth_commute():
  ticket = sparse_ticket(make_network('resnet20'))
  one = widths.widen(ticket).transform('resnet32')
  other = widths.widen(ticket.transform('resnet32'))
  jax.tree.map(np.testing.assert_array_equal, one.params, other.params)
  jax.tree.map(np.testing.assert_array_equal, one.masks, other.masks)


def test_variants_of_doubling():
  ticket = sparse_ticket(make_network('resnet20'))
  plain = widths.widen(ticket)
  noisy = widths.widen(ticket, 'gaussian', seed=1)
  mixed = widths.widen(ticket, 'permute', seed=1)
  leaf = 'stage1/block1/conv1/kernel'
  weights = [flatten(t.params)[leaf] for t in (plain, noisy, mixed)]
  masks = [flatten(t.masks)[leaf] for t in (plain, noisy, mixed)]
  np.testing.assert_array_equal(masks[0], masks[1])
  assert not np.array_equal(weights[0], weights[1])
  noise = (weights[1] - weights[0])[masks[0]].std()
  assert noise == pytest.approx(0.1 * weights[0][masks[0]].std(), rel=0.4)
  assert not np.array_equal(masks[0], masks[2])
  np.testing.assert_array_equal(
    np.sort(weights[0], None), np.sort(weights[2], None)
  )
  assert plain.sparsity == noisy.sparsity == mixed.sparsity
  with pytest.raises(ValueError, match="variant is 'split'"):
    widths.widen(ticket, 'split')
  odd = dense_ticket(
    *(lambda net: (net, *net.init(0).values()))(
      architecture('mlp2', (4, 4, 1), 3, 5)
    )
  )
  with pytest.raises(ValueError, match='width 5 cannot be halved'):
    widths.narrow(odd)


@pytest.mark.parametrize('name', ['resnet20', 'vgg13-3', 'mlp3'])
def test_twice_the_width_in_unequal_parts(name, images):
  ticket = sparse_ticket(make_network(name))
  wide = widths.with_width(ticket, 'widen uneven', 7)
  np.testing.assert_allclose(
    logits(wide, images), logits(ticket, images), atol=2e-5
  )
  plain = widths.widen(ticket)
  jax.tree.map(np.testing.assert_array_equal, wide.masks, plain.masks)
  for leaf, mask in flatten(wide.masks).items():
    if mask is not None:  # what is kept is no zero, and what is pruned is one
      kept = flatten(plain.params)[leaf] != 0
      np.testing.assert_array_equal(flatten(wide.params)[leaf] != 0, kept)
  same, other = (widths.widen(ticket, 'uneven', seed) for seed in (7, 8))
  leaf = 'head/kernel'
  values = [flatten(t.params)[leaf] for t in (wide, same, other, plain)]
  np.testing.assert_array_equal(values[0], values[1])
  assert not np.allclose(values[0], values[2], rtol=0.01)
  assert not np.allclose(values[0], values[3], rtol=0.01)


def test_halving_what_was_divided_unevenly():
  """The first twin doubled is another network; both merged are the source."""
  ticket = sparse_ticket(make_network('resnet20'))
  wide = widths.widen(ticket, 'uneven')
  for tree in (wide, widths.widen(ticket)):
    back = widths.narrow(tree, merge=True)
    jax.tree.map(np.testing.assert_array_equal, back.params, ticket.params)
    jax.tree.map(np.testing.assert_array_equal, back.masks, ticket.masks)
    jax.tree.map(
      np.testing.assert_array_equal, back.batch_stats, ticket.batch_stats
    )
  first = widths.narrow(wide)
  jax.tree.map(np.testing.assert_array_equal, first.masks, ticket.masks)
  leaf = 'stage2/block1/conv1/kernel'
  kept = flatten(ticket.masks)[leaf]
  ratio = flatten(first.params)[leaf][kept] / flatten(ticket.params)[leaf][kept]
  assert ((ratio > 0.19) & (ratio < 1.81)).all()
  assert ratio.min() < 0.8 and ratio.max() > 1.2


def test_halving_a_trained_width_keeps_first_channels_or_merges_pairs():
  ticket = sparse_ticket(architecture('mlp2', (4, 4, 1), 3, 6))
  first, merged = widths.narrow(ticket), widths.narrow(ticket, merge=True)
  leaf = 'stage1/block1/fc/kernel'
  wide, mask = flatten(ticket.params)[leaf], flatten(ticket.masks)[leaf]
  np.testing.assert_array_equal(flatten(first.params)[leaf], 2 * wide[::2, ::2])
  np.testing.assert_array_equal(flatten(first.masks)[leaf], mask[::2, ::2])
  np.testing.assert_array_equal(
    flatten(merged.params)[leaf], wide[::2, ::2] + wide[1::2, ::2]
  )
  np.testing.assert_array_equal(
    flatten(merged.masks)[leaf], mask[::2, ::2] | mask[1::2, ::2]
  )


@pytest.mark.parametrize('family', LADDERS)
@pytest.mark.parametrize('shape', [(8, 8, 3), (8, 8, 1)])
def test_trees_of_own_families_are_widened_without_vouching(family, shape):
  width = 6 if family == 'mlp' else 4
  net = architecture(LADDERS[family][0], shape, 3, width)
  wide = dataclasses.replace(net, width=2 * width).shapes()
  params = net.init(0)['params']
  new = widen_tree(params, wide['params'])
  back = narrow_tree(new, net.shapes()['params'])
  jax.tree.map(np.testing.assert_array_equal, back, params)


@pytest.mark.parametrize('scale', [-0.1, np.nan, np.inf])
@pytest.mark.parametrize('variant', ['replicate', 'gaussian'])
def test_noise_out_of_range_is_refused(scale, variant):
  ticket = sparse_ticket(make_network('mlp2'))
  with pytest.raises(ValueError, match=f'scale is {scale}'):
    widths.widen(ticket, variant, scale=scale)


def test_widths_that_contradict_themselves():
  ticket = sparse_ticket(make_network('mlp2'))
  with pytest.raises(ValueError, match='halve=False and uneven'):
    widths.widen(ticket, 'uneven', halve=False)
  with pytest.raises(ValueError, match='double=False and merge'):
    widths.narrow(ticket, double=False, merge=True)


@pytest.mark.parametrize('name', ['resnet', 'bottleneck_resnet'])
def test_identity_preserving_stretch(name, images):
  source, target = LADDERS[name][:2]
  ticket = sparse_ticket(make_network(source))
  plan = transform.plan_for(ticket, target)
  deep = transform.zero_init_replicas(ticket.transform(target), plan)
  expected, found = logits(ticket, images), logits(deep, images)
  np.testing.assert_allclose(found, expected, atol=1e-5)
  plain = logits(ticket.transform(target), images)
  assert not np.allclose(plain, expected, atol=1e-3)


def test_units_without_a_branch_cannot_pass_on():
  ticket = sparse_ticket(make_network('mlp2'))
  plan = transform.plan_for(ticket, 'mlp3')
  with pytest.raises(ValueError, match='mlp: units have no branch'):
    transform.zero_init_replicas(ticket.transform('mlp3'), plan)


@pytest.mark.parametrize('scope', ['global', 'stage'])
@pytest.mark.parametrize('wanted', [0.25, 0.5, 0.9])
@pytest.mark.parametrize('grow', ['magnitude', 'random'])
def test_sparsity_is_matched_exactly(scope, wanted, grow):
  network = make_network('resnet20')
  fresh = network.init(0)
  dense = dense_ticket(network, fresh['params'], fresh['batch_stats'])
  ticket = with_masks(dense, sparse_ticket(network).masks)
  new = transform.match_sparsity(ticket, wanted, dense, scope, grow)
  kept, total = counts(new.masks)
  if scope == 'global':
    assert kept == round((1 - wanted) * total)
  else:
    forecast = predict(new.masks)
    for part in (*forecast.stages.values(), forecast.elsewhere):
      assert part.kept == round((1 - wanted) * part.total)
  for name, mask in flatten(new.masks).items():
    if mask is not None:
      values, own = flatten(new.params)[name], flatten(dense.params)[name]
      np.testing.assert_array_equal(values, own * mask)
  if scope == 'global':  # as few changes as possible: only in one direction
    was, now = flatten(ticket.masks), flatten(new.masks)
    lost = [(was[n] & ~now[n]).any() for n in was if was[n] is not None]
    gained = [(now[n] & ~was[n]).any() for n in was if was[n] is not None]
    assert not (any(lost) and any(gained))


def test_growing_needs_dense_weights():
  ticket = sparse_ticket(make_network('resnet20'))
  with pytest.raises(ValueError, match='must grow again'):
    transform.match_sparsity(ticket, 0.0)
  with pytest.raises(ValueError, match=r'sparsity is 1\.5'):
    transform.match_sparsity(ticket, 1.5)
  with pytest.raises(ValueError, match='sparsity is nan'):
    transform.match_sparsity(ticket, np.nan)


@pytest.mark.parametrize(
  'use',
  [
    lambda t, own: transform.match_sparsity(t, 0.1, own),
    transform.masks_only,
    transform.signs_only,
  ],
)
def test_weights_taken_as_dense_are_the_same_networks_and_dense(use):
  network = make_network('resnet14')
  ticket = sparse_ticket(network)
  with pytest.raises(ValueError, match=r'given as dense are 15\.8% sparse'):
    use(ticket, ticket)
  other = make_network('resnet20')
  with pytest.raises(ValueError, match=r'resnet20.* for a ticket of'):
    use(ticket, dense_ticket(other, **other.init(0)))


def test_sparsity_is_matched_beside_weights_that_are_infinite():
  """A pruned weight is 0, whatever it was."""
  network = make_network('mlp2')
  dense = dense_ticket(network, **network.init(0))
  leaf = 'stage1/block1/fc/kernel'
  kernel = flatten(dense.params)[leaf]
  broken = {**flatten(dense.params), leaf: np.full_like(kernel, -np.inf)}
  ticket = dataclasses.replace(dense, params=unflatten(broken))

  # the infinite weights are the last to go, and 22 of 36 must
  new = transform.match_sparsity(ticket, 1 - 20 / counts(ticket.masks)[1])
  assert flatten(new.masks)[leaf].sum() == 14
  for name, mask in flatten(new.masks).items():
    if mask is not None:
      pruned = flatten(new.params)[name][~mask]
      assert not pruned.any()  # a NaN is true


def test_parts_of_a_ticket():
  network = make_network('resnet14')
  ticket = sparse_ticket(network)
  own = dense_ticket(network, **network.init(7))
  leaf = 'stage1/block0/conv1/kernel'
  mask = flatten(ticket.masks)[leaf]
  theirs, mine = (flatten(t.params)[leaf] for t in (ticket, own))
  only_masks = flatten(transform.masks_only(ticket, own).params)[leaf]
  np.testing.assert_array_equal(only_masks, mine * mask)
  assert transform.weights_only(ticket).sparsity == 0
  signs = flatten(transform.signs_only(ticket, own).params)[leaf]
  np.testing.assert_array_equal(np.abs(signs), np.abs(mine) * mask)
  np.testing.assert_array_equal(np.sign(signs), np.sign(theirs) * mask)


def test_tickets_for_other_images_and_widths():
  def dense(name, shape, width):
    net = architecture(name, shape, 10, width)
    fresh = net.init(0)
    return dense_ticket(net, fresh['params'], fresh['batch_stats'])

  small = dense('resnet8', (8, 8, 3), 2)
  large = transform.with_images(small, (32, 32, 3))
  assert large.architecture['input_shape'] == [32, 32, 3]
  again = transform.with_images(large, (8, 8, 3))
  assert again.architecture == small.architecture
  flat = dense('mlp2', (8, 8, 1), 4)
  with pytest.raises(ValueError, match='mlp2 for images of'):
    transform.with_images(flat, (9, 9, 1))
  wide = widths.with_width(small, 'widen replicate')
  assert wide.architecture['width'] == 4
  back = widths.with_width(wide, 'narrow')
  np.testing.assert_array_equal(
    back.params['stem']['kernel'], small.params['stem']['kernel']
  )
  with pytest.raises(ValueError, match="did you mean 'widen gaussian'"):
    widths.with_width(small, 'widen gauss')


def test_a_ticket_says_by_which_plan_it_was_made():
  network = make_network('mlp2')
  ticket = dense_ticket(network, **network.init(0))
  plan = Plan({'stage1': (0, 1, 1)})
  assert transform.plan_of(ticket.transform('mlp3', plan=plan)) == plan
  with pytest.raises(ValueError, match='was not transformed'):
    transform.plan_of(ticket)


@pytest.mark.parametrize(
  'change',
  [
    lambda t, own: t.transform('resnet20'),
    lambda t, own: transform.with_classes(t, 5, 0),
    lambda t, own: transform.with_images(t, (16, 16, 3)),
    lambda t, own: transform.match_sparsity(t, 0.9),
    lambda t, own: transform.zero_init_replicas(
      t, Plan.parse('0:0,1', stages=3)
    ),
    transform.masks_only,
    lambda t, own: transform.weights_only(t),
    transform.signs_only,
    lambda t, own: widths.widen(t),
    lambda t, own: widths.narrow(t),
  ],
)
def test_a_changed_network_does_not_have_the_accuracy_of_its_source(change):
  network = make_network('resnet14')
  about = {'dataset': 'digits', 'test_accuracy': 0.9511}
  trained = dataclasses.replace(
    sparse_ticket(network), state='trained', provenance=about
  )
  assert '95.11%' in repr(trained)
  changed = change(trained, dense_ticket(network, **network.init(7)))
  assert '95.11%' not in repr(changed)
  assert 'test_accuracy' not in changed.provenance
  assert changed.provenance['dataset'] == 'digits'


def test_a_plan_that_leads_elsewhere_is_refused():
  network = make_network('resnet14')
  ticket = dense_ticket(network, **network.init(0))
  plan = Plan.stretch(network.depths, 4)
  message = "resnet14 to resnet20: the plan makes depths {'stage1': 4, "
  for refused in (
    lambda: ticket.transform('resnet20', plan=plan),
    lambda: explain(ticket, 'resnet20', plan=plan),
    lambda: explain(network, 'resnet20', plan=plan),
  ):
    with pytest.raises(ValueError, match=message):
      refused()
  with pytest.raises(ValueError, match='vgg13 is not of the family of resnet'):
    explain(network, 'vgg13', plan=plan)


def test_a_plan_may_name_stages_in_any_order():
  network = make_network('resnet20')
  ticket = dense_ticket(network, **network.init(0))
  tables = {
    'stage3': (0, 1, 1, 2, 2),
    'stage1': (0, 1, 2, 1, 2),
    'stage2': (0, 2, 1, 1, 2),
  }
  deep = ticket.transform('resnet32', plan=Plan(tables))
  assert transform.plan_of(deep) == Plan(tables)
  explained = explain(ticket, 'resnet32', plan=Plan(tables))
  assert deep.provenance['plan'] in str(explained)


def test_a_ticket_says_how_deep_it_is():
  network = make_network('resnet20')
  about = {'depths': network.depths}
  ticket = dataclasses.replace(sparse_ticket(network), provenance=about)
  deep = ticket.transform('resnet32')
  assert deep.provenance['depths'] == make_network('resnet32').depths
