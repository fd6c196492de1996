// Convolution and pooling of images whose channels are contiguous (NHWC): part of adze_kernels.h.
#ifndef ADZE_KERNELS_H
#include "adze_kernels.h"
#elif !defined(ADZE_CONV2D_H)
#define ADZE_CONV2D_H

#ifdef __clang__
#pragma clang assume_nonnull begin
#endif

/// A convolution whose channels are contiguous: a pixel is `groups * channels` floats, a tensor [batch, height, width]
/// pixels. Every algorithm below takes this one description.
typedef struct adze_conv2d_f32 {
  adze_window2d window;  // channels: those of one group
  ptrdiff_t batch;
  ptrdiff_t groups;
  ptrdiff_t filters;  // of one group
  // Element (image, row, column, channel) is x[image * x_image_stride + (row * width + column) * x_pixel_stride
  // + channel * x_channel_stride]: NHWC has channel stride 1; NCHW has pixel stride 1 and channel stride height * width.
  const float *x;
  ptrdiff_t x_image_stride, x_pixel_stride, x_channel_stride;
  // Where in a pixel each of the groups * channels channels lies, for 1 x 1 windows without padding and channel stride 1;
  // null: in order. A shuffle of channels before a grouped convolution costs nothing this way.
  const int32_t *_Nullable x_channels;
  const float *weights_packed;  // by the algorithm's pack function
  // [batch, output_height, output_width] pixels that lie y_pixel_stride apart: a part of a wider pixel saves a Concat.
  float *y;
  ptrdiff_t y_pixel_stride;
  // Added to the sum and the bias, before clamp and activation; may be null. Not y.
  const float *_Nullable residual;
  ptrdiff_t residual_pixel_stride;
  adze_epilogue_f32 epilogue;  // column_bias: one for each filter of each group; row_bias is not read
} adze_conv2d_f32;

/// Computes filter panels [panel_begin, panel_end) of the output lines [line_begin, line_end); lines are the output
/// rows of all images, one after another; adze_conv2d_f32_plan says how many there are of both. Every split gives the
/// same bits. `scratch` is this thread's alone.
typedef void adze_conv2d_f32_fn(
  const adze_conv2d_f32 *conv, float *_Nullable scratch, ptrdiff_t line_begin, ptrdiff_t line_end,
  ptrdiff_t panel_begin, ptrdiff_t panel_end);

/// Packs the filters [groups * filters, channels, kernel_height, kernel_width] of panels [panel_begin, panel_end).
/// Of `conv` only the sizes are read.
typedef void adze_pack_conv2d_f32_fn(
  const adze_conv2d_f32 *conv, const float *weights, float *packed, ptrdiff_t panel_begin, ptrdiff_t panel_end);

/// How a convolution is computed. Each has a pack and a run function in the table.
typedef enum adze_conv2d_algorithm {
  ADZE_CONV2D_AUTO = 0,       // for adze_conv2d_f32_plan only
  ADZE_CONV2D_DIRECT = 1,     // any
  ADZE_CONV2D_WINOGRAD = 2,   // 3 x 3, stride and dilation 1, channel stride 1: F(4 x 4, 3 x 3)
  ADZE_CONV2D_DEPTHWISE = 3,  // one channel and one filter a group, channel stride 1
} adze_conv2d_algorithm;

/// Pooling of NHWC images; padding takes no part, a window that lies wholly in it gives the lowest float, or NaN for
/// the average. A global pool is a window as large as the image.
typedef struct adze_pool2d_f32 {
  adze_window2d window;
  const float *x;
  ptrdiff_t x_image_stride, x_pixel_stride;  // channels are contiguous
  float *y;                                  // [batch, output_height, output_width] pixels
  ptrdiff_t y_pixel_stride;
  // For the average, as average_pool_f32 has it.
  bool includes_padding;
  ptrdiff_t pad_bottom, pad_right;
} adze_pool2d_f32;

/// Output lines [line_begin, line_end) of all images, one after another.
typedef void adze_pool2d_f32_fn(const adze_pool2d_f32 *pool, ptrdiff_t line_begin, ptrdiff_t line_end);

/// y = clamp(x * scale + shift), one scale and one shift for each channel of a pixel; NaN stays NaN. In place.
typedef struct adze_scale_shift_f32 {
  ptrdiff_t channels;
  const float *x;
  ptrdiff_t x_pixel_stride;
  const float *scale, *shift;
  float *y;
  ptrdiff_t y_pixel_stride;
  bool clamps;
  float minimum, maximum;
} adze_scale_shift_f32;

/// Pixels [begin, end).
typedef void adze_scale_shift_f32_fn(const adze_scale_shift_f32 *s, ptrdiff_t begin, ptrdiff_t end);

typedef struct adze_kernels adze_kernels;

/// What a caller must know to run a convolution with one algorithm of one table.
typedef struct adze_conv2d_plan {
  adze_conv2d_algorithm algorithm;
  ptrdiff_t lines;   // the units of `run`: rows of output pixels, or of 4 x 4 tiles, of all images
  ptrdiff_t panels;  // of filters, all groups
  ptrdiff_t packed_count;   // floats of the packed filters
  ptrdiff_t scratch_count;  // floats of scratch memory for one call of `run`, best aligned to 64 bytes
  adze_pack_conv2d_f32_fn *_Nullable pack;
  adze_conv2d_f32_fn *_Nullable run;
} adze_conv2d_plan;

/// Most floats of scratch memory that a plan asks for.
enum { ADZE_CONV2D_MAX_SCRATCH = 1 << 24 };

/// The plan for `wanted`, or for the algorithm that is likely the fastest. `pack` and `run` are null when the algorithm
/// does not take this convolution or would need too much memory. Of `conv` only sizes and strides are read; they are
/// those of a valid convolution: positive, its input and output addressable.
adze_conv2d_plan adze_conv2d_f32_plan(
  const adze_kernels *kernels, const adze_conv2d_f32 *conv, adze_conv2d_algorithm wanted);

#ifdef __clang__
#pragma clang assume_nonnull end
#endif
#endif
