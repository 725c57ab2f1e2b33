import pytest

from elth_jax.trees import flatten, map_named, unflatten

TREE = {'stem': {'kernel': 1}, 'stage1': {'block0': {'bias': None}}}


def test_names_are_paths_and_none_is_a_leaf():
  assert flatten(TREE) == {'stem/kernel': 1, 'stage1/block0/bias': None}
  assert unflatten(flatten(TREE)) == TREE


def test_map_named_sees_names_and_all_trees():
  names = map_named(lambda name, a, b: (name, a, b), TREE, TREE)
  assert names['stem']['kernel'] == ('stem/kernel', 1, 1)


@pytest.mark.parametrize('name', ['', 'a//b', '/a'])
def test_empty_parts_are_refused(name):
  with pytest.raises(ValueError, match='empty part'):
    unflatten({name: 1})


def test_a_leaf_cannot_have_children():
  with pytest.raises(ValueError, match='below another leaf'):
    unflatten({'a': 1, 'a/b': 2})
  with pytest.raises(ValueError, match='parent of other leaves'):
    unflatten({'a/b': 1, 'a': 2})


def test_differing_structures_are_named():
  with pytest.raises(ValueError, match=r'missing stem/kernel.*unexpected x'):
    map_named(lambda *_: 0, {'stem': {'kernel': 1}}, {'x': 1})
