"""Draws the figures of docs/transformations.md.

python docs/draw.py
"""

from pathlib import Path

from elth_jax import explain

FIGURES = {
  'append': ('resnet20', 'resnet32', 'append'),
  'interpolate': ('resnet20', 'resnet32', 'interpolate'),
  'mixture': ('resnet20', 'resnet56', 'interpolate x2, append'),
  'uneven': ('resnet32', 'resnet44', 'append'),
  'keep': ('resnet56', 'resnet32', 'keep 1 3 5 7'),
}


def main() -> None:
  folder = Path(__file__).parent / 'figures'
  folder.mkdir(exist_ok=True)
  for name, (source, target, rule) in FIGURES.items():
    figure = explain(source, target, rule).figure()
    figure.suptitle(rule, fontsize=10)
    figure.savefig(folder / f'{name}.svg', metadata={'Date': None})


if __name__ == '__main__':
  main()
