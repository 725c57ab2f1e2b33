// Both dimensions of Winograd's transforms of activations.
//
// Each output row is made from the few input rows that it needs, so that a
// whole window never has to fit the registers.
#pragma once

#include "transforms.h"

namespace elth {

// What a window is a part of: the input, or the gradient to the output.
enum class Of { kInput, kGradient };

template <int M, Of OF>
constexpr int kWindow = OF == Of::kInput ? M + 2 : M;

// Transforms the window whose row i starts at rows[i], pixels `pixel` apart;
// columns outside [FIRST, END) are zero. Position p goes to out + p * gap.
template <int M, Of OF, int FIRST, int END>
inline void transform_window(const float* const* rows, size_t pixel,
                             size_t gap, float* out) {
  constexpr int side = Winograd<M>::kSide, window = kWindow<M, OF>;
  auto d = [&](int i, int j) { return load(rows[i] + j * pixel); };
  auto inside = [](int j) { return j >= FIRST && j < END; };
  auto put = [&](int i, const Vector* row) {
    Vector o[side];
    if constexpr (OF == Of::kInput) Winograd<M>::input(row, o);
    else Winograd<M>::output_gradient(row, o);
    for (int j = 0; j < side; ++j) store(out + (i * side + j) * gap, o[j]);
  };
  // output row i, from f(column)
  auto row = [&](int i, auto f) {
    Vector v[window];
    for (int j = 0; j < window; ++j) v[j] = inside(j) ? f(j) : Vector{};
    put(i, v);
  };
  // output rows i and i + 1: the sums and the differences of f and g
  auto two_rows = [&](int i, auto f, auto g) {
    Vector sums[window], differences[window];
    for (int j = 0; j < window; ++j) {
      const Vector a = inside(j) ? f(j) : Vector{};
      const Vector b = inside(j) ? g(j) : Vector{};
      sums[j] = a + b;
      differences[j] = a - b;
    }
    put(i, sums);
    put(i + 1, differences);
  };
  if constexpr (M == 4 && OF == Of::kInput) {
    row(0, [&](int j) { return 4.f * d(0, j) + (d(4, j) - 5.f * d(2, j)); });
    two_rows(1, [&](int j) { return d(4, j) - 4.f * d(2, j); },
             [&](int j) { return d(3, j) - 4.f * d(1, j); });
    two_rows(3, [&](int j) { return d(4, j) - d(2, j); },
             [&](int j) { return 2.f * (d(3, j) - d(1, j)); });
    row(5, [&](int j) { return 4.f * d(1, j) + (d(5, j) - 5.f * d(3, j)); });
  } else if constexpr (M == 4) {
    row(0, [&](int j) { return d(0, j); });
    two_rows(1, [&](int j) { return d(0, j) + d(2, j); },
             [&](int j) { return d(1, j) + d(3, j); });
    two_rows(3, [&](int j) { return d(0, j) + 4.f * d(2, j); },
             [&](int j) { return 2.f * d(1, j) + 8.f * d(3, j); });
    row(5, [&](int j) { return d(3, j); });
  } else if constexpr (OF == Of::kInput) {
    row(0, [&](int j) { return d(0, j) - d(2, j); });
    row(1, [&](int j) { return d(1, j) + d(2, j); });
    row(2, [&](int j) { return d(2, j) - d(1, j); });
    row(3, [&](int j) { return d(1, j) - d(3, j); });
  } else {
    row(0, [&](int j) { return d(0, j); });
    two_rows(1, [&](int j) { return d(0, j); }, [&](int j) { return d(1, j); });
    row(3, [&](int j) { return -d(1, j); });
  }
}

// The inverse: put(i, row) gets row i of a tile of M x M outputs.
template <int M, class Put>
inline void inverse_window(const float* in, size_t gap, Put put) {
  constexpr int side = Winograd<M>::kSide;
  auto m = [&](int i, int j) { return load(in + (i * side + j) * gap); };
  auto row = [&](int i, auto f) {
    Vector v[side], o[M];
    for (int j = 0; j < side; ++j) v[j] = f(j);
    Winograd<M>::output(v, o);
    put(i, o);
  };
  if constexpr (M == 4) {
    Vector a[side], b[side];
    for (int j = 0; j < side; ++j) {
      a[j] = m(1, j) + m(2, j);
      b[j] = m(3, j) + m(4, j);
    }
    row(0, [&](int j) { return m(0, j) + a[j] + b[j]; });
    row(2, [&](int j) { return a[j] + 4.f * b[j]; });
    for (int j = 0; j < side; ++j) {
      a[j] = m(1, j) - m(2, j);
      b[j] = m(3, j) - m(4, j);
    }
    row(1, [&](int j) { return a[j] + 2.f * b[j]; });
    row(3, [&](int j) { return a[j] + 8.f * b[j] + m(5, j); });
  } else {
    row(0, [&](int j) { return m(0, j) + m(1, j) + m(2, j); });
    row(1, [&](int j) { return m(1, j) - m(2, j) - m(3, j); });
  }
}

}  // namespace elth
