// Sizes of convolutions' working memory that cannot overflow.
#ifndef ADZE_CONV2D_SCRATCH_H
#define ADZE_CONV2D_SCRATCH_H
#include "conv2d_sizes.h"

/// Products and sums that stay at the largest value once they have left the range.
ALWAYS_INLINE ptrdiff_t times(ptrdiff_t a, ptrdiff_t b) {
  ptrdiff_t product;
  return __builtin_mul_overflow(a, b, &product) ? PTRDIFF_MAX : product;
}
ALWAYS_INLINE ptrdiff_t plus(ptrdiff_t a, ptrdiff_t b) {
  ptrdiff_t sum;
  return __builtin_add_overflow(a, b, &sum) ? PTRDIFF_MAX : sum;
}

/// Elements of a copy of one group's input under a block of lines, which may belong to several images.
static inline ptrdiff_t conv2d_copy_size(const adze_window2d *w, ptrdiff_t batch) {
  const ptrdiff_t lines = least(most(1, CONV_PIXELS / most(1, w->output_width)), times(batch, w->output_height));
  const ptrdiff_t images = least(lines, (lines - 1) / most(1, w->output_height) + 2);
  const ptrdiff_t reach = plus(times(w->kernel_height - 1, w->dilation_height), 1);
  const ptrdiff_t rows = plus(times(lines, w->stride_height), times(images, reach));
  const ptrdiff_t across = times(least(w->output_width, CONV_PIXELS) - 1, w->stride_width);
  const ptrdiff_t columns = plus(plus(across, times(w->kernel_width - 1, w->dilation_width)), 1);
  return times(times(rows, columns), w->channels);
}
#endif
