// Depthwise convolution and pooling of NHWC images: vectors of channels, so that neither stride nor edge costs a shuffle.

/// Window rows or columns [*begin, *end) that lie inside an image of `extent` when the first is at `start`.
ALWAYS_INLINE void taps_inside(
  ptrdiff_t start, ptrdiff_t dilation, ptrdiff_t extent, ptrdiff_t count, ptrdiff_t *begin, ptrdiff_t *end) {
  *begin = start >= 0 ? 0 : least(count, (-start + dilation - 1) / dilation);
  *end = start >= extent ? *begin : most(*begin, least(count, (extent - start + dilation - 1) / dilation));
}

ALWAYS_INLINE vf load_lanes(const float *p, ptrdiff_t count) { return count < VL ? v_load_part(p, count) : v_load(p); }
ALWAYS_INLINE void store_lanes(float *p, vf v, ptrdiff_t count) {
  if (count < VL) v_store_part(p, v, count);
  else v_store(p, v);
}

/// `outputs` neighbouring pixels of one vector of channels; window rows [row_begin, row_end) and columns
/// [column_begin, column_end). `from` is under the first tap, `taps` its weights. `width` and `stride` are constant where common.
ALWAYS_INLINE void depthwise_vector(
  const int outputs, const adze_conv2d_f32 *c, const float *from, const float *taps, ptrdiff_t row_begin,
  ptrdiff_t row_end, ptrdiff_t column_begin, ptrdiff_t column_end, const ptrdiff_t width, const ptrdiff_t stride,
  ptrdiff_t pixel, ptrdiff_t channel, const ptrdiff_t count) {
  const adze_window2d *w = &c->window;
  const adze_epilogue_f32 *e = &c->epilogue;
  const ptrdiff_t step = c->x_pixel_stride, row = w->dilation_height * w->width * step;
  const ptrdiff_t dilation = w->dilation_width * step;
  vf acc[4];
  UNROLL for (int i = 0; i < outputs; i++) acc[i] = v_set1(0);
  from += row_begin * row;
  taps += row_begin * width * PANEL;
  for (ptrdiff_t ky = row_begin; ky < row_end; ky++, from += row, taps += width * PANEL) {
    for (ptrdiff_t kx = column_begin; kx < column_end; kx++) {
      const vf weight = v_load(taps + kx * PANEL);
      UNROLL for (int i = 0; i < outputs; i++) {
        acc[i] = v_fma(load_lanes(from + kx * dilation + i * stride * step, count), weight, acc[i]);
      }
    }
  }
  const vf bias = e->column_bias ? load_lanes(e->column_bias + channel, count) : v_set1(0);
  const float *residual = c->residual ? c->residual + pixel * c->residual_pixel_stride + channel : NULL;
  float *y = c->y + pixel * c->y_pixel_stride + channel;
  UNROLL for (int i = 0; i < outputs; i++) {
    vf sum = acc[i] + bias;
    if (residual) sum = sum + load_lanes(residual + i * c->residual_pixel_stride, count);
    if (e->clamps) sum = v_min(v_set1(e->maximum), v_max(v_set1(e->minimum), sum));
    store_lanes(y + i * c->y_pixel_stride, sum, count);
  }
}

/// Channels [begin, end) of `outputs` pixels of a line from column x on, all window columns inside when outputs > 1.
ALWAYS_INLINE void depthwise_pixels(
  const int outputs, const adze_conv2d_f32 *c, ptrdiff_t line, ptrdiff_t x, const ptrdiff_t width,
  const ptrdiff_t stride, ptrdiff_t begin, ptrdiff_t end) {
  const adze_window2d *w = &c->window;
  const ptrdiff_t top = line % w->output_height * w->stride_height - w->pad_top, left = x * stride - w->pad_left;
  const ptrdiff_t taps = w->kernel_height * w->kernel_width;
  const float *from = c->x + line / w->output_height * c->x_image_stride + (top * w->width + left) * c->x_pixel_stride;
  ptrdiff_t row_begin, row_end, column_begin = 0, column_end = width;
  taps_inside(top, w->dilation_height, w->height, w->kernel_height, &row_begin, &row_end);
  if (outputs == 1) taps_inside(left, w->dilation_width, w->width, width, &column_begin, &column_end);
  const ptrdiff_t pixel = line * w->output_width + x;
  ptrdiff_t channel = begin;
  for (; channel + VL <= end; channel += VL) {
    const float *weights = c->weights_packed + channel / PANEL * PANEL * taps + channel % PANEL;
    depthwise_vector(
      outputs, c, from + channel, weights, row_begin, row_end, column_begin, column_end, width, stride, pixel, channel, VL);
  }
  if (channel < end) {
    const float *weights = c->weights_packed + channel / PANEL * PANEL * taps + channel % PANEL;
    depthwise_vector(
      outputs, c, from + channel, weights, row_begin, row_end, column_begin, column_end, width, stride, pixel, channel,
      end - channel);
  }
}

/// One output line: four pixels at a time between the edges.
ALWAYS_INLINE void depthwise_line(
  const adze_conv2d_f32 *c, ptrdiff_t line, const ptrdiff_t width, const ptrdiff_t stride, ptrdiff_t begin,
  ptrdiff_t end) {
  const adze_window2d *w = &c->window;
  const ptrdiff_t reach = (width - 1) * w->dilation_width;
  // Columns whose whole window is inside: 0 <= x * stride - pad_left and x * stride - pad_left + reach < width.
  const ptrdiff_t inner = least(w->output_width, (w->pad_left + stride - 1) / stride);
  const ptrdiff_t room = w->width + w->pad_left - reach;
  const ptrdiff_t inner_end = most(inner, least(w->output_width, room <= 0 ? 0 : (room + stride - 1) / stride));
  ptrdiff_t x = 0;
  for (; x < inner; x++) depthwise_pixels(1, c, line, x, width, stride, begin, end);
  for (; x + 4 <= inner_end; x += 4) depthwise_pixels(4, c, line, x, width, stride, begin, end);
  for (; x < w->output_width; x++) depthwise_pixels(1, c, line, x, width, stride, begin, end);
}

static void depthwise_line_3_1(const adze_conv2d_f32 *c, ptrdiff_t line, ptrdiff_t begin, ptrdiff_t end) {
  depthwise_line(c, line, 3, 1, begin, end);
}
static void depthwise_line_3_2(const adze_conv2d_f32 *c, ptrdiff_t line, ptrdiff_t begin, ptrdiff_t end) {
  depthwise_line(c, line, 3, 2, begin, end);
}
static void depthwise_line_5_1(const adze_conv2d_f32 *c, ptrdiff_t line, ptrdiff_t begin, ptrdiff_t end) {
  depthwise_line(c, line, 5, 1, begin, end);
}
static void depthwise_line_5_2(const adze_conv2d_f32 *c, ptrdiff_t line, ptrdiff_t begin, ptrdiff_t end) {
  depthwise_line(c, line, 5, 2, begin, end);
}
static void depthwise_line_any(const adze_conv2d_f32 *c, ptrdiff_t line, ptrdiff_t begin, ptrdiff_t end) {
  depthwise_line(c, line, c->window.kernel_width, c->window.stride_width, begin, end);
}

void KERNEL(conv2d_depthwise_f32)(
  const adze_conv2d_f32 *c, float *scratch, ptrdiff_t line_begin, ptrdiff_t line_end, ptrdiff_t panel_begin,
  ptrdiff_t panel_end) {
  const adze_window2d *w = &c->window;
  const adze_epilogue_f32 *e = &c->epilogue;
  const ptrdiff_t begin = panel_begin * PANEL, end = least(panel_end * PANEL, c->groups);
  if (begin >= end) return;
  const ptrdiff_t width = w->kernel_width, stride = w->stride_width;
  void (*run)(const adze_conv2d_f32 *, ptrdiff_t, ptrdiff_t, ptrdiff_t) = depthwise_line_any;
  if (width == 3 && stride == 1) run = depthwise_line_3_1;
  if (width == 3 && stride == 2) run = depthwise_line_3_2;
  if (width == 5 && stride == 1) run = depthwise_line_5_1;
  if (width == 5 && stride == 2) run = depthwise_line_5_2;
  for (ptrdiff_t line = line_begin; line < line_end; line++) {
    run(c, line, begin, end);
    for (ptrdiff_t x = 0; e->activation && x < w->output_width; x++) {
      float *y = c->y + (line * w->output_width + x) * c->y_pixel_stride + begin;
      e->activation(y, y, end - begin, e->alpha, e->beta);
    }
  }
}

void KERNEL(pack_conv2d_depthwise_f32)(
  const adze_conv2d_f32 *c, const float *weights, float *packed, ptrdiff_t panel_begin, ptrdiff_t panel_end) {
  const ptrdiff_t taps = c->window.kernel_height * c->window.kernel_width;
  for (ptrdiff_t panel = panel_begin; panel < panel_end; panel++) {
    float *to = packed + panel * PANEL * taps;
    for (ptrdiff_t tap = 0; tap < taps; tap++) {
      for (ptrdiff_t i = 0; i < PANEL; i++) {
        const ptrdiff_t channel = panel * PANEL + i;
        *to++ = channel < c->groups ? weights[channel * taps + tap] : 0;
      }
    }
  }
}
