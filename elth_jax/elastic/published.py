"""The transformations of the E-LTH paper's figures, by name, as data."""

import dataclasses

from elth_jax.elastic.rules import Rule


@dataclasses.dataclass(frozen=True)
class PublishedRule:
  """One transformation of a figure.

  Attributes:
    figure: where it is shown in Chen et al. 2021.
    source: the network whose ticket is transformed.
    target: the network wanted.
    rule: how, for `Rule.plan` and `Ticket.transform(order=...)`.
  """

  figure: str
  source: str
  target: str
  rule: Rule


def _in(figure: str, source: str, target: str, **rules: str):
  return {
    name.replace('_', '-'): PublishedRule(
      figure, source, target, Rule.parse(rule)
    )
    for name, rule in rules.items()
  }


PUBLISHED = {
  **_in(
    'figure 4: how many unique units, and in which order',
    'resnet32',
    'resnet56',
    append_1234='append',
    interpolate_1234='interpolate',
    append_12='append 1 2',
    interpolate_12='interpolate 1 2',
    append_1='append 1',
  ),
  **_in(
    'figure 5: earlier or later units',
    'resnet32',
    'resnet56',
    append_23='append 2 3',
    append_34='append 3 4',
    interpolate_23='interpolate 2 3',
    interpolate_34='interpolate 3 4',
  ),
  **_in(
    'figure 5: which units to drop',
    'resnet56',
    'resnet32',
    keep_1234='keep 1 2 3 4',
    keep_1357='keep 1 3 5 7',
    keep_2468='keep 2 4 6 8',
    keep_1278='keep 1 2 7 8',
    keep_5678='keep 5 6 7 8',
  ),
  **_in(
    'mixtures of append and interpolate',
    'resnet20',
    'resnet56',
    inter_12x4='interpolate',
    inter_12x2_append='interpolate x2, append',
  ),
  **_in(
    'figure 6: pairs of unequal growth',
    'resnet32',
    'resnet44',
    uneven_append='append',
    uneven_interpolate='interpolate',
  ),
  **_in(
    'table 1: ImageNet',
    'imagenet_resnet18',
    'imagenet_resnet26',
    imagenet_18_to_26='0:0;1:1|0:0;1:1,2|0:0;1:1,2,3|0:0;1:1,2',
  ),
  **_in(
    'table 5: fully-connected layers',
    'mlp2',
    'mlp3',
    mlp_2_to_3='0:0;1:1,2;2:3',
  ),
}
