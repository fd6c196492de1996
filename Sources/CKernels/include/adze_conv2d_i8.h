// Convolution, pooling and sums of 8-bit images whose channels are contiguous (NHWC): part of adze_kernels.h.
#ifndef ADZE_KERNELS_H
#include "adze_kernels.h"
#elif !defined(ADZE_CONV2D_I8_H)
#define ADZE_CONV2D_I8_H

#ifdef __clang__
#pragma clang assume_nonnull begin
#endif

/// A convolution of 8-bit images: S = Σ (x - x_zero_point) w, exact in int32 (modulo 2^32), as adze_conv2d_f32 lays it
/// out. Padding is the zero point. The epilogue is that of gemm_i8: with z = S + bias,
///   I32  z
///   F32  activation(clamp(float(z) * scale + column_bias))
///   U8   saturate(round_half_even(clamp(float(z) * scale + column_bias)) + y_zero_point), S8 the same
/// one rounding an operation, so that results are equal on every instruction set (except through `activation`).
typedef struct adze_conv2d_i8 {
  adze_window2d window;  // channels: those of one group
  ptrdiff_t batch;
  ptrdiff_t groups;
  ptrdiff_t filters;  // of one group
  const void *x;      // uint8_t or int8_t; strides as adze_conv2d_f32 has them
  bool x_signed;
  int32_t x_zero_point;
  ptrdiff_t x_image_stride, x_pixel_stride, x_channel_stride;
  const void *weights_packed;  // by adze_conv2d_i8_pack; int8, or uint8 with the zero point 128
  const int32_t *_Nullable bias;  // one for each filter of each group, in units of the sum
  adze_i8_output output;
  void *y;  // [batch, output_height, output_width] pixels that lie y_pixel_stride elements apart
  ptrdiff_t y_pixel_stride;
  // Not read for ADZE_I8_OUTPUT_I32. x's scale times the filter's, divided by y's.
  const float *_Nullable scale;  // null: 1
  ptrdiff_t scale_stride;        // 0: one for all filters; 1: one for each
  adze_epilogue_f32 epilogue;    // as gemm_i8 has it; row_bias is not read
  int32_t y_zero_point;
} adze_conv2d_i8;

/// As adze_conv2d_f32_fn.
typedef void adze_conv2d_i8_fn(
  const adze_conv2d_i8 *conv, void *scratch, ptrdiff_t line_begin, ptrdiff_t line_end, ptrdiff_t panel_begin,
  ptrdiff_t panel_end);

/// Packs filters [groups, kernel_height, kernel_width] of panels [panel_begin, panel_end).
typedef void adze_pack_conv2d_depthwise_i8_fn(
  const adze_conv2d_i8 *conv, const void *weights, bool weights_signed, void *packed, ptrdiff_t panel_begin,
  ptrdiff_t panel_end);

/// Pooling of NHWC images of uint8 or int8; padding takes no part. max_pool_nhwc_i8: a window that lies wholly in the
/// padding gives the lowest value, and only window, x and y are read. average_pool_nhwc_i8: with n the elements of the
/// window that count, saturate(round_half_even(float(Σ (x - x_zero_point)) * (x_scale / (y_scale * n))) + y_zero_point).
typedef struct adze_pool2d_i8 {
  adze_window2d window;
  const void *x;
  bool is_signed;
  ptrdiff_t x_image_stride, x_pixel_stride;  // channels are contiguous
  void *y;                                   // [batch, output_height, output_width] pixels, of x's type
  ptrdiff_t y_pixel_stride;
  int32_t x_zero_point, y_zero_point;
  float x_scale, y_scale;
  // As average_pool_f32 has it.
  bool includes_padding;
  ptrdiff_t pad_bottom, pad_right;
} adze_pool2d_i8;

/// Output lines [line_begin, line_end) of all images, one after another.
typedef void adze_pool2d_i8_fn(const adze_pool2d_i8 *pool, ptrdiff_t line_begin, ptrdiff_t line_end);

/// y = saturate(round_half_even(clamp((a - a_zero) * a_scale + (b - b_zero) * b_scale) / y_scale) + y_zero), every
/// operation rounded to float32: what DequantizeLinear, Add, Clip and QuantizeLinear give.
typedef struct adze_add_i8 {
  bool a_signed, b_signed, y_signed;
  int32_t a_zero_point, b_zero_point, y_zero_point;
  float a_scale, b_scale, y_scale;
  bool clamps;
  float minimum, maximum;
} adze_add_i8;

/// `count` contiguous elements; in place with a and with b.
typedef void adze_add_i8_fn(const adze_add_i8 *add, const void *a, const void *b, void *y, ptrdiff_t count);

/// y[i] = table[x[i]], a table of 256 bytes. In place.
typedef void adze_lookup_8_fn(const uint8_t *x, const uint8_t *table, uint8_t *y, ptrdiff_t count);

/// y[c, r] = x[r, c] for bytes.
typedef void adze_transpose_8_fn(
  const uint8_t *x, ptrdiff_t x_row_stride, uint8_t *y, ptrdiff_t y_row_stride, ptrdiff_t rows, ptrdiff_t columns);

typedef struct adze_kernels adze_kernels;

/// What a caller must know to run an 8-bit convolution.
typedef struct adze_conv2d_i8_plan {
  adze_conv2d_algorithm algorithm;  // direct or depthwise
  ptrdiff_t lines;   // rows of output pixels of all images
  ptrdiff_t panels;  // of filters, all groups
  ptrdiff_t packed_bytes;
  ptrdiff_t arranged_bytes;  // of scratch memory for packing
  ptrdiff_t scratch_bytes;   // of scratch memory for one call of `run`, best aligned to 64
  adze_conv2d_i8_fn *_Nullable run;  // null: it would need too much memory
} adze_conv2d_i8_plan;

/// Of `conv` only sizes and strides are read; they are those of a valid convolution.
adze_conv2d_i8_plan adze_conv2d_i8_plan_for(const adze_kernels *kernels, const adze_conv2d_i8 *conv);

/// Packs all filters [groups * filters, channels, kernel_height, kernel_width]. `packed` is aligned to 4.
void adze_conv2d_i8_pack(
  const adze_kernels *kernels, const adze_conv2d_i8 *conv, const adze_conv2d_i8_plan *plan, const void *weights,
  bool weights_signed, void *arranged, void *packed);

#ifdef __clang__
#pragma clang assume_nonnull end
#endif
#endif
