// What XLA calls: handlers that read shapes, choose a kernel and run it.
//
// Shapes are checked where the calls are made (`calls.py`).
#include "direct.h"
#include "norm.h"
#include "winograd.h"
#include "xla/ffi/api/ffi.h"

namespace elth {
namespace {

namespace ffi = xla::ffi;
using Buffer = ffi::Buffer<ffi::F32>;
using Result = ffi::Result<Buffer>;

Shape shape_of(const Buffer& x) {
  const auto d = x.dimensions();
  return {static_cast<int>(d[0]), static_cast<int>(d[1]),
          static_cast<int>(d[2]), static_cast<int>(d[3]),
          static_cast<int>(d[4])};
}

int dimension(const Buffer& x, int number) {
  return static_cast<int>(x.dimensions()[number]);
}

// Winograd's windows cost more than they save with fewer channels than these.
constexpr int kFewChannels = 4;

// The side of Winograd's tiles, or 0 for direct sums.
int tile_of(const Shape& shape, int channels, int size, int stride) {
  if (size != 3 || stride != 1 || channels < kFewChannels) return 0;
  return winograd_tile(shape.height, shape.width);
}

ffi::Error forward(Buffer x, Buffer kernel, Result y, int64_t stride) {
  const Shape shape = shape_of(x);
  const int size = dimension(kernel, 0), out = dimension(kernel, 3);
  const float *from = x.typed_data(), *by = kernel.typed_data();
  float* to = y->typed_data();
  switch (tile_of(shape, shape.channels, size, stride)) {
    case 4: winograd_forward<4>(from, by, to, shape, out, false); break;
    case 2: winograd_forward<2>(from, by, to, shape, out, false); break;
    default: direct_forward(from, by, to, shape, out, size, stride);
  }
  return ffi::Error::Success();
}

ffi::Error input_gradient(Buffer dy, Buffer kernel, Result dx,
                          int64_t stride) {
  const Shape shape = shape_of(*dx);
  const int size = dimension(kernel, 0), out = dimension(kernel, 3);
  const float *from = dy.typed_data(), *by = kernel.typed_data();
  float* to = dx->typed_data();
  const int in = shape.channels;
  switch (tile_of(shape, out, size, stride)) {
    case 4: winograd_forward<4>(from, by, to, shape_of(dy), in, true); break;
    case 2: winograd_forward<2>(from, by, to, shape_of(dy), in, true); break;
    default: direct_input_gradient(from, by, to, shape, out, size, stride);
  }
  return ffi::Error::Success();
}

ffi::Error kernel_gradient(Buffer x, Buffer dy, Result gradient,
                           int64_t stride) {
  const Shape shape = shape_of(x);
  const int size = dimension(*gradient, 0), out = dimension(dy, 1);
  const float *from = x.typed_data(), *by = dy.typed_data();
  float* to = gradient->typed_data();
  switch (tile_of(shape, shape.channels, size, stride)) {
    case 4: winograd_kernel_gradient<4>(from, by, to, shape, out); break;
    case 2: winograd_kernel_gradient<2>(from, by, to, shape, out); break;
    default: direct_kernel_gradient(from, by, to, shape, out, size, stride);
  }
  return ffi::Error::Success();
}

ffi::Error sums(Buffer x, Buffer weights, Result out) {
  norm_sums(x.typed_data(), weights.typed_data(), out->typed_data(),
            shape_of(x));
  return ffi::Error::Success();
}

// A residual or a gradient to one that is not there is an empty array.
ffi::Error apply(Buffer x, Buffer affine, Buffer residual, Result z,
                 bool relu) {
  const bool some = residual.element_count() > 0;
  norm_apply(x.typed_data(), affine.typed_data(),
             some ? residual.typed_data() : nullptr, z->typed_data(), relu,
             shape_of(x));
  return ffi::Error::Success();
}

ffi::Error gradient_sums(Buffer dz, Buffer x, Buffer z, Buffer statistics,
                         Result out, bool relu) {
  norm_gradient_sums(dz.typed_data(), x.typed_data(), z.typed_data(),
                     statistics.typed_data(), out->typed_data(), relu,
                     shape_of(x));
  return ffi::Error::Success();
}

ffi::Error norm_gradient(Buffer dz, Buffer x, Buffer z, Buffer weights,
                         Buffer terms, Result dx, Result dresidual,
                         bool relu) {
  const bool some = dresidual->element_count() > 0;
  norm_input_gradient(dz.typed_data(), x.typed_data(), z.typed_data(),
                      weights.typed_data(), terms.typed_data(),
                      dx->typed_data(),
                      some ? dresidual->typed_data() : nullptr, relu,
                      shape_of(x));
  return ffi::Error::Success();
}

auto convolution() {
  return ffi::Ffi::Bind().Arg<Buffer>().Arg<Buffer>().Ret<Buffer>().Attr<
      int64_t>("stride");
}

}  // namespace
}  // namespace elth

#pragma GCC visibility push(default)
XLA_FFI_DEFINE_HANDLER_SYMBOL(elth_forward, elth::forward,
                              elth::convolution());
XLA_FFI_DEFINE_HANDLER_SYMBOL(elth_input_gradient, elth::input_gradient,
                              elth::convolution());
XLA_FFI_DEFINE_HANDLER_SYMBOL(elth_kernel_gradient, elth::kernel_gradient,
                              elth::convolution());
XLA_FFI_DEFINE_HANDLER_SYMBOL(elth_norm_sums, elth::sums,
                              xla::ffi::Ffi::Bind()
                                  .Arg<elth::Buffer>()
                                  .Arg<elth::Buffer>()
                                  .Ret<elth::Buffer>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(elth_norm_apply, elth::apply,
                              xla::ffi::Ffi::Bind()
                                  .Arg<elth::Buffer>()
                                  .Arg<elth::Buffer>()
                                  .Arg<elth::Buffer>()
                                  .Ret<elth::Buffer>()
                                  .Attr<bool>("relu"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(elth_norm_gradient_sums, elth::gradient_sums,
                              xla::ffi::Ffi::Bind()
                                  .Arg<elth::Buffer>()
                                  .Arg<elth::Buffer>()
                                  .Arg<elth::Buffer>()
                                  .Arg<elth::Buffer>()
                                  .Ret<elth::Buffer>()
                                  .Attr<bool>("relu"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(elth_norm_gradient, elth::norm_gradient,
                              xla::ffi::Ffi::Bind()
                                  .Arg<elth::Buffer>()
                                  .Arg<elth::Buffer>()
                                  .Arg<elth::Buffer>()
                                  .Arg<elth::Buffer>()
                                  .Arg<elth::Buffer>()
                                  .Ret<elth::Buffer>()
                                  .Ret<elth::Buffer>()
                                  .Attr<bool>("relu"));
#pragma GCC visibility pop
