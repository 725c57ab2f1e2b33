import dataclasses
import json

import pytest
from ml_collections import ConfigDict

from elth_jax.methods import Pruning, Sparse
from elth_jax.reading import as_json
from elth_jax.study.claims import better
from elth_jax.study.config import base_config
from elth_jax.study.known_names import check_names
from elth_jax.study.parallel import Parallel
from elth_jax.study.published import published
from elth_jax.study.spec import (
  Analyses,
  Paper,
  RunOptions,
  StudySpec,
  read_config,
)
from elth_jax.training.recipe import CIFAR_RESNET, Recipe


def config(**values):
  known = {
    'recipe': CIFAR_RESNET,
    'dataset': 'd',
    'sources': ('mlp3',),
    'targets': ('mlp2',),
  }
  return base_config(**{**known, **values})


def test_a_config_becomes_plain_values_and_has_every_knob():
  spec, options = read_config(config(levels=12, parallel='3'))
  assert spec.recipe == CIFAR_RESNET
  assert (spec.levels, options.parallel) == (12, Parallel(3))
  fields = {
    field.name
    for cls in (StudySpec, RunOptions)
    for field in dataclasses.fields(cls)
  }
  assert set(config().keys()) == fields | {'published', 'scale', 'scales'}
  assert StudySpec.from_config(as_json(spec)) == spec


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'levls': 3}, "unknown config key 'levls'; did you mean 'levels'"),
    ({'levels': 'three'}, "'levels': expected int, got 'three'"),
    ({'levels': 0}, 'levels is 0'),
    ({'replicates': 0}, 'replicates is 0'),
    ({'sources': 'mlp3'}, "'sources': expected a tuple of str"),
    ({'targets': ()}, 'targets is'),
    ({'targets': ('mlp2', 'mlp2')}, 'distinct'),
    ({'methods': ('imp', 'snipe')}, "unknown method 'snipe'"),
    ({'orders': ('prepend',)}, "unknown rule 'prepend'; did you mean 'app"),
    ({'compare_levels': (2, 11)}, r'compare_levels has \[11\]'),
    ({'prune_fraction': 1.0}, 'prune_fraction is 1.0'),
    ({'seed': -1}, 'seed is -1; it must be at least 0'),
    ({'seed': 2**40}, 'at most'),
    ({'prune_fraction': float('nan')}, 'prune_fraction is nan'),
    ({'image_size': 10**6}, 'image_size is 1000000'),
    ({'compare_levels': (2, 2)}, 'compare_levels is'),
    ({'checkpoint_seconds': float('inf')}, 'checkpoint_seconds is inf'),
    ({'checkpoint_seconds': float('nan')}, 'checkpoint_seconds is nan'),
    ({'parallel': '99999'}, 'at most 4096'),
    ({'published': 'yes'}, "'published': expected bool"),
    ({'published': True, 'pruning': 3}, "'pruning': expected a mapping.*got 3"),
    ({'levels': 3.0}, "'levels': expected int, got 3.0"),
    ({'levels': True}, "'levels': expected int, got True"),
    ({'prune_fraction': '0.2'}, "'prune_fraction': expected float, got '0.2'"),
    ({'compare_levels': (2, '6')}, r"'compare_levels\[1\]': expected int"),
    ({'source_optimizer': 'adm'}, "_optimizer is 'adm'; did you mean 'adam'"),
    (
      {'recipe_on': {'cifar10': 3}},
      r"'recipe_on\.cifar10': expected a mapping",
    ),
    ({'paper': 3}, "'paper': expected a mapping.*got 3"),
    ({'scales': {'small': 3}}, r"'scales\.small': expected a mapping.*got 3"),
    ({'scales': {'small': {'levels': {'a': 1}}}}, "'levels': expected a mapp"),
    ({'checkpoint_seconds': 0.0}, 'checkpoint_seconds is 0.0'),
  ],
)
def test_wrong_configs_name_the_key(change, message):
  with pytest.raises(ValueError, match=message):
    check_names(read_config(config(**change))[0])


def test_published_turns_on_all_that_the_published_runs_did():
  values = config(published=True, pruning=Pruning(scope='leaf'))
  spec, _ = read_config(values)
  assert spec.reference_count and spec.imagenet_normalization
  assert spec.pruning == Pruning(scope='leaf', batches=0, grasp_absolute=True)
  plain, _ = read_config(config(pruning=Pruning(scope='leaf')))
  values.published = False
  assert read_config(values)[0] == plain
  assert read_config(values, {'published': True})[0] == spec
  kept = as_json(spec)  # what config.json holds, with no preset
  assert 'published' not in kept and StudySpec.from_config(kept) == spec


def test_wrong_recipes_name_the_key():
  values = config().to_dict()
  values['recipe']['momentun'] = 0.9
  with pytest.raises(ValueError, match=r"'recipe.momentun'; did you mean"):
    read_config(ConfigDict(values))
  with pytest.raises(ValueError, match=r"'recipe': expected.*got 3"):
    read_config({**values, 'recipe': 3})
  with pytest.raises(ValueError, match=r"key 'recipe\.drop_epochs\[1\]': exp"):
    read_config({**values, 'recipe': {'drop_epochs': (1, None)}})
  with pytest.raises(ValueError, match=r"recipe\.dtype is 'float16'; did you"):
    read_config({**values, 'recipe': {'dtype': 'float16'}})
  with pytest.raises(ValueError, match='recipe: epochs is 0; it must be'):
    read_config({**values, 'recipe': {'epochs': 0}})
  wrong = {'mnist': {'epochs': '2'}}
  with pytest.raises(ValueError, match=r"'recipe_on\.mnist\.epochs': expected"):
    read_config({**config().to_dict(), 'recipe_on': wrong})
  with pytest.raises(ValueError, match=r"key 'pruning\.scpe'; did you mean"):
    read_config({**config().to_dict(), 'pruning': {'scpe': 'leaf'}})
  with pytest.raises(ValueError, match=r"pruning\.scope is 'layer'"):
    read_config({**config().to_dict(), 'pruning': {'scope': 'layer'}})
  with pytest.raises(ValueError, match=r"sparse\.distribution is 'even'"):
    read_config({**config().to_dict(), 'sparse': {'distribution': 'even'}})
  with pytest.raises(ValueError, match="'dataset' is missing"):
    read_config({'recipe': {}, 'sources': ('a',), 'targets': ('b',)})


def test_a_scale_changes_what_it_names_and_nothing_a_person_set():
  scales = {'small': {'levels': 3, 'recipe': {'epochs': 2, 'batch_size': 8}}}
  both = config(scales=scales, compare_levels=(2,))
  spec, _ = read_config(both)
  assert (spec.levels, spec.recipe.epochs) == (10, 160)
  assert spec.paper.scale == 'paper'
  both.scale = 'small'
  spec, _ = read_config(both)
  assert (spec.levels, spec.recipe.epochs) == (3, 2)
  assert spec.recipe.l2 == CIFAR_RESNET.l2 and spec.paper.scale == 'small'
  both.recipe.epochs = 5
  spec, _ = read_config(both, {'scale': 'small', 'recipe.epochs': 5})
  assert (spec.recipe.epochs, spec.recipe.batch_size) == (5, 8)
  both.scale = 'smal'
  with pytest.raises(ValueError, match="did you mean 'small'"):
    read_config(both)
  with pytest.raises(ValueError, match=r"unknown config key 'recipe\.epoch'"):
    config(scales={'small': {'recipe': {'epoch': 2}}})


@pytest.mark.parametrize(
  ('paper', 'message'),
  [
    ({'claims': ('ett better than snip',)}, 'claim .ett better than snip.'),
    ({'claims': ('ett ~ snip',)}, 'within 0.5'),
    ({'claims': ('ett > snip within 1',)}, 'claim'),
    ({'published': ('resnet32 imp: ninety',)}, 'published'),
    ({'published': ('resnet32 imp at 10: 922',)}, 'published'),
  ],
)
def test_claims_that_cannot_be_read_are_refused(paper, message):
  with pytest.raises(ValueError, match=message):
    config(paper=Paper(**paper))


def test_a_paper_says_in_values_or_text_what_config_json_has_as_text():
  text = ' ett[append  2] >  imp at 10'  # spaces as they were written
  spec, options = read_config(
    config(
      paper=Paper(
        claims=(better('ett', 'snip', at=(2, 10), on='mlp3'), text),
        published=(published('mlp2', 'dense', 98.0), 'mlp2 imp at 2: 97.50'),
      ),
      parallel=Parallel(2),
    )
  )
  assert as_json(spec)['paper'] == {
    'title': '',
    'question': '',
    'claims': ['ett > snip at 2 10 on mlp3', text],
    'published': ['mlp2 dense: 98.0', 'mlp2 imp at 2: 97.50'],
    'scale': 'paper',
  }
  assert spec.paper.claims[1] == better('ett[append 2]', 'imp', at=10)
  assert spec.paper.published[1] == published('mlp2', 'imp', 97.5, at=2)
  assert options.parallel == Parallel(2)
  assert StudySpec.from_config(as_json(spec)).paper == spec.paper


def test_a_person_gives_text_at_any_scale():
  small = {'paper': {'claims': (better('ett', 'imp'),)}, 'parallel': 'batch'}
  values = config(scales={'small': small})
  assert values.parallel == 'auto'
  assert values.scales.small.paper.claims == ('ett > imp',)
  values.scale = 'small'
  spec, options = read_config(values, {'parallel': 'tickets'})
  assert spec.paper.claims == (better('ett', 'imp'),)
  assert options.parallel == Parallel(0, split_batches=False)
  with pytest.raises(ValueError, match=r'^paper\.claims\[0\]: claim'):
    read_config(values, {'paper.claims': ('ett is best',)})


@pytest.mark.parametrize(
  ('cls', 'wrong', 'message'),
  [
    (Recipe, {'optimizer': 'sdg'}, "optimizer is 'sdg'; did you mean 'sgd'"),
    (Recipe, {'dtype': 'half'}, 'dtype is .half.; give float32 or bfloat16'),
    (Recipe, {'epochs': 2.5}, "'epochs': expected int, got 2.5"),
    (Pruning, {'scope': 'leaves'}, "pruning.scope is 'leaves'; did you mean"),
    (Pruning, {'batches': True}, "'pruning.batches': expected int, got True"),
    (Sparse, {'distribution': 'even'}, 'sparse.distribution is .*erk or unif'),
    (
      Analyses,
      {'statistics': ''},
      'analyses.statistics is .*interpolated or r',
    ),
    (Analyses, {'overlap': 1}, "'analyses.overlap': expected bool, got 1"),
    (Paper, {'claims': 'a > b'}, "'paper.claims': expected a tuple of Claim"),
    (RunOptions, {'profile': 'no'}, "'profile': expected bool, got 'no'"),
  ],
)
def test_what_is_made_directly_is_read_alike(cls, wrong, message):
  with pytest.raises(ValueError, match=message):
    cls(**wrong)


def test_one_study_has_one_form_however_it_is_made():
  names = {'dataset': 'd', 'sources': ['mlp3'], 'targets': ['mlp2']}
  recipe = {'l2': 0, 'drop_epochs': [1]}
  made = StudySpec(**names, recipe=Recipe(**recipe), prune_fraction=0.5)
  kept = json.dumps(as_json(made))  # what decides a node's key
  read = StudySpec.from_config({**json.loads(kept), 'recipe': recipe})
  assert made == read and json.dumps(as_json(read)) == kept
  assert '"l2": 0.0' in kept


@pytest.mark.parametrize(
  ('values', 'given', 'message'),
  [
    ({'scales': 3}, {}, "'scales': expected a mapping.*got 3"),
    ({'scale': 3}, {}, "'scale': expected str, got 3"),
    ({'recipe': 3}, {'recipe.epochs': 2}, "'recipe': expected a mapping"),
    ({'pruning': [1]}, {'published': True}, "'pruning': expected a mapping"),
  ],
)
def test_a_change_inside_a_value_without_names(values, given, message):
  with pytest.raises(ValueError, match=message):
    read_config({**config().to_dict(), **values}, given)


def test_what_a_person_sets_beside_the_preset_stays():
  asked = config(published=True)
  spec, _ = read_config(asked, {'pruning.batches': 3})
  assert spec.pruning == Pruning(batches=3, grasp_absolute=True)
  assert spec.reference_count
