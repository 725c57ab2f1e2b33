"""Functions in float64, whatever dtypes they name.

Under `jax.enable_x64` a model that is given float64 computes in it, unless it
names another dtype (`nn.Dense(dtype=jnp.bfloat16)`, `x.astype(jnp.float32)`).
Such a model's jaxpr is evaluated here with every floating dtype widened.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core

from elth_jax.process.older_jax import inner_jaxprs

# calls, which are evaluated in place: name of the primitive -> its jaxpr
_CALLS = {
  'jit': 'jaxpr',
  'pjit': 'jaxpr',
  'closed_call': 'call_jaxpr',
  'core_call': 'call_jaxpr',
  'checkpoint': 'jaxpr',
  'remat': 'jaxpr',
  'remat2': 'jaxpr',
  'custom_jvp_call': 'call_jaxpr',
  'custom_vjp_call': 'call_jaxpr',
}
_PRODUCTS = ('dot_general', 'conv_general_dilated')


def in_float64(function: Callable[..., Any], *args: Any) -> Any:
  """`function(*args)` with every floating number in float64.

  A function that computes in float64 by itself is left as it is. If it takes
  derivatives these are widened with it, custom rules included. Constants keep
  the digits of the dtype that they were written in (those of a GELU in
  bfloat16, say).

  Args:
    function: of trees of arrays; called under `jax.enable_x64(True)`.
    *args: arrays or tracers, floating ones in float64.

  Raises:
    ValueError: naming an operation that cannot be widened.
  """
  closed, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
  leaves = jax.tree.leaves(args)
  if all(map(_is_wide, _equations(closed.jaxpr))):
    out = core.jaxpr_as_fun(closed)(*leaves)
  else:
    out = _evaluate(closed.jaxpr, closed.consts, leaves)
  return jax.tree.unflatten(jax.tree.structure(shapes), out)


def _equations(jaxpr: core.Jaxpr) -> Iterator[core.JaxprEqn]:
  """All equations, those of inner jaxprs included."""
  for equation in jaxpr.eqns:
    yield equation
    for inner in inner_jaxprs(equation.params):
      yield from _equations(inner)


def _is_wide(equation: core.JaxprEqn) -> bool:
  """Whether an equation has no floating number but in float64."""
  atoms = (*equation.invars, *equation.outvars)
  dtypes = [getattr(atom.aval, 'dtype', None) for atom in atoms]
  rounds = equation.primitive.name == 'reduce_precision'
  return not rounds and all(_wide(dtype) == dtype for dtype in dtypes)


def _wide(dtype: Any) -> Any:
  """float64 or complex128 for a floating or complex dtype; else as it is."""
  if dtype is None or not jnp.issubdtype(dtype, jnp.inexact):
    return dtype
  is_complex = jnp.issubdtype(dtype, jnp.complexfloating)
  return np.dtype(np.complex128 if is_complex else np.float64)


def _widened(value: Any) -> Any:
  dtype = jnp.result_type(value)
  return value if _wide(dtype) == dtype else jnp.asarray(value, _wide(dtype))


def _evaluate(
  jaxpr: core.Jaxpr, consts: Sequence[Any], args: Sequence[Any]
) -> list[Any]:
  """The jaxpr's outputs, every floating dtype in it widened."""
  values = dict(
    zip(
      (*jaxpr.constvars, *jaxpr.invars),
      map(_widened, (*consts, *args)),
      strict=True,
    )
  )

  def read(atom: Any):
    if isinstance(atom, core.Literal):
      aval: Any = atom.aval
      return np.asarray(atom.val, _wide(aval.dtype))
    return values[atom]

  for equation in jaxpr.eqns:
    out = _apply(equation, [read(atom) for atom in equation.invars])
    values.update(zip(equation.outvars, out, strict=True))
  return [read(atom) for atom in jaxpr.outvars]


def _apply(equation: core.JaxprEqn, args: list[Any]) -> Sequence[Any]:
  name, params = equation.primitive.name, equation.params
  if name in _CALLS:
    return _call(params[_CALLS[name]])(*args)
  if name in _CONTROL:
    return _CONTROL[name](params, args)
  if name == 'reduce_precision':
    return args[:1]
  if name == 'bitcast_convert_type' and not _is_wide(equation):
    raise _refused(name, 'it reads the bits of a number')
  try:
    params = {key: _wide_param(value) for key, value in params.items()}
    if name in _PRODUCTS:
      params['precision'] = None  # an algorithm may name a dtype
    out = equation.primitive.bind(*args, **params)
  except (TypeError, NotImplementedError, AttributeError) as error:
    raise _refused(name, str(error).partition('\n')[0]) from error
  return out if equation.primitive.multiple_results else [out]


def _refused(name: str, reason: str) -> ValueError:
  return ValueError(
    f'the model computes {name} in a dtype of its own, and this cannot be '
    f'widened to float64: {reason}; give the same model without a dtype'
  )


def _call(jaxpr: Any) -> Callable[..., list[Any]]:
  """A jaxpr, closed or not, as a function of arrays in float64."""
  if isinstance(jaxpr, core.ClosedJaxpr):
    return lambda *args: _evaluate(jaxpr.jaxpr, jaxpr.consts, args)
  return lambda *args: _evaluate(jaxpr, (), args)


def _wide_param(value: Any) -> Any:
  """A parameter of an equation: a dtype, or the jaxpr of a reduction."""
  if isinstance(value, core.ClosedJaxpr | core.Jaxpr):
    inner = value.jaxpr if isinstance(value, core.ClosedJaxpr) else value
    avals: list[Any] = [var.aval for var in inner.invars]
    shapes = [jax.ShapeDtypeStruct(a.shape, _wide(a.dtype)) for a in avals]
    wide = jax.make_jaxpr(_call(value))(*shapes)
    return wide if isinstance(value, core.ClosedJaxpr) else wide.jaxpr
  return _wide(value) if isinstance(value, np.dtype) else value


def _scan(params, args):
  consts, carried = params['num_consts'], params['num_carry']
  body = _call(params['jaxpr'])

  def step(carry, xs):
    out = body(*args[:consts], *carry, *xs)
    return out[:carried], out[carried:]

  carry, out = lax.scan(
    step,
    args[consts : consts + carried],
    args[consts + carried :],
    params['length'],
    params['reverse'],
    params['unroll'],
  )
  return [*carry, *out]


def _while(params, args):
  first = params['cond_nconsts']
  second = first + params['body_nconsts']
  test, step = _call(params['cond_jaxpr']), _call(params['body_jaxpr'])
  return lax.while_loop(
    lambda carry: test(*args[:first], *carry)[0],
    lambda carry: step(*args[first:second], *carry),
    args[second:],
  )


def _cond(params, args):
  index, *operands = args
  return lax.switch(index, [_call(b) for b in params['branches']], *operands)


_CONTROL = {'scan': _scan, 'while': _while, 'cond': _cond}
