#ifndef ADZE_KERNELS_H
#define ADZE_KERNELS_H
// The vector kernels of Adze: one dispatch table per instruction set, chosen once from cpuid.
//
// What holds for every kernel (README.md says it at length):
// - It knows pointers and sizes only: no allocation, no threads, no state. At most 96 KiB of stack.
// - Sizes and strides are in elements and may be 0 or 1; sizes are never negative. Any alignment will do.
// - It reads and writes exactly the elements named by its sizes, tails included.
// - Output may be the very same memory as an input where the comment says "in place"; otherwise no overlap.
// - A float result of one element depends on that element's inputs only, not on its position, on the other rows
//   of the call or on how a caller splits the work. Integer results are equal on every instruction set.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __clang__
#pragma clang assume_nonnull begin
#else
#define _Nullable
#endif

/// Instruction sets in ascending order of preference.
typedef enum adze_isa {
  ADZE_ISA_PORTABLE = 0,    // plain C
  ADZE_ISA_AVX2 = 1,        // AVX2, FMA
  ADZE_ISA_AVXVNNI = 2,     // AVX2, FMA, AVX-VNNI
  ADZE_ISA_AVX512 = 3,      // AVX-512 F, BW, DQ, VL
  ADZE_ISA_AVX512VNNI = 4,  // AVX-512 F, BW, DQ, VL, VNNI
  ADZE_ISA_NEON = 5,        // 64-bit Arm
  ADZE_ISA_NEONDOT = 6,     // 64-bit Arm with dot products of bytes
} adze_isa;
enum { ADZE_ISA_COUNT = 7 };

// ---------------------------------------------------------------------------------------------- elementwise

/// y[i] = f(x[i]); `alpha` and `beta` mean what the operator's comment says. In place.
typedef void adze_unary_f32_fn(const float *x, float *y, ptrdiff_t count, float alpha, float beta);

/// y[r, c] = f(a[r * a_row_stride + c * a_step], b[r * b_row_stride + c * b_step]). A step is 0 or 1, a row stride
/// any: same shape is one row, a scalar has step 0, a row repeated has row stride 0. In place with a and with b.
typedef void adze_binary_f32_fn(
  ptrdiff_t rows, ptrdiff_t columns, const float *a, ptrdiff_t a_row_stride, ptrdiff_t a_step, const float *b,
  ptrdiff_t b_row_stride, ptrdiff_t b_step, float *y, ptrdiff_t y_row_stride);

/// A value over `count` contiguous elements; the order of additions depends on `count` only.
typedef float adze_reduce_f32_fn(const float *x, ptrdiff_t count);

/// y = row function of x over `count` contiguous elements (softmax, log-softmax). In place.
typedef void adze_row_f32_fn(const float *x, float *y, ptrdiff_t count);

/// One row of a softmax that sees its elements in parts. t = x * scale + mask[i * mask_step] (a step is 0 or 1);
/// *maximum becomes the largest t so far (from -inf), x becomes exp(t - *maximum), *sum the sum of exp(t - *maximum)
/// so far (from 0). Returns what makes former results comparable: exp(former maximum - *maximum), 1 when it stays.
/// While all t are -inf, x becomes 0. NaN makes all that follows NaN.
typedef float adze_softmax_part_f32_fn(
  float *x, ptrdiff_t count, float scale, const float *_Nullable mask, ptrdiff_t mask_step, float *maximum,
  float *sum);

/// y = (x - mean) / sqrt(variance + epsilon) * scale + bias over one row; scale and bias may be null. In place.
/// `mean` and `inverse_deviation` receive the row's statistics when not null.
typedef void adze_layer_norm_f32_fn(
  const float *x, const float *_Nullable scale, const float *_Nullable bias, float *y, ptrdiff_t count,
  float epsilon, float *_Nullable mean, float *_Nullable inverse_deviation);

// ----------------------------------------------------------------------------------------------------- GEMM

/// What happens to a finished element of C, in this order: biases, clamp, activation.
typedef struct adze_epilogue_f32 {
  const float *_Nullable column_bias;  // n elements
  const float *_Nullable row_bias;     // m elements
  bool clamps;                         // to [minimum, maximum]; Relu is [0, inf]; NaN stays NaN
  float minimum;
  float maximum;
  adze_unary_f32_fn *_Nullable activation;  // any unary kernel, with its alpha and beta
  float alpha;
  float beta;
} adze_epilogue_f32;

/// C[m, n] = epilogue(A[m, k] B[k, n]), or epilogue(C + A B) when `accumulates`.
///
/// A is read in place with any strides: row-major (k, 1), transposed (1, m). B was packed by `pack_b_f32` of the
/// same table. With k = 0 the product is zero.
typedef struct adze_gemm_f32 {
  ptrdiff_t m, n, k;
  const float *a;
  ptrdiff_t a_row_stride, a_column_stride;
  const float *b_packed;
  float *c;
  ptrdiff_t c_row_stride;  // columns of C are contiguous
  bool accumulates;
  adze_epilogue_f32 epilogue;
} adze_gemm_f32;

/// Computes rows [row_begin, row_end) of the column panels [panel_begin, panel_end) of C; panel p holds columns
/// p * gemm_f32_panel … Every split of rows and panels gives the same bits.
typedef void adze_gemm_f32_fn(
  const adze_gemm_f32 *gemm, ptrdiff_t row_begin, ptrdiff_t row_end, ptrdiff_t panel_begin, ptrdiff_t panel_end);

/// Packs panels [panel_begin, panel_end) of B, element (k, n) at b[k * k_stride + n * n_stride], into their
/// places in `packed` (adze_gemm_f32_packed_count elements in all). Row-major B: (n, 1); transposed: (1, k).
typedef void adze_pack_b_f32_fn(
  const float *b, ptrdiff_t k_stride, ptrdiff_t n_stride, ptrdiff_t k, ptrdiff_t n, float *packed,
  ptrdiff_t panel_begin, ptrdiff_t panel_end);

typedef enum adze_i8_output {
  ADZE_I8_OUTPUT_I32 = 0,  // the exact sum
  ADZE_I8_OUTPUT_F32 = 1,  // clamp(sum * (a_scale * b_scale) + bias), then activation
  ADZE_I8_OUTPUT_U8 = 2,   // saturate(round_half_even(that) + c_zero_point), the scales divided by C's scale before
  ADZE_I8_OUTPUT_S8 = 3,
} adze_i8_output;

/// What `a` points to. float32 is quantized to uint8 while its rows are prepared, as quantize_u8 would.
typedef enum adze_i8_a {
  ADZE_I8_A_INTEGERS = 0,  // uint8_t or int8_t, by a_signed
  ADZE_I8_A_F32 = 1,       // float, by the given a_scale and a_zero_point
  ADZE_I8_A_F32_ROWS = 2,  // float, each row by the scale and zero point that DynamicQuantizeLinear would choose for
                           // it; a_scale and a_zero_point are not read
} adze_i8_a;

/// C = epilogue(Σ_k (A[m, k] - a_zero_point) (B[k, n] - b_zero_point)), exact in int32 (modulo 2^32).
///
/// Every call prepares the rows it is given, so with float32 A split rows rather than panels over threads.
/// Strides of per-row and per-column values are 0 (one value for all) or 1. The float epilogue multiplies and adds
/// without fusing, so that it too is equal on every instruction set (except through `activation`).
typedef struct adze_gemm_i8 {
  ptrdiff_t m, n, k;
  const void *a;  // as a_source says
  adze_i8_a a_source;
  bool a_signed;
  ptrdiff_t a_row_stride, a_column_stride;
  const int32_t *_Nullable a_zero_point;  // null: 0
  ptrdiff_t a_zero_point_stride;          // 1: one for each row
  const void *b_packed;                   // by pack_b_i8 with the same b_signed
  bool b_signed;
  const int32_t *_Nullable b_zero_point;  // null: 0
  ptrdiff_t b_zero_point_stride;          // 1: one for each column
  const int32_t *_Nullable row_offset;  // added to the exact sums of each row; null: 0
  const int32_t *_Nullable column_offset;  // and of each column
  adze_i8_output output;
  void *c;  // int32_t, float, uint8_t or int8_t
  ptrdiff_t c_row_stride;
  // The rest is not read for ADZE_I8_OUTPUT_I32, but for a_scale with ADZE_I8_A_F32.
  const float *_Nullable a_scale;  // null: 1
  ptrdiff_t a_scale_stride;
  const float *_Nullable b_scale;  // null: 1
  ptrdiff_t b_scale_stride;
  adze_epilogue_f32 epilogue;      // U8 and S8 ignore `activation`; their clamp is in real units of C's scale
  int32_t c_zero_point;
} adze_gemm_i8;

typedef void adze_gemm_i8_fn(
  const adze_gemm_i8 *gemm, ptrdiff_t row_begin, ptrdiff_t row_end, ptrdiff_t panel_begin, ptrdiff_t panel_end);

/// As pack_b_f32, with column sums; `packed` has adze_gemm_i8_packed_bytes bytes, its start aligned to 4.
typedef void adze_pack_b_i8_fn(
  const void *b, bool b_signed, ptrdiff_t k_stride, ptrdiff_t n_stride, ptrdiff_t k, ptrdiff_t n, void *packed,
  ptrdiff_t panel_begin, ptrdiff_t panel_end);

#ifdef __clang__
#pragma clang assume_nonnull end
#endif
#include "adze_gemm_block.h"
#include "adze_sparse.h"
#include "adze_sparse_i8.h"
#include "adze_peak.h"
#ifdef __clang__
#pragma clang assume_nonnull begin
#endif

// --------------------------------------------------------------------------------------------- quantization

/// y = saturate(round_half_even(x / scale) + zero_point); NaN gives the lowest value.
typedef void adze_quantize_u8_fn(const float *x, uint8_t *y, ptrdiff_t count, float scale, int32_t zero_point);
typedef void adze_quantize_s8_fn(const float *x, int8_t *y, ptrdiff_t count, float scale, int32_t zero_point);
/// y = (x - zero_point) * scale.
typedef void adze_dequantize_u8_fn(const uint8_t *x, float *y, ptrdiff_t count, float scale, int32_t zero_point);
typedef void adze_dequantize_s8_fn(const int8_t *x, float *y, ptrdiff_t count, float scale, int32_t zero_point);
/// y = float(x) * scale[i * scale_step] + bias[i * bias_step]; a null pointer leaves its part out. Steps are 0 or 1.
typedef void adze_dequantize_i32_fn(
  const int32_t *x, float *y, ptrdiff_t count, const float *_Nullable scale, ptrdiff_t scale_step,
  const float *_Nullable bias, ptrdiff_t bias_step);
/// Smallest and largest element; NaN is passed over; +inf and -inf when there is none.
typedef void adze_min_max_f32_fn(const float *x, ptrdiff_t count, float *minimum, float *maximum);
typedef int64_t adze_sum_u8_fn(const uint8_t *x, ptrdiff_t count);
typedef int64_t adze_sum_s8_fn(const int8_t *x, ptrdiff_t count);

// ----------------------------------------------------------------------------------- convolution and pooling

/// One image and the window that slides over it; output pixel (y, x) starts at (y * stride - pad).
typedef struct adze_window2d {
  ptrdiff_t channels, height, width;
  ptrdiff_t kernel_height, kernel_width;
  ptrdiff_t stride_height, stride_width;
  ptrdiff_t dilation_height, dilation_width;
  ptrdiff_t pad_top, pad_left;
  ptrdiff_t output_height, output_width;
} adze_window2d;

/// Packs panels of B[channels * kernel_height * kernel_width, output_height * output_width] for gemm_f32 straight
/// from the image [channels, height, width]; the padding is zero.
typedef void adze_im2col_pack_b_f32_fn(
  const adze_window2d *window, const float *image, float *packed, ptrdiff_t panel_begin, ptrdiff_t panel_end);

/// Writes rows [row_begin, row_end) of that matrix, row-major, with `padding` where the window leaves the image.
/// A row is one (channel, kernel y, kernel x); 8-bit elements.
typedef void adze_im2col_8_fn(
  const adze_window2d *window, const uint8_t *image, uint8_t padding, uint8_t *columns, ptrdiff_t row_begin,
  ptrdiff_t row_end);

/// One channel of a depthwise convolution, zero padding; `channels` is not read. image [height, width],
/// weights [kernel_height, kernel_width], y [output_height, output_width]; output rows [row_begin, row_end).
typedef void adze_depthwise_f32_fn(
  const adze_window2d *window, const float *image, const float *weights, float bias, float minimum, float maximum,
  float *y, ptrdiff_t row_begin, ptrdiff_t row_end);

/// One channel of pooling; padding takes no part. A window that lies wholly in the padding gives the lowest float.
typedef void adze_max_pool_f32_fn(const adze_window2d *window, const float *image, float *y);
/// Divides by the number of elements inside the image, or, when `includes_padding`, by those inside the image and
/// its padding, which reaches pad_bottom and pad_right beyond the image's end.
typedef void adze_average_pool_f32_fn(
  const adze_window2d *window, const float *image, bool includes_padding, ptrdiff_t pad_bottom,
  ptrdiff_t pad_right, float *y);

/// y[c, r] = x[r, c] for 32-bit elements of any kind.
typedef void adze_transpose_32_fn(
  const void *x, ptrdiff_t x_row_stride, void *y, ptrdiff_t y_row_stride, ptrdiff_t rows, ptrdiff_t columns);

#ifdef __clang__
#pragma clang assume_nonnull end
#endif
#include "adze_conv2d.h"
#include "adze_conv2d_i8.h"
#ifdef __clang__
#pragma clang assume_nonnull begin
#endif

// ---------------------------------------------------------------------------------------------------- table

struct adze_kernels {
  adze_isa isa;
  const char *name;            // "avx512vnni"
  ptrdiff_t gemm_f32_panel;    // columns of a packed panel
  ptrdiff_t gemm_f32_rows;     // rows of the register tile: row splits at its multiples are fastest
  ptrdiff_t conv2d_f32_panel;  // filters of a packed panel
  ptrdiff_t gemm_sparse_rows;  // rows that gemm_sparse_f32 takes at a time
  ptrdiff_t gemm_i8_panel;
  ptrdiff_t gemm_i8_rows;
  ptrdiff_t gemm_i8_group;     // k is padded to a multiple of it
  ptrdiff_t gemm_i8_header;    // bytes before the weights of a panel
  ptrdiff_t gemm_i8_spare;     // bytes kept for every 16 weights of a panel, for what packing splits off

  adze_gemm_f32_fn *gemm_f32;
  adze_pack_b_f32_fn *pack_b_f32;
  adze_gemm_i8_fn *gemm_i8;
  adze_pack_b_i8_fn *pack_b_i8;
  adze_gemm_block_fn *gemm_block_f32;
  adze_gemm_block_fn *gemm_block_i8;
  adze_pack_b_block_fn *pack_b_block;
  adze_gemm_sparse_f32_fn *gemm_sparse_f32;
  adze_pack_b_sparse_f32_fn *pack_b_sparse_f32;
  adze_gemm_sparse_f32_fn *gemm_sparse_panel_f32;
  adze_pack_b_sparse_f32_fn *pack_b_sparse_panel_f32;
  adze_gemm_sparse_f32_fn *gemm_sparse_columns_f32;
  adze_pack_b_sparse_f32_fn *pack_b_sparse_columns_f32;
  adze_gemm_sparse_f32_fn *gemm_sparse_quads_f32;
  adze_pack_b_sparse_f32_fn *pack_b_sparse_quads_f32;
  adze_gemm_sparse_f32_fn *gemm_2of4_f32;
  adze_pack_b_sparse_f32_fn *pack_b_2of4_f32;
  adze_gemm_i8_fn *gemm_sparse_i8;
  adze_pack_b_sparse_i8_fn *pack_b_sparse_i8;
  adze_gemm_sparse_i8_fn *gemm_sparse_rows_i8;
  adze_pack_b_sparse_i8_fn *pack_b_sparse_rows_i8;

  adze_binary_f32_fn *add_f32;
  adze_binary_f32_fn *sub_f32;
  adze_binary_f32_fn *mul_f32;
  adze_binary_f32_fn *div_f32;
  adze_binary_f32_fn *min_f32;  // NaN when either is
  adze_binary_f32_fn *max_f32;

  adze_unary_f32_fn *relu_f32;
  adze_unary_f32_fn *clip_f32;          // min(max(x, alpha), beta)
  adze_unary_f32_fn *leaky_relu_f32;    // x < 0 ? alpha * x : x
  adze_unary_f32_fn *elu_f32;           // x < 0 ? alpha * (exp(x) - 1) : x
  adze_unary_f32_fn *hard_sigmoid_f32;  // max(0, min(1, alpha * x + beta))
  adze_unary_f32_fn *hard_swish_f32;    // x * max(0, min(1, x / 6 + 0.5))
  adze_unary_f32_fn *abs_f32;
  adze_unary_f32_fn *neg_f32;
  adze_unary_f32_fn *affine_f32;        // alpha * x + beta, not fused
  adze_unary_f32_fn *sqrt_f32;
  adze_unary_f32_fn *rsqrt_f32;         // 1 / sqrt(x)
  adze_unary_f32_fn *reciprocal_f32;
  adze_unary_f32_fn *floor_f32;
  adze_unary_f32_fn *ceil_f32;
  adze_unary_f32_fn *round_f32;         // half to even
  adze_unary_f32_fn *exp_f32;
  adze_unary_f32_fn *log_f32;
  adze_unary_f32_fn *erf_f32;
  adze_unary_f32_fn *tanh_f32;
  adze_unary_f32_fn *sigmoid_f32;
  adze_unary_f32_fn *gelu_f32;          // x / 2 * (1 + erf(x / sqrt 2))
  adze_unary_f32_fn *gelu_tanh_f32;     // x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
  adze_unary_f32_fn *silu_f32;          // x * sigmoid(alpha * x)
  adze_unary_f32_fn *softplus_f32;      // log(1 + exp(x))

  adze_reduce_f32_fn *sum_f32;             // 0 when empty
  adze_reduce_f32_fn *sum_of_squares_f32;  // 0 when empty
  adze_reduce_f32_fn *maximum_f32;         // NaN when any is; -inf when empty
  adze_reduce_f32_fn *minimum_f32;         // NaN when any is; +inf when empty
  adze_row_f32_fn *softmax_f32;
  adze_row_f32_fn *log_softmax_f32;
  adze_softmax_part_f32_fn *softmax_part_f32;
  adze_layer_norm_f32_fn *layer_norm_f32;

  adze_quantize_u8_fn *quantize_u8;
  adze_quantize_s8_fn *quantize_s8;
  adze_dequantize_u8_fn *dequantize_u8;
  adze_dequantize_s8_fn *dequantize_s8;
  adze_dequantize_i32_fn *dequantize_i32;
  adze_min_max_f32_fn *min_max_f32;
  adze_sum_u8_fn *sum_u8;
  adze_sum_s8_fn *sum_s8;

  adze_im2col_pack_b_f32_fn *im2col_pack_b_f32;
  adze_im2col_8_fn *im2col_8;
  adze_depthwise_f32_fn *depthwise_f32;
  adze_max_pool_f32_fn *max_pool_f32;
  adze_average_pool_f32_fn *average_pool_f32;
  adze_transpose_32_fn *transpose_32;

  adze_conv2d_f32_fn *conv2d_f32;
  adze_pack_conv2d_f32_fn *pack_conv2d_f32;
  adze_conv2d_f32_fn *conv2d_winograd_f32;
  adze_pack_conv2d_f32_fn *pack_conv2d_winograd_f32;
  adze_conv2d_f32_fn *conv2d_depthwise_f32;
  adze_pack_conv2d_f32_fn *pack_conv2d_depthwise_f32;
  adze_pool2d_f32_fn *max_pool_nhwc_f32;
  adze_pool2d_f32_fn *average_pool_nhwc_f32;
  adze_scale_shift_f32_fn *scale_shift_nhwc_f32;

  adze_peak_f32_fn *peak_f32;
  adze_peak_i8_fn *peak_i8;
  adze_peak_read_fn *peak_read;

  adze_conv2d_i8_fn *conv2d_i8;
  adze_conv2d_i8_fn *conv2d_depthwise_i8;
  adze_pack_conv2d_depthwise_i8_fn *pack_conv2d_depthwise_i8;
  adze_pool2d_i8_fn *max_pool_nhwc_i8;
  adze_pool2d_i8_fn *average_pool_nhwc_i8;
  adze_add_i8_fn *add_i8;
  adze_lookup_8_fn *lookup_8;
  adze_transpose_8_fn *transpose_8;
};

/// The best table for this CPU and operating system, or the one that the environment variable ADZE_ISA
/// (portable, avx2, avxvnni, avx512, avx512vnni, neon, neondot) names, when the CPU has it. Chosen by the first call.
const adze_kernels *adze_kernels_get(void);

/// The table for one instruction set; null when this CPU or build lacks it. Kernels that gain nothing from it are
/// those of a lower one.
const adze_kernels *_Nullable adze_kernels_for(adze_isa isa);

/// The name of an instruction set, as ADZE_ISA spells it.
const char *adze_isa_name(adze_isa isa);

/// Lets this thread's float operations treat denormal inputs and results as zero, or not. Returns the former
/// setting. Without effect (false) where the CPU has no such control.
bool adze_set_flush_denormals(bool flushes);

/// Tells the CPU that the caller spins.
static inline void adze_spin_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// Elements of a packed B[k, n]. The caller has checked that the product fits.
static inline ptrdiff_t adze_gemm_f32_packed_count(const adze_kernels *kernels, ptrdiff_t k, ptrdiff_t n) {
  ptrdiff_t panel = kernels->gemm_f32_panel;
  return (n + panel - 1) / panel * panel * k;
}

/// Bytes of B[k, n] packed by pack_b_block. The caller has checked that 4 n k fits, both rounded up to 256.
static inline ptrdiff_t adze_gemm_block_packed_bytes(
  const adze_kernels *kernels, ptrdiff_t k, ptrdiff_t n, int32_t bits, int32_t block) {
  ptrdiff_t panel = kernels->gemm_f32_panel;
  // Each column of a block: the scale, the zero point and the elements.
  return (n + panel - 1) / panel * ((k + block - 1) / block) * panel * (5 + block * bits / 8);
}

/// Floats of scratch memory for one call of gemm_sparse_f32, best aligned to 64 bytes.
static inline ptrdiff_t adze_gemm_sparse_scratch_count(const adze_kernels *kernels, ptrdiff_t k) {
  return kernels->gemm_sparse_rows * k;
}

/// Bytes of a packed 8-bit B[k, n], column sums included. The caller has checked that twice the product fits.
static inline ptrdiff_t adze_gemm_i8_packed_bytes(const adze_kernels *kernels, ptrdiff_t k, ptrdiff_t n) {
  ptrdiff_t panel = kernels->gemm_i8_panel, group = kernels->gemm_i8_group;
  ptrdiff_t padded_k = (k + group - 1) / group * group;
  ptrdiff_t weights = padded_k * panel;
  return (n + panel - 1) / panel * (kernels->gemm_i8_header + weights + weights / 16 * kernels->gemm_i8_spare);
}

#ifdef __clang__
#pragma clang assume_nonnull end
#else
#undef _Nullable
#endif

#ifdef __cplusplus
}
#endif
#endif
