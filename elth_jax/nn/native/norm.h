// Batch normalisation with the residual sum and ReLU that follow it:
//   z = relu(scale (x - mean) / deviation + bias + residual)
// in one pass forward after that for the sums, and two backward.
#pragma once

#include <vector>

#include "lanes.h"

namespace elth {

// Accumulators of a plane, so that additions do not wait for one another.
constexpr int kParallel = 4;

// Calls f(place, lanes, group, block, channel) for all pixels of all planes;
// `lanes` is known to the compiler where blocks are full.
template <class F>
inline void for_each_pixel(const Shape& shape, F f) {
  const int pixels = shape.height * shape.width;
  for (int g = 0; g < shape.groups; ++g)
    for (int c = 0; c < shape.channels; ++c)
      for (int b = 0; b < shape.blocks(); ++b) {
        size_t at = g * shape.group() + c * shape.plane() + b * kLanes;
        const int lanes = shape.lanes(b);
        if (lanes == kLanes) {
          for (int p = 0; p < pixels; ++p, at += shape.examples)
            f(at, kLanes, g, b, c);
        } else {
          for (int p = 0; p < pixels; ++p, at += shape.examples)
            f(at, lanes, g, b, c);
        }
      }
}

// Two sums by channel, out[0][channel] and out[1][channel], over all else.
// f(place, lanes, group, block, channel, first, second) adds to two vectors.
// Sums over planes are of float64.
template <class F>
inline void sum_by_channel(const Shape& shape, float* out, F f) {
  const int pixels = shape.height * shape.width;
  std::vector<double> totals(2 * shape.channels, 0.);
  for (int g = 0; g < shape.groups; ++g)
    for (int c = 0; c < shape.channels; ++c)
      for (int b = 0; b < shape.blocks(); ++b) {
        const size_t at = g * shape.group() + c * shape.plane() + b * kLanes;
        Vector first[kParallel] = {}, second[kParallel] = {};
        auto add = [&](int lanes) {
          int p = 0;
          for (; p + kParallel <= pixels; p += kParallel)
            for (int k = 0; k < kParallel; ++k)
              f(at + static_cast<size_t>(p + k) * shape.examples, lanes, g, b,
                c, first[k], second[k]);
          for (; p < pixels; ++p)
            f(at + static_cast<size_t>(p) * shape.examples, lanes, g, b, c,
              first[0], second[0]);
        };
        if (shape.lanes(b) == kLanes) add(kLanes);
        else add(shape.lanes(b));
        totals[c] += sum_of_lanes((first[0] + first[1]) +
                                  (first[2] + first[3]));
        totals[shape.channels + c] += sum_of_lanes(
            (second[0] + second[1]) + (second[2] + second[3]));
      }
  for (size_t i = 0; i < totals.size(); ++i)
    out[i] = static_cast<float>(totals[i]);
}

// Zero where v is negative; NaN stays, so that divergence is seen.
inline Vector relu(Vector v) {
  return (Vector)((Integers)v & ~(Integers)(v < Vector{}));
}

// v where z is positive, else zero.
inline Vector where_positive(Vector z, Vector v) {
  return (Vector)((Integers)v & (Integers)(z > Vector{}));
}

// The sums of w x and of w x x, for weights w of examples: (groups, examples).
inline void norm_sums(const float* x, const float* weights, float* sums,
                      const Shape& shape) {
  sum_by_channel(shape, sums, [=](size_t at, int lanes, int g, int b, int,
                                  Vector& first, Vector& second) {
    const Vector v = load(x + at, lanes);
    const Vector w = load(
        weights + static_cast<size_t>(g) * shape.examples + b * kLanes, lanes);
    const Vector product = v * w;
    first += product;
    second += product * v;
  });
}

// z = x factor + shift (+ residual), perhaps with ReLU; `affine` holds factor
// and shift: (2, channels). No residual: null.
inline void norm_apply(const float* x, const float* affine,
                       const float* residual, float* z, bool with_relu,
                       const Shape& shape) {
  const float* shifts = affine + shape.channels;
  auto put = [&](auto finish) {
    for_each_pixel(shape, [=](size_t at, int lanes, int, int, int c) {
      const Vector v = load(x + at, lanes) * affine[c] + shifts[c];
      store(z + at, finish(v, at, lanes), lanes);
    });
  };
  if (residual != nullptr && with_relu)
    put([=](Vector v, size_t at, int lanes) {
      return relu(v + load(residual + at, lanes));
    });
  else if (residual != nullptr)
    put([=](Vector v, size_t at, int lanes) {
      return v + load(residual + at, lanes);
    });
  else if (with_relu)
    put([](Vector v, size_t, int) { return relu(v); });
  else
    put([](Vector v, size_t, int) { return v; });
}

// The sums of g and of g (x - mean) / deviation, where g is dz, through the
// ReLU; `statistics` holds mean and 1 / deviation: (2, channels).
inline void norm_gradient_sums(const float* dz, const float* x, const float* z,
                               const float* statistics, float* sums,
                               bool with_relu, const Shape& shape) {
  const float* inverses = statistics + shape.channels;
  auto put = [&](auto through) {
    sum_by_channel(shape, sums, [=](size_t at, int lanes, int, int, int c,
                                    Vector& first, Vector& second) {
      const Vector g = through(load(dz + at, lanes), at, lanes);
      first += g;
      second += g * ((load(x + at, lanes) - statistics[c]) * inverses[c]);
    });
  };
  if (with_relu)
    put([=](Vector g, size_t at, int lanes) {
      return where_positive(load(z + at, lanes), g);
    });
  else
    put([](Vector g, size_t, int) { return g; });
}

// dx = a g - w (b + c x), where g is dz, through the ReLU, and w the weights of
// examples; `terms` holds a, b and c: (3, channels). Writes g too, as the
// gradient to the residual, unless `dresidual` is null.
inline void norm_input_gradient(const float* dz, const float* x, const float* z,
                                const float* weights, const float* terms,
                                float* dx, float* dresidual, bool with_relu,
                                const Shape& shape) {
  const float *b_terms = terms + shape.channels,
              *c_terms = terms + 2 * shape.channels;
  auto put = [&](auto through) {
    for_each_pixel(shape, [=](size_t at, int lanes, int g, int b, int c) {
      const Vector gradient = through(load(dz + at, lanes), at, lanes);
      const Vector w = load(
          weights + static_cast<size_t>(g) * shape.examples + b * kLanes,
          lanes);
      const Vector rest = b_terms[c] + c_terms[c] * load(x + at, lanes);
      store(dx + at, gradient * terms[c] - w * rest, lanes);
    });
  };
  if (with_relu && dresidual != nullptr)
    put([=](Vector g, size_t at, int lanes) {
      const Vector gradient = where_positive(load(z + at, lanes), g);
      store(dresidual + at, gradient, lanes);
      return gradient;
    });
  else if (with_relu)
    put([=](Vector g, size_t at, int lanes) {
      return where_positive(load(z + at, lanes), g);
    });
  else
    put([](Vector g, size_t, int) { return g; });
}

}  // namespace elth
