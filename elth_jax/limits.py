"""Numbers within their limits, arguments of their types, or refused by name."""

import dataclasses
import math
import numbers
import operator
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class Limits:
  """The range of a number.

  Attributes:
    least: the smallest number allowed.
    most: the largest number allowed.
    above: whether `least` itself is not allowed.
    below: whether `most` itself is not allowed.
  """

  least: float
  most: float = math.inf
  above: bool = False
  below: bool = False

  def __contains__(self, number: float) -> bool:
    low = self.least < number if self.above else self.least <= number
    high = number < self.most if self.below else number <= self.most
    return low and high

  def __str__(self) -> str:
    text = f'{"above" if self.above else "at least"} {self.least:g}'
    if math.isfinite(self.most):
      text += f' and {"below" if self.below else "at most"} {self.most:g}'
    return text


INT32 = 2**31 - 1  # steps and images are counted in int32
AT_LEAST_0 = Limits(0, INT32)
AT_LEAST_1 = Limits(1, INT32)
ABOVE_0 = Limits(0, above=True)
SHARE = Limits(0, 1)


def check_numbers(settings: Any, prefix: str = '', **limits: Limits) -> None:
  """Checks every number of a dataclass, those in its tuples too.

  Args:
    settings: the dataclass.
    prefix: of field names in errors, e.g. `sparse.`.
    **limits: field -> its limits; fields without any need only be finite.

  Raises:
    ValueError: naming the field, for a number that is NaN, infinite or out of
      its limits, or that a tuple has twice.
  """
  for name, value in _fields(settings):
    found = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(number, numbers.Real) for number in found):
      continue
    for number in found:
      check_number(f'{prefix}{name}', number, limits.get(name))
    if len(set(found)) < len(found):
      raise ValueError(f'{prefix}{name} is {value}; give distinct numbers')


def check_number(
  name: str, number: float, limits: Limits | None = None
) -> None:
  """Checks one number; see `check_numbers`."""
  if not _is_finite(number):
    raise ValueError(f'{name} is {number}; give a finite number')
  if limits is not None and number not in limits:
    raise ValueError(f'{name} is {number}; it must be {limits}')


def number_of_weights(keep: int) -> int:
  """How many weights to keep, as an `int`.

  Raises:
    ValueError: if that is no whole number, as a share is none.
  """
  try:
    return operator.index(keep)
  except TypeError:
    raise ValueError(
      f'keep is {keep!r}; give a number of weights, no share'
    ) from None


def _is_finite(number: float) -> bool:
  try:
    return math.isfinite(number)
  except OverflowError:  # a whole number beyond all floats
    return False


def _fields(settings: Any) -> Iterator[tuple[str, Any]]:
  for field in dataclasses.fields(settings):
    yield field.name, getattr(settings, field.name)


def check_argument(name: str, value: Any, kinds: Any, give: str) -> None:
  """Checks the type of an argument.

  Args:
    name: of the argument.
    value: what was given.
    kinds: one type or a tuple of them, as for `isinstance`.
    give: what to give, in words.

  Raises:
    TypeError: naming the argument, what was given and what to give.
  """
  if isinstance(value, kinds):
    return
  short = value is None or isinstance(value, str | int | float | tuple | Path)
  found = f'{value!r:.80}' if short else f'a {type(value).__name__}'
  raise TypeError(f'{name} is {found}; give {give}')
