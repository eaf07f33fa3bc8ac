// The unroll for rules with a wide hidden layer. The channels of a cell are stored side by side.
// Only the cells that fire are computed: their perceptions are gathered into chunks, which fit in the
// cache and go through the two layers as small matrix products.
#pragma once

#include "rule.h"

template <class Unit> struct Cells {
    static constexpr int CELL = round_up(CHANNELS, LANES);  // floats per stored cell, padded with zeros
    static constexpr int WIDE = round_up(HIDDEN, LANES);
    static constexpr int PERCEIVED = round_up(PERCEPTION, LANES);
    // Filter results are stored one after another, CHANNELS floats apart. They are written as whole
    // vectors, and the next filter overwrites the excess lanes of the previous one. Rows leave room
    // for the excess of the last filter, and for whole blocks.
    static constexpr int PERCEIVED_ROW = round_up(round_up(PERCEPTION, MAX_BLOCK_ROWS) + LANES, LANES);
    static constexpr int CHUNK = 48;
    static constexpr int CELL_VECTORS = CELL / LANES, WIDE_VECTORS = WIDE / LANES;

    static int64_t state_floats(int64_t height, int64_t width) { return (height + 2 * REACH) * (width + 2 * REACH) * CELL; }

    static Plane plane(float* image, const Problem& problem) {
        const ptrdiff_t row = (problem.width + 2 * REACH) * CELL;
        return {image + REACH * (row + CELL), row, CELL};
    }

    // Column c*K + k of torch's w1 is row k*C + c here.
    static int column(int row) { return row % CHANNELS * FILTERS + row / CHANNELS; }

    struct Weights {
        std::vector<Unit> w1, w1_t, w2, w2_t;
        std::vector<float> b1 = std::vector<float>(WIDE), b2 = std::vector<float>(CELL);
        float clip;

        explicit Weights(const Problem& p) : clip(p.hidden_clip) {
            const auto first = [&](int k, int h) { return p.w1[h * PERCEPTION + column(k)]; };
            const auto second = [&](int h, int c) { return p.w2[c * HIDDEN + h]; };
            w1 = pack(PERCEPTION, HIDDEN, WIDE, first);
            w1_t = pack(HIDDEN, PERCEPTION, PERCEIVED, [&](int h, int k) { return first(k, h); });
            w2 = pack(HIDDEN, CHANNELS, CELL, second);
            w2_t = pack(CHANNELS, HIDDEN, WIDE, [&](int c, int h) { return second(h, c); });
            std::memcpy(b1.data(), p.b1, HIDDEN * sizeof(float));
            if (p.b2) std::memcpy(b2.data(), p.b2, CHANNELS * sizeof(float));
        }

        template <class Value> static std::vector<Unit> pack(int depth, int columns, int row, Value value) {
            constexpr int N = depth_of<Unit>;
            std::vector<Unit> packed((depth + N - 1) / N * row);
            for (int k = 0; k < depth; k += N)
                for (int j = 0; j < columns; ++j) {
                    if constexpr (N == 1) packed[k * row + j] = value(k, j);
                    else packed[k / N * row + j] = make_pair(value(k, j), k + 1 < depth ? value(k + 1, j) : 0.f);
                }
            return packed;
        }
    };

    // The operands of one chunk, and the sums of one step. All are initialized to zero, because
    // padding must be finite.
    struct Scratch {
        std::vector<int32_t> firing;
        alignas(64) float perception[CHUNK * PERCEIVED_ROW] = {};
        alignas(64) float hidden[CHUNK * WIDE] = {};
        alignas(64) float change[CHUNK * CELL + MAX_BLOCK_ROWS] = {};  // gradient of the state's change
        alignas(64) float d_hidden[CHUNK * WIDE] = {};
        alignas(64) float d_perception[CHUNK * PERCEIVED + CELL] = {};
        alignas(64) float d_w1[round_up(PERCEPTION, MAX_BLOCK_ROWS) * WIDE] = {};
        alignas(64) float d_w2[round_up(CHANNELS, MAX_BLOCK_ROWS) * WIDE] = {};
        alignas(64) float d_b1[WIDE] = {}, d_b2[CELL] = {};
        // Bfloat16 copies of operands; unused if Unit is float.
        static constexpr int HALF = depth_of<Unit> == 2;
        alignas(64) Unit packed[HALF * CHUNK * (PERCEIVED_ROW + WIDE) + 1];
        alignas(64) Unit packed_more[HALF * CHUNK * (WIDE + CELL + MAX_BLOCK_ROWS) + 1];

        explicit Scratch(const Problem& p) : firing(p.height * p.width + 1) {}
    };

    // --- operands: the float rows themselves, or bfloat16 copies of them -----------------------

    // Pack pairs along a row, for sums over the columns of a row.
    static const Unit* along_columns(const float* rows, Unit* packed, int count) {
        if constexpr (depth_of<Unit> == 1) return rows;
        else {
            for (int i = 0; i < count; i += LANES) pack_neighbors(rows + i, packed + i / 2);
            return packed;
        }
    }

    // Pack pairs from one row and the next, for sums over rows.
    static const Unit* along_rows(const float* rows, Unit* packed, int row, int count) {
        if constexpr (depth_of<Unit> == 1) return rows;
        else {
            for (int j = 0; j < count; j += 2)
                for (int i = 0; i < row; i += LANES)
                    pack_rows(rows + j * row + i, rows + (j + 1) * row + i, packed + j / 2 * row + i);
            return packed;
        }
    }

    static constexpr int units(int depth) { return (depth + depth_of<Unit> - 1) / depth_of<Unit>; }
    static constexpr int in_units(int floats) { return floats / depth_of<Unit>; }

    // --- one chunk ------------------------------------------------------------------------------

    static void perceive_cell(const float* cell, ptrdiff_t row, float* out) {
        // Start with the last vector, because the lanes that it writes past the end of a filter's
        // results are overwritten later.
        UNROLL for (int v = CELL_VECTORS - 1; v >= 0; --v)
            perceive(cell + v * LANES, row, CELL,
                     [&](int k, Floats value) { store(out + k * CHANNELS + v * LANES, value); });
    }

    // The transpose of perceive: add the gradient of a cell's perception to the gradients of the
    // cell's neighborhood.
    static void spread(const float* d_perception, float* d_cell, ptrdiff_t row) {
        UNROLL for (int v = 0; v < CELL_VECTORS; ++v) {
            Floats gradient[FILTERS];
            UNROLL for (int k = 0; k < FILTERS; ++k)
                gradient[k] = own_channels(load(d_perception + k * CHANNELS + v * LANES), v);
            UNROLL for (int dilation = 1; dilation <= REACH; ++dilation) {
                if (!has_dilation(dilation)) continue;
                UNROLL for (int y = 0; y < 3; ++y) UNROLL for (int x = 0; x < 3; ++x) {
                    Floats sum = {};
                    UNROLL for (int k = 0; k < FILTERS; ++k)
                        if (DILATION[k] == dilation && FILTER[k][y][x] != 0) sum += FILTER[k][y][x] * gradient[k];
                    float* to = d_cell + dilation * ((y - 1) * row + (x - 1) * CELL) + v * LANES;
                    store(to, load(to) + sum);
                }
            }
        }
    }

    // Zero the lanes past the last channel, which hold values of the next filter.
    static Floats own_channels(Floats values, int vector) {
        if constexpr (CHANNELS % LANES == 0) return values;
        Ints lane;
        UNROLL for (int i = 0; i < LANES; ++i) lane[i] = i + vector * LANES;
        return keep(lane < CHANNELS, values);
    }

    static void hidden_layer(const Weights& w, Scratch& s, const float* origin, ptrdiff_t row, const int32_t* firing,
                             int n) {
        for (int i = 0; i < n; ++i)
            perceive_cell(origin + ptrdiff_t{firing[i]} * CELL, row, s.perception + i * PERCEIVED_ROW);
        std::memset(s.perception + n * PERCEIVED_ROW, 0, (CHUNK - n) * PERCEIVED_ROW * sizeof(float));
        const Unit* perception = along_columns(s.perception, s.packed, CHUNK * PERCEIVED_ROW);
        multiply<WIDE_VECTORS>(
            perception, in_units(PERCEIVED_ROW), 1, n, w.w1.data(), WIDE, units(PERCEPTION),
            [&](int j) { return load(w.b1.data() + j * LANES); },
            [&](int i, int j, Floats v) { store(s.hidden + i * WIDE + j * LANES, at_most(relu(v), w.clip)); });
    }

    static void forward_chunk(const Weights& w, Scratch& s, const float* origin, float* next, ptrdiff_t row,
                              const int32_t* firing, int n) {
        hidden_layer(w, s, origin, row, firing, n);
        const Unit* hidden = along_columns(s.hidden, s.packed, CHUNK * WIDE);
        multiply<CELL_VECTORS>(
            hidden, in_units(WIDE), 1, n, w.w2.data(), CELL, units(HIDDEN),
            [&](int j) { return load(w.b2.data() + j * LANES); },
            [&](int i, int j, Floats v) {
                if (i >= n) return;
                float* to = next + ptrdiff_t{firing[i]} * CELL + j * LANES;
                store(to, load(to) + v);
            });
    }

    static void backward_chunk(const Weights& w, Scratch& s, const float* origin, const float* d_next, float* d_state,
                               ptrdiff_t row, const int32_t* firing, int n) {
        const auto zero = [](int) { return Floats{}; };
        hidden_layer(w, s, origin, row, firing, n);
        for (int i = 0; i < n; ++i)
            std::memcpy(s.change + i * CELL, d_next + ptrdiff_t{firing[i]} * CELL, CELL * sizeof(float));
        std::memset(s.change + n * CELL, 0, (CHUNK - n) * CELL * sizeof(float));

        const Unit* change = along_columns(s.change, s.packed, CHUNK * CELL);
        multiply<WIDE_VECTORS>(change, in_units(CELL), 1, n, w.w2_t.data(), WIDE, units(CHANNELS), zero,
                               [&](int i, int j, Floats v) {
                                   const int at = i * WIDE + j * LANES;
                                   store(s.d_hidden + at, pass_gradient(v, load(s.hidden + at), w.clip));
                               });
        weight_gradients(s, n);

        const Unit* d_hidden = along_columns(s.d_hidden, s.packed, CHUNK * WIDE);
        multiply<PERCEIVED / LANES>(
            d_hidden, in_units(WIDE), 1, n, w.w1_t.data(), PERCEIVED, units(HIDDEN), zero,
            [&](int i, int j, Floats v) { store(s.d_perception + i * PERCEIVED + j * LANES, v); });
        for (int i = 0; i < n; ++i)
            spread(s.d_perception + i * PERCEIVED, d_state + ptrdiff_t{firing[i]} * CELL, row);
    }

    static void weight_gradients(Scratch& s, int n) {
        const auto zero = [](int) { return Floats{}; };
        const auto add_to = [](float* sums) {
            return [sums](int i, int j, Floats v) {
                float* to = sums + i * WIDE + j * LANES;
                store(to, load(to) + v);
            };
        };
        const auto add_rows = [n](const float* rows, int row, float* sums) {
            for (int j = 0; j < row; j += LANES) {
                Floats sum = load(sums + j);
                for (int i = 0; i < n; ++i) sum += load(rows + i * row + j);
                store(sums + j, sum);
            }
        };
        Unit* more = s.packed_more;
        add_rows(s.change, CELL, s.d_b2);
        add_rows(s.d_hidden, WIDE, s.d_b1);

        const Unit* hidden = along_rows(s.hidden, more, WIDE, CHUNK);
        const Unit* change = along_rows(s.change, more + CHUNK / 2 * WIDE, CELL, CHUNK);
        multiply<WIDE_VECTORS>(change, 1, CELL, CHANNELS, hidden, WIDE, units(n), zero, add_to(s.d_w2));

        const Unit* perception = along_rows(s.perception, s.packed, PERCEIVED_ROW, CHUNK);
        const Unit* d_hidden = along_rows(s.d_hidden, more, WIDE, CHUNK);
        multiply<WIDE_VECTORS>(perception, 1, PERCEIVED_ROW, PERCEPTION, d_hidden, WIDE, units(n), zero,
                               add_to(s.d_w1));
    }

    // --- one step of one sample -------------------------------------------------------------------

    // List the cells that fire, as offsets from the origin, in cells.
    static int list_firing(const Problem& p, const uint8_t* mask, int32_t* firing) {
        int count = 0;
        for (int y = 0; y < p.height; ++y)
            for (int x = 0; x < p.width; ++x) {
                firing[count] = static_cast<int32_t>(y * (p.width + 2 * REACH) + x);
                count += *mask++ != 0;
            }
        return count;
    }

    static void forward(const Problem& p, const Weights& w, Scratch& s, float* state, float* next,
                        const uint8_t* mask) {
        const Plane from = plane(state, p), to = plane(next, p);
        const int count = list_firing(p, mask, s.firing.data());
        std::memcpy(next, state, state_floats(p.height, p.width) * sizeof(float));
        for (int i = 0; i < count; i += CHUNK)
            forward_chunk(w, s, from.origin, to.origin, from.row, s.firing.data() + i,
                          count - i < CHUNK ? count - i : CHUNK);
        fill_border(to, p.height, p.width, p.padding);
    }

    // The borders of both gradients are zero before and after this call.
    static void backward(const Problem& p, const Weights& w, Scratch& s, float* state, float* d_next, float* d_state,
                         const uint8_t* mask, Gradients& sums) {
        const Plane from = plane(state, p), d_from = plane(d_next, p), d_to = plane(d_state, p);
        const int count = list_firing(p, mask, s.firing.data());
        std::memcpy(d_state, d_next, state_floats(p.height, p.width) * sizeof(float));
        for (int i = 0; i < count; i += CHUNK)
            backward_chunk(w, s, from.origin, d_from.origin, d_to.origin, from.row, s.firing.data() + i,
                           count - i < CHUNK ? count - i : CHUNK);
        fold_border(d_to, p.height, p.width, p.padding);
        flush(s, sums);
    }

    // Add the sums of one step, in float, to the sums over all steps, in double.
    static void flush(Scratch& s, Gradients& sums) {
        const auto move = [](double& to, float& from) {
            to += from;
            from = 0;
        };
        for (int h = 0; h < HIDDEN; ++h) {
            for (int k = 0; k < PERCEPTION; ++k) move(sums.w1[h * PERCEPTION + column(k)], s.d_w1[k * WIDE + h]);
            for (int c = 0; c < CHANNELS; ++c) move(sums.w2[c * HIDDEN + h], s.d_w2[c * WIDE + h]);
            move(sums.b1[h], s.d_b1[h]);
        }
        for (int c = 0; c < CHANNELS; ++c) move(sums.b2[c], s.d_b2[c]);
    }

    // --- torch's layout [C, H, W] in and out ------------------------------------------------------

    static void read(const Problem& p, const float* channels, float* image) {
        std::memset(image, 0, state_floats(p.height, p.width) * sizeof(float));
        const Plane to = plane(image, p);
        for (int64_t y = 0; y < p.height; ++y)
            for (int64_t x = 0; x < p.width; ++x)
                for (int64_t c = 0; c < CHANNELS; ++c)
                    to.origin[y * to.row + x * CELL + c] = channels[(c * p.height + y) * p.width + x];
    }

    static void show_border(const Problem& p, float* image) { fill_border(plane(image, p), p.height, p.width, p.padding); }

    static void write(const Problem& p, float* image, float* channels) {
        const Plane from = plane(image, p);
        for (int64_t y = 0; y < p.height; ++y)
            for (int64_t x = 0; x < p.width; ++x)
                for (int64_t c = 0; c < CHANNELS; ++c)
                    channels[(c * p.height + y) * p.width + x] = from.origin[y * from.row + x * CELL + c];
    }
};
