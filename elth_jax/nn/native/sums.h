// Sums by channel of activations and of their squares, for normalisation.
#pragma once

#include <vector>

#include "lanes.h"

namespace elth {

// Accumulators of a plane, so that additions do not wait for one another.
constexpr int kParallel = 4;

// Sums of w v and of w v v, where w is 1 for examples that count: (groups,
// examples). Lanes are added in float32 for a while, and in float64 by `flush`.
class ChannelSums {
 public:
  ChannelSums(const float* valid, const Shape& shape)
      : valid_(valid),
        shape_(shape),
        lanes_(2 * shape.channels),
        totals_(2 * shape.channels, 0.) {}

  // What was found in one group and block of lanes, not weighted yet.
  void add(int channel, int group, int block, Vector sum, Vector squares) {
    const size_t at =
        static_cast<size_t>(group) * shape_.examples + block * kLanes;
    const Vector w = load(valid_ + at, shape_.lanes(block));
    lanes_[channel].v += w * sum;
    lanes_[shape_.channels + channel].v += w * squares;
  }

  // All of some groups of y, an array of the whole shape.
  void add_all(const float* y, int first, int groups) {
    const int pixels = shape_.height * shape_.width;
    for (int g = first; g < first + groups; ++g)
      for (int c = 0; c < shape_.channels; ++c)
        for (int b = 0; b < shape_.blocks(); ++b) {
          const float* at =
              y + g * shape_.group() + c * shape_.plane() + b * kLanes;
          const int lanes = shape_.lanes(b);
          Vector sum[kParallel] = {}, squares[kParallel] = {};
          auto see = [&](int k, int p, int count) {
            const Vector v =
                load(at + static_cast<size_t>(p) * shape_.examples, count);
            sum[k] += v, squares[k] += v * v;
          };
          auto see_all = [&](int count) {
            int p = 0;
            for (; p + kParallel <= pixels; p += kParallel)
              for (int k = 0; k < kParallel; ++k) see(k, p + k, count);
            for (; p < pixels; ++p) see(0, p, count);
          };
          if (lanes == kLanes) see_all(kLanes);
          else see_all(lanes);
          add(c, g, b, (sum[0] + sum[1]) + (sum[2] + sum[3]),
              (squares[0] + squares[1]) + (squares[2] + squares[3]));
        }
  }

  // Writes both sums: (2, channels).
  void write(float* to) {
    flush();
    for (size_t i = 0; i < totals_.size(); ++i)
      to[i] = static_cast<float>(totals_[i]);
  }

 private:
  struct Lanes {
    Vector v = {};
  };

  void flush() {
    for (size_t i = 0; i < totals_.size(); ++i) {
      totals_[i] += sum_of_lanes(lanes_[i].v);
      lanes_[i].v = Vector{};
    }
  }

  const float* valid_;
  Shape shape_;
  std::vector<Lanes> lanes_;
  std::vector<double> totals_;
};

}  // namespace elth
