// The innermost step of gradients to kernels: a block of products.
#pragma once

#include "lanes.h"

namespace elth {

// sums[i][k] += a_i b_k, by lane, where the a_i are `a_step` floats apart and
// the b_k `b_step`.
inline void add_products(const float* a, size_t a_step, const float* b,
                         size_t b_step, Vector* sums) {
  Vector y[kColumns];
  for (int k = 0; k < kColumns; ++k) {
    y[k] = load(b + k * b_step);
    ELTH_PIN(y[k]);
  }
  for (int i = 0; i < kRows; ++i) {
    Vector x = load(a + i * a_step);
    ELTH_PIN(x);
    for (int k = 0; k < kColumns; ++k) sums[i * kColumns + k] += x * y[k];
  }
}

// Adds the sum of the lanes of each of a block's vectors to `to`.
inline void add_sums(Vector* sums, float* to) {
  for (int part = 0; part < kRows * kColumns; part += kLanes)
    store(to + part, load(to + part) + sums_of_lanes(sums + part));
}

}  // namespace elth
