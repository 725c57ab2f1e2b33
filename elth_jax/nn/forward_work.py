"""What a forward pass executes, read off its jaxpr: nothing is computed."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
from jax.extend import core

from elth_jax.process.older_jax import inner_jaxprs
from elth_jax.trees import PyTree

ACTIVATIONS = 'activations'  # counts products without parameters


@dataclasses.dataclass(frozen=True)
class Work:
  """What is executed, by a forward pass or a part of it.

  Attributes:
    multiply_adds: leaf of the parameters, or `activations` -> how many.
    outputs: how many numbers layers put out, to estimate memory: results of
      products of data with parameters, and of scaling data by them (BN).
  """

  multiply_adds: Mapping[str, int] = dataclasses.field(default_factory=dict)
  outputs: int = 0

  def plus(self, other: 'Work', times: int = 1) -> 'Work':
    """Both, the other one so many times."""
    sums = dict(self.multiply_adds)
    for name, count in other.multiply_adds.items():
      sums[name] = sums.get(name, 0) + times * count
    return Work(sums, self.outputs + times * other.outputs)

  @property
  def total(self) -> int:
    return sum(self.multiply_adds.values())


@dataclasses.dataclass(frozen=True)
class Origin:
  """What a value is computed from.

  Attributes:
    data: whether from the inputs.
    leaf: the largest of the parameters that it is computed from, if any.
    size: of that parameter.
  """

  data: bool = False
  leaf: str = ''
  size: int = 0

  @property
  def is_weight(self) -> bool:
    """Whether it is computed from parameters and from no input."""
    return bool(self.leaf) and not self.data

  @classmethod
  def of_all(cls, origins: Sequence['Origin']) -> 'Origin':
    """Of something that is computed from all of these."""
    largest = max(origins, key=lambda o: o.size, default=cls())
    return cls(any(o.data for o in origins), largest.leaf, largest.size)


def forward_work(
  apply: Callable[..., Any], variables: Mapping[str, PyTree], inputs: Any
) -> Work:
  """The work of `apply(variables, inputs)`; see `cost.multiply_adds`."""
  jaxpr = jax.make_jaxpr(apply)(variables, inputs).jaxpr
  leaves, _ = jax.tree_util.tree_flatten_with_path(dict(variables))
  origins = [_origin_of(path, leaf) for path, leaf in leaves]
  data = [Origin(data=True)] * (len(jaxpr.invars) - len(origins))
  return _walk(jaxpr, [*origins, *data])[0]


def _origin_of(path: Sequence[Any], leaf: Any) -> Origin:
  name = jax.tree_util.keystr(tuple(path), simple=True, separator='/')
  collection, _, leaf_name = name.partition('/')
  if collection != 'params':
    return Origin()
  return Origin(leaf=leaf_name, size=math.prod(leaf.shape))


def _walk(
  jaxpr: core.Jaxpr, origins: Sequence[Origin]
) -> tuple[Work, list[Origin]]:
  """(work, origins of the outputs), from the origins of the inputs."""
  known = dict(zip(jaxpr.invars, origins, strict=True))

  def origin(atom: Any) -> Origin:
    is_known = not isinstance(atom, core.Literal) and atom in known
    return known[atom] if is_known else Origin()

  work = Work()
  for equation in jaxpr.eqns:
    step = _STEPS.get(equation.primitive.name, _other)
    found, out = step(equation, [origin(atom) for atom in equation.invars])
    known.update(zip(equation.outvars, out, strict=True))
    if found is not None:
      work = work.plus(found)
  return work, [origin(atom) for atom in jaxpr.outvars]


def _other(equation, origins):
  """An equation of no special kind; inner jaxprs are executed once."""
  inner = list(inner_jaxprs(equation.params))
  joined = Origin.of_all(origins)
  everywhere = [joined] * len(equation.outvars)
  if len(inner) == 1 and _is_call(equation, inner[0]):
    return _walk(inner[0], origins)
  work = Work()
  for jaxpr in inner:
    found, _ = _walk(jaxpr, [joined] * len(jaxpr.invars))
    work = work.plus(found)
  return (work if inner else None), everywhere


def _is_call(equation, jaxpr: core.Jaxpr) -> bool:
  """Whether the inner jaxpr takes what the equation takes."""
  arguments = len(jaxpr.invars) == len(equation.invars)
  return arguments and len(jaxpr.outvars) == len(equation.outvars)


def _dot(equation, origins):
  (contracted, _), _ = equation.params['dimension_numbers']
  shape = equation.invars[0].aval.shape
  depth = math.prod(shape[axis] for axis in contracted)
  return _product(equation, origins, depth)


def _conv(equation, origins):
  params, kernel = equation.params, equation.invars[1].aval
  features = kernel.shape[params['dimension_numbers'].rhs_spec[0]]
  depth = math.prod(kernel.shape) // features
  # a transposed convolution meets the holes between its inputs, too
  holes = math.prod(params['lhs_dilation'])
  return _product(equation, origins, depth, holes)


def _product(equation, origins, depth: int, holes: int = 1):
  """`depth` multiply-adds for each number that comes out."""
  size = equation.outvars[0].aval.size
  joined = Origin.of_all(origins)
  weights = Origin.of_all([o for o in origins if o.is_weight])
  name = weights.leaf or ACTIVATIONS
  outputs = size if weights.leaf and joined.data else 0
  return Work({name: size * depth // holes}, outputs), [joined]


def _scaling(equation, origins):
  """A product by elements: no multiply-adds, but perhaps BN's outputs."""
  joined = Origin.of_all(origins)
  scales = joined.data and any(o.is_weight for o in origins)
  size = equation.outvars[0].aval.size
  return (Work({}, size) if scales else None), [joined]


def _scan(equation, origins):
  params = equation.params
  first = params['num_consts']
  last = first + params['num_carry']
  work, out = _loop(
    params['jaxpr'].jaxpr, origins[:first], origins[first:last], origins[last:]
  )
  return Work().plus(work, params['length']), out


def _while(equation, origins):
  """One round: how many there are is not known."""
  params = equation.params
  first = params['cond_nconsts']
  last = first + params['body_nconsts']
  carry = origins[last:]
  work, carry = _loop(params['body_jaxpr'].jaxpr, origins[first:last], carry)
  test, _ = _walk(params['cond_jaxpr'].jaxpr, [*origins[:first], *carry])
  return work.plus(test), carry


def _loop(jaxpr, consts, carry, xs=()):
  """One round of a loop, its carry computed from what any round gives it."""
  while True:
    work, out = _walk(jaxpr, [*consts, *carry, *xs])
    pairs = zip(carry, out[: len(carry)], strict=True)
    joined = [Origin.of_all(pair) for pair in pairs]
    if joined == list(carry):
      return work, [*joined, *out[len(carry) :]]
    carry = joined


def _cond(equation, origins):
  """The branch that does the most."""
  chosen, *operands = origins
  found = [
    _walk(branch.jaxpr, operands) for branch in equation.params['branches']
  ]
  out = [
    Origin.of_all([chosen, *options])
    for options in zip(*(out for _, out in found), strict=True)
  ]
  return max((work for work, _ in found), key=lambda work: work.total), out


_STEPS = {
  'dot_general': _dot,
  'conv_general_dilated': _conv,
  'mul': _scaling,
  'scan': _scan,
  'while': _while,
  'cond': _cond,
}
