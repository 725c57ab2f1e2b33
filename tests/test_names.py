from elth_jax.names import unknown


def test_the_nearest_and_all_known_are_listed():
  text = unknown('method', 'synflw', ['snip', 'synflow'])
  assert text == (
    "unknown method 'synflw'; did you mean 'synflow'? known: snip, synflow"
  )
  assert 'mean' not in unknown('method', 'zzz', ['snip'])
