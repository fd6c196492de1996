// Depthwise convolution and pooling of NHWC images: vectors of channels, so that neither stride nor edge costs a shuffle.

/// Window rows or columns [*begin, *end) that lie inside an image of `extent` when the first is at `start`.
ALWAYS_INLINE void taps_inside(
  ptrdiff_t start, ptrdiff_t dilation, ptrdiff_t extent, ptrdiff_t count, ptrdiff_t *begin, ptrdiff_t *end) {
  if (dilation == 1) {
    *begin = least(count, most(0, -start));
    *end = most(*begin, least(count, extent - start));
    return;
  }
  *begin = start >= 0 ? 0 : least(count, (-start + dilation - 1) / dilation);
  *end = start >= extent ? *begin : most(*begin, least(count, (extent - start + dilation - 1) / dilation));
}

ALWAYS_INLINE vf load_lanes(const float *p, ptrdiff_t count) { return count < VL ? v_load_part(p, count) : v_load(p); }
ALWAYS_INLINE void store_lanes(float *p, vf v, ptrdiff_t count) {
  if (count < VL) v_store_part(p, v, count);
  else v_store(p, v);
}

/// One output line: the window's rows that are inside the image, where they begin, and the channels to do.
typedef struct {
  const adze_conv2d_f32 *conv;
  const float *from;  // under the first tap of those rows in column -pad_left
  const float *taps;  // of those rows; VL channels of every tap, then the next VL
  ptrdiff_t rows, row, dilation;
  ptrdiff_t pixel;  // the line's first
  ptrdiff_t begin, end;
} depthwise_line;

/// What a pixel's sum becomes, at the first channel of its vector.
typedef struct {
  const float *bias, *residual;  // may be null
  ptrdiff_t residual_stride, y_stride;
  bool clamps;
  vf low, high;
  float *y;
} depthwise_output;

/// `outputs` neighbouring pixels of one vector of channels; window columns [column_begin, column_end).
ALWAYS_INLINE void depthwise_vector(
  const int outputs, const float *from, const ptrdiff_t row, const ptrdiff_t dilation, const ptrdiff_t step,
  const float *taps, const ptrdiff_t rows, const ptrdiff_t width, ptrdiff_t column_begin, ptrdiff_t column_end,
  const depthwise_output *o, ptrdiff_t channel, const ptrdiff_t count) {
  vf acc[8];
  UNROLL for (int i = 0; i < outputs; i++) acc[i] = v_set1(0);
  for (ptrdiff_t ky = 0; ky < rows; ky++) {
    for (ptrdiff_t kx = column_begin; kx < column_end; kx++) {
      const vf weight = v_load(taps + (ky * width + kx) * VL);
      UNROLL for (int i = 0; i < outputs; i++) {
        acc[i] = v_fma(load_lanes(from + ky * row + kx * dilation + i * step, count), weight, acc[i]);
      }
    }
  }
  UNROLL for (int i = 0; i < outputs; i++) {
    vf sum = acc[i];
    if (o->bias) sum = sum + load_lanes(o->bias + channel, count);
    if (o->residual) sum = sum + load_lanes(o->residual + i * o->residual_stride + channel, count);
    if (o->clamps) sum = v_min(o->high, v_max(o->low, sum));
    store_lanes(o->y + i * o->y_stride + channel, sum, count);
  }
}

/// What the loops over pixels and channels need, in local variables: their stores could change all else.
typedef struct {
  const float *from, *taps;
  ptrdiff_t row, dilation, step;  // floats between taps of a column, of a row, and between columns of the image
  ptrdiff_t taps_count;           // floats of all taps of a vector
  ptrdiff_t begin, end;
  depthwise_output output;  // of the line's first pixel
} depthwise_view;

ALWAYS_INLINE depthwise_view depthwise_view_of(const depthwise_line *l, const bool is_dense) {
  const adze_conv2d_f32 *c = l->conv;
  const adze_epilogue_f32 *e = &c->epilogue;
  const ptrdiff_t taps = c->window.kernel_height * c->window.kernel_width * VL, step = c->x_pixel_stride;
  return (depthwise_view){
    l->from, l->taps + l->begin / VL * taps, l->row, is_dense ? step : l->dilation, step, taps, l->begin, l->end,
    {e->column_bias, c->residual ? c->residual + l->pixel * c->residual_pixel_stride : NULL, c->residual_pixel_stride,
      c->y_pixel_stride, e->clamps, v_set1(e->minimum), v_set1(e->maximum), c->y + l->pixel * c->y_pixel_stride}};
}

/// `outputs` pixels from column x on.
ALWAYS_INLINE void depthwise_pixels(
  const int outputs, const depthwise_view *v, const ptrdiff_t rows, const ptrdiff_t width, const ptrdiff_t stride,
  ptrdiff_t column_begin, ptrdiff_t column_end, ptrdiff_t x) {
  depthwise_output o = v->output;
  o.y += x * o.y_stride;
  if (o.residual) o.residual += x * o.residual_stride;
  const ptrdiff_t row = v->row, dilation = v->dilation, step = v->step * stride, taps = v->taps_count, end = v->end;
  const float *from = v->from + x * step, *weights = v->taps;
  ptrdiff_t channel = v->begin;
  for (; channel + VL <= end; channel += VL, weights += taps) {
    depthwise_vector(
      outputs, from + channel, row, dilation, step, weights, rows, width, column_begin, column_end, &o, channel, VL);
  }
  if (channel == end) return;
  depthwise_vector(
    outputs, from + channel, row, dilation, step, weights, rows, width, column_begin, column_end, &o, channel,
    end - channel);
}

/// One pixel whose window may reach beyond the edges.
static void depthwise_edge(const depthwise_line *l, ptrdiff_t x) {
  const adze_window2d *w = &l->conv->window;
  ptrdiff_t begin, end;
  taps_inside(x * w->stride_width - w->pad_left, w->dilation_width, w->width, w->kernel_width, &begin, &end);
  const depthwise_view v = depthwise_view_of(l, false);
  depthwise_pixels(1, &v, l->rows, w->kernel_width, w->stride_width, begin, end, x);
}

/// Columns [x, end) of a line, whose windows are inside from left to right.
ALWAYS_INLINE void depthwise_inner(
  const depthwise_line *l, const ptrdiff_t rows, const ptrdiff_t width, const ptrdiff_t stride, const bool is_dense,
  ptrdiff_t x, ptrdiff_t end) {
  const depthwise_view v = depthwise_view_of(l, is_dense);
  for (; x + 8 <= end; x += 8) depthwise_pixels(8, &v, rows, width, stride, 0, width, x);
  for (; x + 4 <= end; x += 4) depthwise_pixels(4, &v, rows, width, stride, 0, width, x);
  for (; x + 2 <= end; x += 2) depthwise_pixels(2, &v, rows, width, stride, 0, width, x);
  for (; x < end; x++) depthwise_pixels(1, &v, rows, width, stride, 0, width, x);
}

typedef void depthwise_inner_fn(const depthwise_line *, ptrdiff_t x, ptrdiff_t end);
#define DEPTHWISE_INNER(name, rows, width, stride, is_dense)                               \
  static void depthwise_inner_##name(const depthwise_line *l, ptrdiff_t x, ptrdiff_t end) { \
    depthwise_inner(l, rows, width, stride, is_dense, x, end);                             \
  }
DEPTHWISE_INNER(3x3, 3, 3, 1, true)
DEPTHWISE_INNER(3x3s2, 3, 3, 2, true)
DEPTHWISE_INNER(5, l->rows, 5, 1, true)
DEPTHWISE_INNER(5s2, l->rows, 5, 2, true)
DEPTHWISE_INNER(any, l->rows, l->conv->window.kernel_width, l->conv->window.stride_width, false)

static depthwise_inner_fn *depthwise_inner_for(const depthwise_line *l) {
  const adze_window2d *w = &l->conv->window;
  if (w->dilation_width != 1) return depthwise_inner_any;
  if (w->kernel_width == 3 && l->rows == 3 && w->stride_width == 1) return depthwise_inner_3x3;
  if (w->kernel_width == 3 && l->rows == 3 && w->stride_width == 2) return depthwise_inner_3x3s2;
  if (w->kernel_width == 5 && w->stride_width == 1) return depthwise_inner_5;
  if (w->kernel_width == 5 && w->stride_width == 2) return depthwise_inner_5s2;
  return depthwise_inner_any;
}

static depthwise_line depthwise_line_at(const adze_conv2d_f32 *c, ptrdiff_t line, ptrdiff_t begin, ptrdiff_t end) {
  const adze_window2d *w = &c->window;
  const ptrdiff_t top = line % w->output_height * w->stride_height - w->pad_top;
  ptrdiff_t row_begin, row_end;
  taps_inside(top, w->dilation_height, w->height, w->kernel_height, &row_begin, &row_end);
  const ptrdiff_t row = top + row_begin * w->dilation_height;
  return (depthwise_line){
    c, c->x + line / w->output_height * c->x_image_stride + (row * w->width - w->pad_left) * c->x_pixel_stride,
    c->weights_packed + row_begin * w->kernel_width * VL, row_end - row_begin,
    w->dilation_height * w->width * c->x_pixel_stride, w->dilation_width * c->x_pixel_stride, line * w->output_width, begin,
    end};
}

void KERNEL(conv2d_depthwise_f32)(
  const adze_conv2d_f32 *c, float *scratch, ptrdiff_t line_begin, ptrdiff_t line_end, ptrdiff_t panel_begin,
  ptrdiff_t panel_end) {
  const adze_window2d *w = &c->window;
  const adze_epilogue_f32 *e = &c->epilogue;
  const ptrdiff_t begin = panel_begin * PANEL, end = least(panel_end * PANEL, c->groups);
  if (begin >= end) return;
  // Columns [inner, inner_end): 0 <= x * stride - pad_left, and the last tap is in the image too.
  const ptrdiff_t stride = w->stride_width, room = w->width + w->pad_left - (w->kernel_width - 1) * w->dilation_width;
  const ptrdiff_t inner = least(w->output_width, (w->pad_left + stride - 1) / stride);
  const ptrdiff_t inner_end = most(inner, least(w->output_width, room <= 0 ? 0 : (room + stride - 1) / stride));
  for (ptrdiff_t line = line_begin; line < line_end; line++) {
    const depthwise_line l = depthwise_line_at(c, line, begin, end);
    for (ptrdiff_t x = 0; x < inner; x++) depthwise_edge(&l, x);
    depthwise_inner_for(&l)(&l, inner, inner_end);
    for (ptrdiff_t x = inner_end; x < w->output_width; x++) depthwise_edge(&l, x);
    for (ptrdiff_t x = 0; e->activation && x < w->output_width; x++) {
      float *y = c->y + (line * w->output_width + x) * c->y_pixel_stride + begin;
      e->activation(y, y, end - begin, e->alpha, e->beta);
    }
  }
}

void KERNEL(pack_conv2d_depthwise_f32)(
  const adze_conv2d_f32 *c, const float *weights, float *packed, ptrdiff_t panel_begin, ptrdiff_t panel_end) {
  const ptrdiff_t taps = c->window.kernel_height * c->window.kernel_width;
  float *to = packed + panel_begin * PANEL * taps;
  for (ptrdiff_t first = panel_begin * PANEL; first < panel_end * PANEL; first += VL) {
    for (ptrdiff_t tap = 0; tap < taps; tap++) {
      for (ptrdiff_t channel = first; channel < first + VL; channel++) {
        *to++ = channel < c->groups ? weights[channel * taps + tap] : 0;
      }
    }
  }
}
