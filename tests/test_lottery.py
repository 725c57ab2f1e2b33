import numpy as np
import pytest

from elth_jax.families import architecture
from elth_jax.masks import counts
from elth_jax.methods.lottery import (
  dense_ticket,
  kept_by_level,
  next_level,
  with_masks,
)
from elth_jax.trees import flatten, map_named


def test_levels_prune_the_trained_and_rewind_the_rest(net):
  fresh = net.init(0)
  dense = dense_ticket(net, fresh['params'], fresh['batch_stats'])
  assert dense.sparsity == 0
  draw = np.random.default_rng(0)
  ticket, total = dense, 0.0
  for level in (1, 2, 3):
    trained = map_named(
      lambda _, p, m: p if m is None else draw.random(p.shape) * m,
      dense.params,
      ticket.masks,
    )
    new = next_level(dense, ticket, trained, 0.2)
    total = 1 - 0.8**level
    assert new.sparsity == pytest.approx(total, abs=0.01)
    for name, mask in flatten(new.masks).items():
      weight, rewound = flatten(new.params)[name], flatten(dense.params)[name]
      if mask is None:
        np.testing.assert_array_equal(weight, rewound)
        continue
      np.testing.assert_array_equal(weight, np.where(mask, rewound, 0))
      assert not np.any(mask & ~flatten(ticket.masks)[name])
    ticket = new


def test_every_layer_can_lose_the_same_share(net, tickets):
  dense, _ = tickets
  ticket = dense
  for _ in range(2):
    before = flatten(ticket.masks)
    ticket = next_level(dense, ticket, dense.params, 0.25, scope='leaf')
    for name, mask in flatten(ticket.masks).items():
      if mask is None:
        continue
      left = before[name].sum()
      assert mask.sum() == left - np.ceil(0.25 * left)
      sizes = np.abs(flatten(dense.params)[name])
      lost = before[name] & ~mask
      assert sizes[lost].max() <= sizes[mask].min()


def test_the_head_of_an_mlp_is_never_pruned():
  net = architecture('mlp2', (4, 4, 1), 3, 6)
  fresh = net.init(0)
  dense = dense_ticket(net, fresh['params'], fresh['batch_stats'])
  sparse = next_level(dense, dense, dense.params, 0.8)
  assert sparse.masks['head']['kernel'].all()
  assert sparse.sparsity == pytest.approx(0.8, abs=0.01)


def test_the_levels_are_known_beforehand(net, tickets):
  dense, _ = tickets
  kept, ticket = [counts(dense.masks)[0]], dense
  for _ in range(4):
    ticket = next_level(dense, ticket, dense.params, 0.3)
    kept.append(counts(ticket.masks)[0])
  assert kept_by_level(net, 4, 0.3) == kept


def test_a_level_without_weights_is_refused():
  mlp = architecture('mlp2', (4, 4, 1), 10, 6)
  with pytest.raises(ValueError, match='20 of which are never pruned'):
    kept_by_level(mlp, 20, 0.4)


def test_arguments_of_a_level_in_another_order(tickets):
  dense, _ = tickets
  with pytest.raises(TypeError, match='rewind is a dict; give a Ticket'):
    next_level(dense.params, dense, dense)
  with pytest.raises(
    TypeError, match=r'trained is a Ticket; .*trained\.params'
  ):
    next_level(dense, dense, dense)
  with pytest.raises(ValueError, match="unknown scope 'layer'"):
    next_level(dense, dense, dense.params, scope='layer')


def test_with_masks_keeps_the_kept(tickets):
  dense, sparse = tickets
  again = with_masks(dense, sparse.masks)
  for name, leaf in flatten(again.params).items():
    np.testing.assert_array_equal(leaf, flatten(sparse.params)[name])


@pytest.mark.parametrize('reference_count', [False, True])
def test_the_head_of_an_mlp_is_never_pruned_by_layer_too(reference_count):
  net = architecture('mlp2', (4, 4, 1), 3, 6)
  dense = dense_ticket(net, **net.init(0))
  sparse = next_level(
    dense, dense, dense.params, 0.5, reference_count, scope='leaf'
  )
  assert sparse.masks['head']['kernel'].all()
  assert sparse.masks['neck']['kernel'].sum() == 6 - reference_count


def test_a_level_that_leaves_only_what_is_never_pruned_is_refused():
  mlp = architecture('mlp2', (4, 4, 1), 3, 6)  # 150 weights, 6 of the head
  assert kept_by_level(mlp, 1, 0.95) == [150, 7]
  with pytest.raises(ValueError, match='keep 6 of 150 weights, 6 of which'):
    kept_by_level(mlp, 1, 0.96)
