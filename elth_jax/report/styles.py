"""The colour and marker of every line of a figure, from its method's entry."""

from collections import Counter
from collections.abc import Mapping

from elth_jax.methods import METHODS
from elth_jax.methods.styles import Style, spare

DENSE: Style = ('#888888', '')


def styles_of(methods: Mapping[str, str]) -> dict[str, Style]:
  """Label -> colour and marker, the same for a method in every figure.

  A method has several labels in a figure where it has one for each source and
  rule: they go through the method's own styles again and again, or through
  spare ones where it has a single style.

  Args:
    methods: label -> the method's name, in the order of the legend.
  """
  registered = {style for m in METHODS.values() for style in m.styles}
  styles: dict[str, Style] = {}
  seen: Counter[str] = Counter()
  for label, method in methods.items():
    own = METHODS[method].styles if method in METHODS else ()
    if method == 'dense':
      styles[label] = DENSE
    elif len(own) > 1 or len(own) > seen[method]:
      styles[label] = own[seen[method] % len(own)]
    else:
      styles[label] = spare({*registered, *styles.values()})
    seen[method] += 1
  return styles
