// What XLA calls: handlers that read shapes, choose a kernel and run it.
//
// Shapes are checked where the calls are made (`calls.py`).
#include "joint.h"
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
    default:
      DirectKernelGradient sums(shape.channels, out, size, stride);
      sums.add(from, shape, by);
      sums.write(to);
  }
  return ffi::Error::Success();
}

ffi::Error sums(Buffer x, Buffer valid, Result out) {
  norm_sums(x.typed_data(), valid.typed_data(), out->typed_data(),
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

const float* if_any(const Buffer& x) {
  return x.element_count() > 0 ? x.typed_data() : nullptr;
}

float* if_any(Result& x) {
  return x->element_count() > 0 ? x->typed_data() : nullptr;
}

NormGradient norm_of(Buffer dz, Buffer x, Buffer z, Buffer affine, bool relu) {
  return {dz.typed_data(), x.typed_data(), if_any(z), affine.typed_data(), relu,
          shape_of(x)};
}

ffi::Error gradient_sums(Buffer dz, Buffer x, Buffer z, Buffer affine,
                         Buffer statistics, Result out, bool relu) {
  norm_of(dz, x, z, affine, relu)
      .sum(statistics.typed_data(), out->typed_data());
  return ffi::Error::Success();
}

ffi::Error norm_gradient(Buffer dz, Buffer x, Buffer z, Buffer affine,
                         Buffer valid, Buffer terms, Result dx,
                         Result dresidual, bool relu) {
  const NormInputGradient norm = {norm_of(dz, x, z, affine, relu),
                                  valid.typed_data(), terms.typed_data(),
                                  if_any(dresidual)};
  const Shape shape = shape_of(x);
  norm.write(0, shape.groups, 0, shape.height, dx->typed_data());
  return ffi::Error::Success();
}

ffi::Error joint_forward(Buffer x, Buffer kernel, Buffer valid, Result y,
                         Result sums, int64_t stride) {
  forward_with_sums(x.typed_data(), kernel.typed_data(), valid.typed_data(),
                    y->typed_data(), sums->typed_data(), shape_of(x),
                    dimension(kernel, 3), dimension(kernel, 0), stride);
  return ffi::Error::Success();
}

// The input is x, and y what the normalisation was given. What is to be added to
// the gradient to x is an empty array if there is nothing.
ffi::Error joint_gradient(Buffer x, Buffer kernel, Buffer dz, Buffer y,
                          Buffer z, Buffer affine, Buffer valid, Buffer terms,
                          Buffer addend, Result dx, Result dkernel, Result dresidual,
                          int64_t stride, bool relu) {
  const NormInputGradient norm = {norm_of(dz, y, z, affine, relu),
                                  valid.typed_data(), terms.typed_data(),
                                  if_any(dresidual)};
  const bool add = addend.element_count() > 0;
  if (add && addend.typed_data() != dx->typed_data())
    memcpy(dx->typed_data(), addend.typed_data(), addend.size_bytes());
  JointGradient{x.typed_data(), kernel.typed_data(), norm, if_any(dx),
                dkernel->typed_data(), shape_of(x), dimension(kernel, 0),
                static_cast<int>(stride), add}
      .run();
  return ffi::Error::Success();
}

template <int COUNT>
auto arguments() {
  if constexpr (COUNT == 0) return ffi::Ffi::Bind();
  else return arguments<COUNT - 1>().template Arg<Buffer>();
}

auto convolution() {
  return arguments<2>().Ret<Buffer>().Attr<int64_t>("stride");
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
                              elth::arguments<2>().Ret<elth::Buffer>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(elth_norm_apply, elth::apply,
                              elth::arguments<3>()
                                  .Ret<elth::Buffer>()
                                  .Attr<bool>("relu"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(elth_norm_gradient_sums, elth::gradient_sums,
                              elth::arguments<5>()
                                  .Ret<elth::Buffer>()
                                  .Attr<bool>("relu"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(elth_norm_gradient, elth::norm_gradient,
                              elth::arguments<6>()
                                  .Ret<elth::Buffer>()
                                  .Ret<elth::Buffer>()
                                  .Attr<bool>("relu"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(elth_joint_forward, elth::joint_forward,
                              elth::arguments<3>()
                                  .Ret<elth::Buffer>()
                                  .Ret<elth::Buffer>()
                                  .Attr<int64_t>("stride"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(elth_joint_gradient, elth::joint_gradient,
                              elth::arguments<9>()
                                  .Ret<elth::Buffer>()
                                  .Ret<elth::Buffer>()
                                  .Ret<elth::Buffer>()
                                  .Attr<int64_t>("stride")
                                  .Attr<bool>("relu"));
#pragma GCC visibility pop
