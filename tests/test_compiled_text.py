"""What is read from a compiled program's text, on programs of this CPU."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from elth_jax import aot
from elth_jax.aot.hlo import Program

TPU_TEXT = """\
HloModule jit_segment, input_output_alias={ {0}: (0, {}, may-alias) }

%taken (p0: f32[100,8], p1: s32[]) -> f32[1,8] {
  %p0 = f32[100,8]{1,0:T(8,128)} parameter(0)
  %p1 = s32[]{:T(128)} parameter(1)
  ROOT %row = f32[1,8]{1,0} dynamic-slice(%p0, %p1, %p1), sizes={1,8}
}

%inner_condition (t: (s32[], f32[8])) -> pred[] {
  %t = (s32[], f32[8]) parameter(0)
  %i = s32[] get-tuple-element(%t), index=0
  %most = s32[]{:T(128)} constant(16)
  ROOT %less = pred[] compare(%i, %most), direction=LT
}

%inner_body (t: (s32[], f32[8])) -> (s32[], f32[8]) {
  %t = (s32[], f32[8]) parameter(0)
  %x = f32[8]{0} get-tuple-element(%t), index=1
  %y = f32[8]{0} negate(%x), backend_config={"estimated_cycles":"10"}
  ROOT %u = (s32[], f32[8]) tuple(%t, %y)
}

%step_condition (t: (s32[], s32[], f32[100,8])) -> pred[] {
  %t = (s32[], s32[], f32[100,8]) parameter(0)
  %i = s32[] get-tuple-element(%t), index=0
  %stop = s32[] get-tuple-element(%t), index=1
  ROOT %less = pred[] compare(%i, %stop), direction=LT
}

%step_body (t: (s32[], s32[], f32[100,8])) -> (s32[], s32[], f32[100,8]) {
  %t = (s32[], s32[], /*index=1*/s32[], f32[100,8]) parameter(0)
  %data = f32[100,8]{1,0:T(8,128)} get-tuple-element(%t), index=2
  %i = s32[] get-tuple-element(%t), index=0
  %row = f32[1,8]{1,0:T(8,128)S(1)} fusion(%data, %i), kind=kLoop, \
calls=%taken, backend_config={"estimated_cycles":"100"}
  %w = (s32[], f32[8]) while(%i), condition=%inner_condition, body=%inner_body
  ROOT %u = (s32[], s32[], f32[100,8]) tuple(%i, %i, %data)
}

ENTRY %main (a: f32[100,8]) -> f32[100,8] {
  %a = f32[100,8]{1,0} parameter(0)
  %c = f32[100,8]{0,1} copy(%a), backend_config={"estimated_cycles":"7"}
  ROOT %w = (s32[], s32[], f32[100,8]) while(%c), condition=%step_condition, \
body=%step_body
}
"""


def text(function, *args, **options):
  return jax.jit(function, **options).lower(*args).compile().as_text()


def test_cycles_and_bytes_of_a_step_count_loops_inside_it_by_their_trips():
  program = Program(TPU_TEXT)
  assert [loop.trips for loop in program.loops()] == [None, 16]
  assert [loop.body for loop in program.inner_loops()] == ['inner_body']
  # a row of the data and an index are read; what is on the chip is free
  inner = 16 * (32 + 32)
  assert program.step_cost == aot.Cost(100 + 16 * 10, 32 + 4 + inner)
  outside = program.cost_outside(program.step_loop())
  assert outside == aot.Cost(7, 2 * 3200)
  assert program.entry_copies(3200) == ['c']
  assert program.entry_copies(3201) == []
  assert program.donated() == 1


def test_a_loop_around_the_steps_repeats_them():
  def one(stop):
    return lax.while_loop(lambda i: i < stop, lambda i: i + 2, jnp.int32(0))

  program = Program(text(lambda stops: lax.map(one, stops), np.arange(5)))
  (around,) = program.step_loop().outer
  assert around.trips == 5
  assert program.step_loop().outer_trips == 5
  assert not program.inner_loops()


def test_a_program_without_a_loop_of_steps_is_refused():
  program = Program(text(lambda x: x + 1, 1.0))
  with pytest.raises(ValueError, match='0 loops end by data'):
    program.step_loop()
  with pytest.raises(ValueError, match='no ENTRY'):
    Program('nothing')


def test_convolutions_calls_of_the_host_and_donation_are_found():
  images, kernel = np.ones((2, 4, 4, 6)), np.ones((3, 3, 2, 6))

  def conv(x):
    dims = 'NHWC', 'HWIO', 'NHWC'
    return lax.conv_general_dilated(
      x, kernel, (1, 1), 'SAME', None, None, dims, feature_group_count=3
    )

  def seen(x):
    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return jax.pure_callback(lambda x: x, shape, x)

  found = Program(text(conv, images, donate_argnums=0))
  assert found.convolutions() == {'convolution, 3 groups': 1}
  assert found.donated() == 1
  assert not found.host_calls()
  assert Program(text(seen, images)).host_calls()


def test_what_devices_exchange_is_counted():
  mesh = jax.make_mesh((2,), ('d',), (jax.sharding.AxisType.Auto,))
  spread = jax.sharding.PartitionSpec('d')
  total = jax.shard_map(
    lambda x: lax.psum(x, 'd'), mesh=mesh, in_specs=spread, out_specs=spread
  )
  assert Program(text(total, np.ones(4))).collectives() == {'all-reduce': 1}
