"""Plans as the authors of each family write them."""

import pytest

from elth_jax.elastic.plan import Plan
from elth_jax.elastic.rules import Rule
from elth_jax.families import architecture, plan_between, published_plan
from elth_jax.methods.lottery import dense_ticket

# as in the authors' commands
PUBLISHED = [
  ('vgg13-3', 'vgg13-5', '0:0,2;2:4,6', {'stage6': (0, 0, 1, 1)}),
  ('vgg13-2', 'vgg13-3', '0:0,2', {'stage6': (0, 0)}),
  ('vgg13-5', 'vgg13-2', '6:0', {'stage6': (3,)}),
  ('mlp2', 'mlp3', '0:0;1:1,2;2:3', {'stage1': (0, 1, 1)}),
  (
    'resnet32',
    'resnet56',
    '0:0;1:1,5;2:2,6;3:3,7;4:4,8',
    dict.fromkeys(('stage1', 'stage3'), (0, 1, 2, 3, 4, 1, 2, 3, 4)),
  ),
  (
    'imagenet_resnet18',
    'imagenet_resnet26',
    '0:0;1:1|0:0;1:1,2|0:0;1:1,2,3|0:0;1:1,2',
    {'stage1': (0, 1), 'stage3': (0, 1, 1, 1)},
  ),
]


@pytest.mark.parametrize(('source', 'target', 'text', 'tables'), PUBLISHED)
def test_published_plans(source, target, text, tables):
  source, target = architecture(source), architecture(target)
  plan = plan_between(source, target, text)
  assert plan.depths == target.depths
  assert {stage: plan.tables[stage] for stage in tables} == tables
  changed = {s for s in plan.tables if source.depths[s] != target.depths[s]}
  for stage in plan.tables.keys() - changed:
    assert plan.tables[stage] == tuple(range(source.depths[stage]))
  assert published_plan(source, target, plan) == text
  assert plan_between(source, target, str(plan)) == plan


@pytest.mark.parametrize(
  ('source', 'target'),
  [
    ('vgg13-3', 'vgg13-5'),
    ('vgg13-5', 'vgg13-3'),
    ('vgg13', 'vgg19'),
    ('mlp2', 'mlp4'),
    ('mlp4', 'mlp3'),
    ('resnet20', 'resnet56'),
    ('imagenet_resnet34', 'imagenet_resnet18'),
  ],
)
@pytest.mark.parametrize('rule', ['append', 'interpolate'])
def test_there_and_back(source, target, rule):
  source, target = architecture(source), architecture(target)
  plan = plan_between(source, target, rule)
  text = published_plan(source, target, plan)
  assert plan_between(source, target, text) == plan


def test_a_ticket_by_a_published_plan():
  net = architecture('vgg13-3', (8, 8, 1), 10, 2)
  ticket = dense_ticket(net, **net.init(0))
  new = ticket.transform('vgg13-5', order='0:0,2;2:4,6')
  for target, source in enumerate((0, 0, 1, 1)):
    assert (
      new.params['stage6'][f'block{target}']['fc']['kernel']
      is ticket.params['stage6'][f'block{source}']['fc']['kernel']
    )


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('0:0,2;2:4', 'vgg13-3 to vgg13-5: .*makes depths'),
    ('0:0,2;2:6', 'stage6: .*leaves target unit 2 empty'),
    ('0:0,1;1:2', 'makes depths'),
    ('0:0,2;8:4,6', 'copies source unit 4'),
  ],
)
def test_wrong_tables(text, message):
  source, target = architecture('vgg13-3'), architecture('vgg13-5')
  with pytest.raises(ValueError, match=message):
    plan_between(source, target, text)


def test_rules_that_are_no_tables():
  with pytest.raises(ValueError, match="cannot read '1-2' in '0:0;1-2'"):
    Rule.parse('0:0;1-2')


def test_plans_that_cannot_be_written():
  source, target = architecture('vgg13-3'), architecture('vgg19-3')
  with pytest.raises(ValueError, match='vgg13-3 to vgg19-3: stage3 changes'):
    published_plan(source, target, plan_between(source, target))
  with pytest.raises(ValueError, match='the plan makes depths'):
    published_plan(source, target, Plan({'stage1': (0,)}))
