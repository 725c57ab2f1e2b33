// The transforms of Winograd's minimal filtering F(M x M, 3 x 3).
//
// One dimension: y = A^T [(G g) * (B^T d)], for a window d of M + 2 inputs, a
// kernel g of 3 and M outputs y. In two dimensions every transform is applied
// to columns and to rows.
//
// References:
//   Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016.
#pragma once

#include "lanes.h"

namespace elth {

template <int M>
struct Winograd;

// Points 0, 1, -1, 2, -2 and infinity.
template <>
struct Winograd<4> {
  static constexpr int kSide = 6;

  // B^T: 6 to 6
  static inline void input(const Vector* d, Vector* o) {
    const Vector a = d[4] - 4.f * d[2], b = d[3] - 4.f * d[1];
    const Vector c = d[4] - d[2], e = 2.f * (d[3] - d[1]);
    o[0] = 4.f * d[0] + (d[4] - 5.f * d[2]);
    o[1] = a + b;
    o[2] = a - b;
    o[3] = c + e;
    o[4] = c - e;
    o[5] = 4.f * d[1] + (d[5] - 5.f * d[3]);
  }
  // A^T: 6 to 4
  static inline void output(const Vector* m, Vector* o) {
    const Vector p = m[1] + m[2], r = m[1] - m[2];
    const Vector u = m[3] + m[4], v = m[3] - m[4];
    o[0] = m[0] + p + u;
    o[1] = r + 2.f * v;
    o[2] = p + 4.f * u;
    o[3] = r + 8.f * v + m[5];
  }
  // A: 4 to 6
  static inline void output_gradient(const Vector* y, Vector* o) {
    const Vector p = y[0] + y[2], r = y[1] + y[3];
    const Vector u = y[0] + 4.f * y[2], v = 2.f * y[1] + 8.f * y[3];
    o[0] = y[0];
    o[1] = p + r;
    o[2] = p - r;
    o[3] = u + v;
    o[4] = u - v;
    o[5] = y[3];
  }
  // G: 3 to 6
  static inline void kernel(const Vector* g, Vector* o) {
    const Vector p = (g[0] + g[2]) * (-1.f / 6), r = g[1] * (-1.f / 6);
    const Vector u = g[0] * (1.f / 24) + g[2] * (1.f / 6);
    const Vector v = g[1] * (1.f / 12);
    o[0] = g[0] * .25f;
    o[1] = p + r;
    o[2] = p - r;
    o[3] = u + v;
    o[4] = u - v;
    o[5] = g[2];
  }
  // G^T: 6 to 3
  static inline void kernel_gradient(const Vector* m, Vector* o) {
    const Vector p = m[1] + m[2], r = m[1] - m[2];
    const Vector u = m[3] + m[4], v = m[3] - m[4];
    o[0] = .25f * m[0] - p * (1.f / 6) + u * (1.f / 24);
    o[1] = v * (1.f / 12) - r * (1.f / 6);
    o[2] = u * (1.f / 6) - p * (1.f / 6) + m[5];
  }
};

// Points 0, 1, -1 and infinity.
template <>
struct Winograd<2> {
  static constexpr int kSide = 4;

  static inline void input(const Vector* d, Vector* o) {
    o[0] = d[0] - d[2];
    o[1] = d[1] + d[2];
    o[2] = d[2] - d[1];
    o[3] = d[1] - d[3];
  }
  static inline void output(const Vector* m, Vector* o) {
    o[0] = m[0] + m[1] + m[2];
    o[1] = m[1] - m[2] - m[3];
  }
  static inline void output_gradient(const Vector* y, Vector* o) {
    o[0] = y[0];
    o[1] = y[0] + y[1];
    o[2] = y[0] - y[1];
    o[3] = -y[1];
  }
  static inline void kernel(const Vector* g, Vector* o) {
    const Vector p = .5f * (g[0] + g[2]), r = .5f * g[1];
    o[0] = g[0];
    o[1] = p + r;
    o[2] = p - r;
    o[3] = g[2];
  }
  static inline void kernel_gradient(const Vector* m, Vector* o) {
    o[0] = m[0] + .5f * (m[1] + m[2]);
    o[1] = .5f * (m[1] - m[2]);
    o[2] = .5f * (m[1] + m[2]) + m[3];
  }
};

// The outputs a side of a tile: fewer products of numbers for an image, and
// the more exact tile where both need as many.
inline int winograd_tile(int height, int width) {
  auto products = [&](int m) {
    const int tiles = ((height + m - 1) / m) * ((width + m - 1) / m);
    return tiles * (m + 2) * (m + 2);
  };
  return products(4) < products(2) ? 4 : 2;
}

}  // namespace elth
