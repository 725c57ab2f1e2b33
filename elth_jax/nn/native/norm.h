// Batch normalisation with the residual sum and ReLU that follow it:
//   z = relu(scale (x - mean) / deviation + bias + residual)
// in one pass forward after that for the sums, and two backward. The gradient
// passes the ReLU where z is positive; without a residual, z is computed again
// from x, which is read anyway.
#pragma once

#include <vector>

#include "sums.h"

namespace elth {

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

inline Vector scaled(Vector x, float factor, float shift) {
  return x * factor + shift;
}

// The sums of w x and of w x x; w is 1 for examples that count, 0 for padding:
// (groups, examples).
inline void norm_sums(const float* x, const float* valid, float* sums,
                      const Shape& shape) {
  ChannelSums totals(valid, shape);
  totals.add_all(x, 0, shape.groups);
  totals.write(sums);
}

// z = x factor + shift (+ residual), perhaps with ReLU; `affine` holds factor
// and shift: (2, channels). No residual: null.
inline void norm_apply(const float* x, const float* affine,
                       const float* residual, float* z, bool with_relu,
                       const Shape& shape) {
  const float* shifts = affine + shape.channels;
  auto put = [&](auto finish) {
    for_each_pixel(shape, [=](size_t at, int lanes, int, int, int c) {
      const Vector v = scaled(load(x + at, lanes), affine[c], shifts[c]);
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

// What the gradient needs to pass a normalisation, for activations x of a shape.
struct NormGradient {
  const float *dz, *x, *z;  // z is null where x says where it is positive
  const float* affine;      // factors and shifts, as `norm_apply` has them
  bool relu;
  Shape shape;

  // Calls f with `g`: (place, lanes, channel) -> the gradient within the ReLU.
  template <class F>
  void within_relu(F f) const {
    const NormGradient& of = *this;
    const float* shifts = affine + shape.channels;
    if (!relu)
      f([=](size_t at, int lanes, int) { return load(of.dz + at, lanes); });
    else if (z != nullptr)
      f([=](size_t at, int lanes, int) {
        return where_positive(load(of.z + at, lanes), load(of.dz + at, lanes));
      });
    else
      f([=](size_t at, int lanes, int c) {
        const Vector v = scaled(load(of.x + at, lanes), of.affine[c], shifts[c]);
        return where_positive(v, load(of.dz + at, lanes));
      });
  }

  // The sums of g and of g (x - mean) / deviation; `statistics` holds mean and
  // 1 / deviation: (2, channels).
  void sum(const float* statistics, float* sums) const {
    const float* inverses = statistics + shape.channels;
    const float* from = x;
    within_relu([&](auto gradient) {
      sum_by_channel(shape, sums, [=](size_t at, int lanes, int, int, int c,
                                      Vector& first, Vector& second) {
        const Vector g = gradient(at, lanes, c);
        first += g;
        second += g * ((load(from + at, lanes) - statistics[c]) * inverses[c]);
      });
    });
  }
};

// The gradient to x: a g - w (b + c x); w is 1 for examples that count, `terms`
// hold a, b and c: (3, channels). Writes g too, as the gradient to the
// residual, unless `dresidual` is null; that may be dz's own place.
struct NormInputGradient {
  NormGradient of;
  const float *valid, *terms;
  float* dresidual;

  // Rows [begin, end) of groups [group, group + groups), to an array that
  // starts with the first of these groups.
  void write(int group, int groups, int begin, int end, float* to) const {
    const size_t before = group * of.shape.group();
    of.within_relu([&](auto gradient) {
      if (dresidual != nullptr)
        write_rows(group, groups, begin, end, to - before,
                   [=](size_t at, int lanes, int c) {
                     const Vector g = gradient(at, lanes, c);
                     store(dresidual + at, g, lanes);
                     return g;
                   });
      else
        write_rows(group, groups, begin, end, to - before, gradient);
    });
  }

 private:
  template <class F>
  void write_rows(int group, int groups, int begin, int end, float* to,
                  F gradient) const {
    const Shape& shape = of.shape;
    const float* x = of.x;
    const int pixels = (end - begin) * shape.width;
    for (int g = group; g < group + groups; ++g)
      for (int c = 0; c < shape.channels; ++c)
        for (int b = 0; b < shape.blocks(); ++b) {
          size_t at = g * shape.group() + c * shape.plane() +
                      begin * shape.row() + b * kLanes;
          const Vector w = load(
              valid + static_cast<size_t>(g) * shape.examples + b * kLanes,
              shape.lanes(b));
          const float slope = terms[c], constant = terms[shape.channels + c];
          const float by_x = terms[2 * shape.channels + c];
          auto put = [&](int lanes) {
            for (int p = 0; p < pixels; ++p, at += shape.examples) {
              const Vector rest = constant + by_x * load(x + at, lanes);
              store(to + at, gradient(at, lanes, c) * slope - w * rest, lanes);
            }
          };
          if (shape.lanes(b) == kLanes) put(kLanes);
          else put(shape.lanes(b));
        }
  }
};

}  // namespace elth
