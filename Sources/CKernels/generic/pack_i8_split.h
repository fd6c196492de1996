// Packs B for gemm_i8_split.h: chooses d for each panel and splits off what exceeds it. Needs, besides, on int16 lanes:
//   unsigned over(vi a, vi b)  how many lanes have a > 128 or b < -128

// Time of one row against one word of weights at d, and against one entry, in picoseconds where two 256-bit
// multiplications start in a cycle.
static const int32_t word_cost[5] = {52, 33, 28, 0, 26};
#define ENTRY_COST 30
// What a panel with any entry costs each row beyond them: the walk over its columns.
#define ENTRIES_COST 6000
// Of an entry in a panel that has nothing else; its column's sums stay in registers for longer.
#define SPARSE_COST 30

#define LIMIT 128

/// Four weights of each of `depth` words of one column, and what is taken off them.
typedef struct {
  int32_t weights[4][4], excess[4][4];
} split_run;

/// Sum of the weights of `sign` in one int16 lane's part of a word.
ALWAYS_INLINE int32_t lane_sum(const split_run *r, int word, int lane, int32_t sign) {
  const int32_t x = sign * r->weights[word][2 * lane], y = sign * r->weights[word][2 * lane + 1];
  return (int32_t)(most(0, x) + most(0, y));
}

/// Takes `amount` off the weights of `sign`, the greater one first.
static void take(split_run *r, int word, int lane, int32_t sign, int32_t amount) {
  int32_t *w = &r->weights[word][2 * lane], *e = &r->excess[word][2 * lane];
  const int first = sign * w[0] >= sign * w[1] ? 0 : 1;
  const int32_t from_first = (int32_t)least(amount, sign * w[first]), rest = amount - from_first;
  w[first] -= sign * from_first;
  e[first] += sign * from_first;
  w[1 - first] -= sign * rest;
  e[1 - first] += sign * rest;
}

/// Makes every lane of a run safe. False when the excess of one word would itself be unsafe.
static bool make_safe(split_run *r, int depth) {
  for (int lane = 0; lane < 2; lane++) {
    for (int32_t sign = -1; sign <= 1; sign += 2) {
      int32_t excess = -LIMIT;
      for (int j = 0; j < depth; j++) excess += lane_sum(r, j, lane, sign);
      for (int taken = 0; excess > 0; taken++) {
        if (taken == depth) return false;
        int largest = 0;
        for (int j = 1; j < depth; j++) {
          if (lane_sum(r, j, lane, sign) > lane_sum(r, largest, lane, sign)) largest = j;
        }
        // A word that has given its 128 has at most 126 left and is not the largest again unless all have given.
        const int32_t amount = (int32_t)least(excess, least(LIMIT, lane_sum(r, largest, lane, sign)));
        const int32_t given = sign * (r->excess[largest][2 * lane] + r->excess[largest][2 * lane + 1]);
        if (amount + most(0, given) > LIMIT) return false;
        take(r, largest, lane, sign, amount);
        excess -= amount;
      }
    }
  }
  return true;
}

ALWAYS_INLINE vi positive_sums(vi b) { return pair_products(vi_set1(0x01010101), greater_bytes(b, vi_set1(0))); }
ALWAYS_INLINE vi negative_sums(vi b) { return pair_products(vi_set1(0x01010101), smaller_bytes(b, vi_set1(0))); }

/// Unsafe lanes of a panel at d = 1, 2 and 4, and words that are not zero.
static void count_unsafe(const int8_t *bytes, ptrdiff_t groups, ptrdiff_t counts[SPARSE + 1]) {
  counts[1] = counts[2] = counts[4] = counts[SPARSE] = 0;
  for (ptrdiff_t i = 0; i < groups * PANEL; i++) {
    int32_t word;
    memcpy(&word, bytes + i * 4, sizeof word);
    counts[SPARSE] += word != 0;
  }
  for (ptrdiff_t g = 0; g < groups; g += 4) {
    for (int v = 0; v < 2; v++) {
      vi positive[4], negative[4];
      for (int j = 0; j < 4; j++) {
        const vi b = vi_load((const int32_t *)(const void *)bytes + (g + j) * PANEL + v * VL);
        positive[j] = positive_sums(b);
        negative[j] = negative_sums(b);
        counts[1] += over(positive[j], negative[j]);
      }
      for (int j = 0; j < 4; j += 2) {
        positive[j] = add_16(positive[j], positive[j + 1]);
        negative[j] = add_16(negative[j], negative[j + 1]);
        counts[2] += over(positive[j], negative[j]);
      }
      counts[4] += over(add_16(positive[0], positive[2]), add_16(negative[0], negative[2]));
    }
  }
}

/// Adds a word to the column's entries, to the last four if that stays safe. False when there is no room.
static bool add_entry(
  const split_panel *p, int32_t begin, int32_t *end, ptrdiff_t group, const int8_t *word) {
  split_entries *last = &p->entries[*end - 1];
  int at = 0;
  bool fits = *end > begin;
  int32_t sums[2][2] = {{0}};
  for (int i = 0; i < 4; i++) sums[word[i] < 0][i / 2] += word[i];
  for (; fits && at < 4 && last->words[at]; at++) {
    for (int i = 0; i < 4; i++) {
      const int8_t e = ((const int8_t *)&last->words[at])[i];
      sums[e < 0][i / 2] += e;
    }
  }
  for (int lane = 0; lane < 2; lane++) fits = fits && sums[0][lane] <= LIMIT && sums[1][lane] >= -LIMIT;
  if (!fits || at == 4) {
    if ((*end + 1) * (ptrdiff_t)sizeof(split_entries) > p->entry_bytes) return false;
    last = &p->entries[(*end)++];
    memset(last, 0, sizeof *last);
    at = 0;
  }
  memcpy(&last->words[at], word, 4);
  last->groups[at] = (uint16_t)group;
  return true;
}

/// Splits one column at d; its entries follow those that are there. False when they do not fit.
static bool split_column(const split_panel *p, int column, int depth, ptrdiff_t groups, int32_t *end) {
  const int32_t begin = *end;
  for (ptrdiff_t g = 0; g < groups; g += depth) {
    split_run run = {0};
    int32_t sums[2][2] = {{0}};
    int8_t *bytes = p->bytes + (g * PANEL + column) * 4;
    for (int j = 0; j < depth; j++) {
      for (int i = 0; i < 4; i++) {
        const int32_t w = bytes[j * PANEL * 4 + i];
        run.weights[j][i] = w;
        sums[w < 0][i / 2] += w;
      }
    }
    if (sums[0][0] <= LIMIT && sums[0][1] <= LIMIT && sums[1][0] >= -LIMIT && sums[1][1] >= -LIMIT) continue;
    if (!make_safe(&run, depth)) return false;
    for (int j = 0; j < depth; j++) {
      int8_t word[4];
      int32_t any = 0;
      for (int i = 0; i < 4; i++) {
        bytes[j * PANEL * 4 + i] = (int8_t)run.weights[j][i];
        word[i] = (int8_t)run.excess[j][i];
        any |= word[i];
      }
      if (any && !add_entry(p, begin, end, g + j, word)) return false;
    }
  }
  return true;
}

static bool split_at(const split_panel *p, int depth, ptrdiff_t groups) {
  int32_t entries = 0;
  for (int c = 0; c < PANEL; c++) {
    if (depth && !split_column(p, c, depth, groups, &entries)) return false;
    p->header->entry_ends[c] = entries;
  }
  p->header->depth = depth;
  return true;
}

/// Makes entries of all weights, straight from B: they take the place of the panel's bytes. A word that is not safe by
/// itself becomes two entries.
static bool split_all(
  const split_panel *p, const uint8_t *from, uint8_t flip, ptrdiff_t k_stride, ptrdiff_t n_stride, ptrdiff_t k,
  ptrdiff_t columns, ptrdiff_t groups) {
  const split_panel sparse = {
    p->header, p->bytes, (split_entries *)(void *)p->bytes, groups * PANEL * 4 + p->entry_bytes};
  int32_t end = 0;
  for (ptrdiff_t c = 0; c < PANEL; c++) {
    const int32_t begin = end;
    for (ptrdiff_t i = 0; i < k && c < columns; i += 4) {
      split_run run = {0};
      int32_t any = 0;
      for (ptrdiff_t j = 0; j < least(4, k - i); j++) {
        any |= run.weights[0][j] = (int8_t)(from[(i + j) * k_stride + c * n_stride] ^ flip);
      }
      if (!any) continue;
      if (!make_safe(&run, 1)) return false;
      int8_t word[4], excess[4];
      for (int j = 0; j < 4; j++) word[j] = (int8_t)run.weights[0][j], excess[j] = (int8_t)run.excess[0][j];
      const bool splits = excess[0] || excess[1] || excess[2] || excess[3];
      if (!add_entry(&sparse, begin, &end, i / 4, word)) return false;
      if (splits && !add_entry(&sparse, begin, &end, i / 4, excess)) return false;
    }
    p->header->entry_ends[c] = end;
  }
  p->header->depth = SPARSE;
  return true;
}

/// The way of least cost among those not yet tried.
static int cheapest(const ptrdiff_t counts[SPARSE + 1], ptrdiff_t groups, const bool tried[SPARSE + 1]) {
  int best = 0;
  ptrdiff_t least_cost = groups * PANEL * word_cost[0];
  if (!tried[SPARSE] && groups <= CHUNK && counts[SPARSE] * SPARSE_COST + ENTRIES_COST < least_cost) {
    best = SPARSE, least_cost = counts[SPARSE] * SPARSE_COST + ENTRIES_COST;
  }
  for (int d = 1; d <= 4; d *= 2) {
    // Deeper than a chunk there is no second pass over A.
    if (tried[d] || (groups > CHUNK && counts[d])) continue;
    const ptrdiff_t cost = groups * PANEL * word_cost[d] + counts[d] * ENTRY_COST + (counts[d] ? ENTRIES_COST : 0);
    if (cost < least_cost) best = d, least_cost = cost;
  }
  return best;
}

/// The bytes of one panel in place, signed, and their column sums.
static void fill_panel(
  const split_panel *p, const uint8_t *from, uint8_t flip, ptrdiff_t k_stride, ptrdiff_t n_stride, ptrdiff_t k,
  ptrdiff_t columns, ptrdiff_t groups) {
  uint32_t sums[PANEL] = {0};
  memset(p->bytes, 0, (size_t)(groups * PANEL * 4));
  for (ptrdiff_t i = 0; i < k; i++) {
    int8_t *row = p->bytes + i / 4 * PANEL * 4 + i % 4;
    for (ptrdiff_t j = 0; j < columns; j++) {
      const int8_t value = (int8_t)(from[i * k_stride + j * n_stride] ^ flip);
      row[j * 4] = value;
      sums[j] += (uint32_t)(int32_t)value;
    }
  }
  memcpy(p->header->column_sums, sums, sizeof sums);
}

void KERNEL(pack_b_i8)(
  const void *b, bool b_signed, ptrdiff_t k_stride, ptrdiff_t n_stride, ptrdiff_t k, ptrdiff_t n, void *packed,
  ptrdiff_t panel_begin, ptrdiff_t panel_end) {
  const ptrdiff_t groups = group_count(k);
  for (ptrdiff_t panel = panel_begin; panel < panel_end; panel++) {
    const split_panel p = panel_at(packed, groups, panel);
    const uint8_t *from = (const uint8_t *)b + panel * PANEL * n_stride;
    const ptrdiff_t columns = least(PANEL, n - panel * PANEL);
    const uint8_t flip = b_signed ? 0 : 0x80;
    ptrdiff_t counts[SPARSE + 1];
    bool tried[SPARSE + 1] = {false};
    memset(p.header, 0, sizeof *p.header);
    for (;;) {
      fill_panel(&p, from, flip, k_stride, n_stride, k, columns, groups);
      count_unsafe(p.bytes, groups, counts);
      const int depth = cheapest(counts, groups, tried);
      if (depth == SPARSE && split_all(&p, from, flip, k_stride, n_stride, k, columns, groups)) break;
      if (depth != SPARSE && split_at(&p, depth, groups)) break;
      tried[depth] = true;
    }
  }
}
