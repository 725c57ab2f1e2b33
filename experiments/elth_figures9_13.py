"""E-LTH, earlier version, figures 9 to 13: one target, tickets of all others.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_figures9_13.py:resnet32 --workdir=runs/figure11

The target is named behind the file: resnet14 (figure 9), resnet20, resnet32,
resnet44 or resnet56 (figure 13), and is trained from tickets of all others, by
append and interpolate. `resnet20-to-resnet56` is one pair with all schemes that
lead there: fewer unique units, mixtures, and other units kept.
`--config.scale=small`: two sources, a quarter as wide, on 10,000 images of 16
pixels, three replicates;
`--config.scale=digits`: the same networks, an eighth as wide, on handwritten
digits, eight replicates; a minute, where networks were taken from figure 6.
`--config.scale=gpu`: tickets of two networks at full width, 25,000 images of 16
pixels, 94.5% sparsity, 32 epochs in bfloat16, four replicates; up to eight
minutes of an H100, by what ResNet-20 took there.
"""

from itertools import permutations

from ml_collections import ConfigDict

from elth_jax.papers.scales import (
  DIGITS,
  GPU_SMALL_IMAGES,
  HIGH,
  PAPER_CIFAR,
  SMALL_CIFAR,
)
from elth_jax.study.claims import Claim, alike, better
from elth_jax.study.config import base_config, choice
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import CIFAR_RESNET

# target -> figure, units beside the first in each stage
TARGETS = {
  'resnet14': (9, 1),
  'resnet20': (10, 2),
  'resnet32': (11, 4),
  'resnet44': (12, 6),
  'resnet56': (13, 8),
}
PAIRS = {
  f'{one}-to-{other}': (one, other) for one, other in permutations(TARGETS, 2)
}
CHOICES = dict.fromkeys((*TARGETS, *PAIRS))
ONE_SHOT = ('magnitude', 'snip', 'grasp')
OTHERS = ('reinit', 'random', *ONE_SHOT)
PLAIN = ('append', 'interpolate')


def get_config(target: str = 'resnet32') -> ConfigDict:
  choice('target or pair', target, CHOICES)
  pair = PAIRS.get(target)
  name = pair[1] if pair else target
  sources = pair[:1] if pair else tuple(one for one in TARGETS if one != name)
  plain = ('squeeze',) if name == 'resnet14' else PLAIN  # others are deeper
  orders = schemes(*pair) if pair else plain
  return base_config(
    **PAPER_CIFAR,
    sources=sources,
    targets=(name,),
    methods=('ett',) if pair else ('imp', 'ett', *OTHERS),
    orders=orders,
    recipe=CIFAR_RESNET,
    paper=Paper(
      title=f'E-LTH, earlier version, figure {TARGETS[name][0]}'
      + (f', {target}' if pair else ''),
      question=f'Which of its family, and which scheme, serves {name} best?',
      claims=scheme_claims(orders) if pair else claims_of(name),
    ),
    scales={
      'small': {
        **SMALL_CIFAR,
        'sources': sources[:2],
      },
      'gpu': {
        **GPU_SMALL_IMAGES,
        'sources': sources[:2],
      },
      'digits': DIGITS,
    },
  )


def schemes(source: str, target: str) -> tuple[str, ...]:
  """Every scheme of the figures that leads from one network to another."""
  have, want = TARGETS[source][1], TARGETS[target][1]
  if have < want:
    fewer = [n for n in (1, 2) if n < have]
    firsts = [' '.join(map(str, range(1, n + 1))) for n in fewer]
    subsets = [f'append {units}' for units in firsts]
    subsets += [f'interpolate {units}' for units in firsts if ' ' in units]
    mixed = ['interpolate x2, append'] if have > 1 and want == 4 * have else []
    return (*PLAIN[: 1 if have == 1 else 2], *subsets, *mixed)
  units = range(1, have + 1)
  kept = [units[:want], units[-want:]]  # the first and the last
  if have == 2 * want:
    kept += [units[::2], units[1::2]]
  if want % 2 == 0:  # both ends
    kept.append((*units[: want // 2], *units[-(want // 2) :]))
  names = (f'keep {" ".join(map(str, some))}' for some in kept)
  return tuple(dict.fromkeys(names))


def scheme_claims(orders: tuple[str, ...]) -> tuple[Claim, ...]:
  """That append and interpolate are alike, and early units worth keeping."""
  if set(PLAIN) <= set(orders):
    return (
      alike(
        'ett[append]', 'ett[interpolate]', 1, at=HIGH, where='claims 28 76'
      ),
    )
  if len(orders) > 1 and orders[0].startswith('keep'):
    first, last = orders[:2]
    return (better(f'ett[{first}]', f'ett[{last}]', HIGH, where='claim 76'),)
  return ()


def claims_of(target: str) -> tuple[Claim, ...]:
  """That elastic tickets win, but those of ResNet-14 on large targets."""
  large = target in ('resnet44', 'resnet56')
  good = [s for s in TARGETS if s != target and not (large and s == 'resnet14')]
  # one unit can be appended alone: interpolation is the same
  sides = {s: 'ett[append]' if s == 'resnet14' else 'ett' for s in good}
  return tuple(
    better(f'{side} from {source}', name, at=HIGH, where='claim 76')
    for source, side in sides.items()
    for name in OTHERS
  )
