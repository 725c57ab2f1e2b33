"""C++ kernels for a CPU, compiled at first use and called through XLA's FFI."""
