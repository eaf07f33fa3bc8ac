// The unroll for rules with a small hidden layer. Each channel is a separate plane, and a vector
// contains neighboring cells of a row. With so few weights, all values of a block stay in registers,
// and computing every cell is faster than gathering the cells that fire.
#pragma once

#include "rule.h"

struct Planes {
    static constexpr int BLOCK = 2;  // number of a row's vectors that are computed together
    static constexpr int TILE = 4;   // weight gradients are computed in tiles of TILE x TILE
    static constexpr int UNITS = 8;  // number of a product's rows that are computed together
    static constexpr int WIDE = round_up(HIDDEN, UNITS), PERCEIVED = round_up(PERCEPTION, UNITS),
                         CHANNELS_UP = round_up(CHANNELS, TILE);

    // A row starts with one vector whose last lane is the left border; then come the cells, padded
    // to whole blocks. The right border is the lane after the last cell. If there is no padding, this
    // lane is the first lane of the next row.
    static ptrdiff_t row_floats(int64_t width) {
        constexpr int BLOCK_CELLS = BLOCK * LANES;
        return LANES + (width + BLOCK_CELLS - 1) / BLOCK_CELLS * BLOCK_CELLS;
    }
    static ptrdiff_t plane_floats(int64_t height, int64_t width) { return (height + 2) * row_floats(width); }
    static int64_t state_floats(int64_t height, int64_t width) {
        return CHANNELS * plane_floats(height, width) + LANES;
    }

    static Plane plane(float* image, const Problem& p, int channel) {
        const ptrdiff_t row = row_floats(p.width);
        return {image + channel * plane_floats(p.height, p.width) + row + LANES, row, 1};
    }

    struct Weights {
        float w1[PERCEIVED][WIDE] = {}, b1[WIDE] = {}, w2[WIDE][CHANNELS] = {}, b2[CHANNELS] = {};
        float clip;

        explicit Weights(const Problem& p) : clip(p.hidden_clip) {
            for (int h = 0; h < HIDDEN; ++h) {
                for (int k = 0; k < PERCEPTION; ++k) w1[k][h] = p.w1[h * PERCEPTION + k];
                for (int c = 0; c < CHANNELS; ++c) w2[h][c] = p.w2[c * HIDDEN + h];
                b1[h] = p.b1[h];
            }
            if (p.b2) std::memcpy(b2, p.b2, sizeof b2);
        }
    };

    // Values of one row for the backward pass, and the sums of one step, one sum per lane.
    struct Scratch {
        ptrdiff_t row;
        std::vector<uint8_t> mask;
        std::vector<float> perception, hidden, d_hidden, change, d_perception;
        alignas(64) float d_w1[WIDE * PERCEIVED * LANES] = {};
        alignas(64) float d_w2[CHANNELS_UP * WIDE * LANES] = {};
        alignas(64) float d_b1[WIDE * LANES] = {}, d_b2[CHANNELS_UP * LANES] = {};

        explicit Scratch(const Problem& p)
            : row(row_floats(p.width)), mask(row), perception(PERCEIVED * row), hidden(WIDE * row),
              d_hidden(WIDE * row), change(CHANNELS_UP * row), d_perception((PERCEIVED + 1) * row + LANES) {}
    };

    static void add(float* to, Floats v) { store(to, load(to) + v); }

    // --- forward: one vector of cells, all in registers -----------------------------------------------

    static void forward_vector(const Weights& w, const float* cell, float* next, ptrdiff_t row, ptrdiff_t channel,
                               Ints firing) {
        Floats perception[PERCEPTION], change[CHANNELS];
        UNROLL for (int c = 0; c < CHANNELS; ++c) {
            perceive(cell + c * channel, row, 1, [&](int k, Floats value) { perception[c * FILTERS + k] = value; });
            change[c] = broadcast(w.b2[c]);
        }
        for (int first = 0; first < WIDE; first += UNITS) {
            Floats hidden[UNITS];
            UNROLL for (int j = 0; j < UNITS; ++j) hidden[j] = broadcast(w.b1[first + j]);
            UNROLL for (int k = 0; k < PERCEPTION; ++k) UNROLL for (int j = 0; j < UNITS; ++j)
                hidden[j] = dot(w.w1[k][first + j], perception[k], hidden[j]);
            UNROLL for (int j = 0; j < UNITS; ++j) {
                hidden[j] = at_most(relu(hidden[j]), w.clip);
                UNROLL for (int c = 0; c < CHANNELS; ++c) change[c] = dot(w.w2[first + j][c], hidden[j], change[c]);
            }
        }
        UNROLL for (int c = 0; c < CHANNELS; ++c)
            store(next + c * channel, load(cell + c * channel) + keep(firing, change[c]));
    }

    // --- backward: one row at a time, in small buffers ------------------------------------------------

    // Gather the perceptions and incoming gradients of a row; they are zero for cells that do not fire.
    static void gather_row(Scratch& s, const float* state, const float* d_next, ptrdiff_t channel, ptrdiff_t cells) {
        const ptrdiff_t row = s.row;
        const uint8_t* mask = s.mask.data();
        for (int c = 0; c < CHANNELS; ++c) {
            float *perception = s.perception.data() + c * FILTERS * row, *change = s.change.data() + c * row;
            Floats sum = {};
            for (ptrdiff_t i = 0; i < cells; i += LANES) {
                const Ints firing = lanes_of(mask + i);
                perceive(state + c * channel + i, row, 1,
                         [&](int k, Floats value) { store(perception + k * row + i, keep(firing, value)); });
                const Floats gradient = keep(firing, load(d_next + c * channel + i));
                store(change + i, gradient);
                sum += gradient;
            }
            add(s.d_b2 + c * LANES, sum);
        }
    }

    // Multiply weights by rows of cells: call finish(i, x, start(i) + sum over k of weight (i, k) * row k), where
    // weight (i, k) is weights[i * next_row + k * next_column].
    template <int COUNT, int DEPTH, class Start, class Finish>
    static void combine_rows(const float* weights, int next_row, int next_column, const float* rows, ptrdiff_t row,
                             ptrdiff_t cells, Start start, Finish finish) {
        for (ptrdiff_t x = 0; x < cells; x += BLOCK * LANES)
            for (int i = 0; i < COUNT; i += UNITS)
                multiply_block<UNITS, BLOCK>(
                    weights + i * next_row, next_row, next_column, rows + x, row, DEPTH,
                    [&](int) { return Floats{}; },
                    [&](int j, int v, Floats sum) { finish(i + j, x + v * LANES, sum + broadcast(start(i + j))); });
    }

    // Recompute a row; leave in the buffers the values that the gradients of weights and neighbors depend on.
    static void backward_row(const Weights& w, Scratch& s, ptrdiff_t cells) {
        const ptrdiff_t row = s.row;
        const float clip = w.clip;
        float *hidden = s.hidden.data(), *d_hidden = s.d_hidden.data(), *d_perception = s.d_perception.data() + LANES;
        const auto nothing = [](int) { return 0.f; };
        combine_rows<WIDE, PERCEPTION>(
            w.w1[0], 1, WIDE, s.perception.data(), row, cells, [&](int j) { return w.b1[j]; },
            [=](int j, ptrdiff_t x, Floats v) { store(hidden + j * row + x, at_most(relu(v), clip)); });
        combine_rows<WIDE, CHANNELS>(
            w.w2[0], CHANNELS, 1, s.change.data(), row, cells, nothing, [=, &s](int j, ptrdiff_t x, Floats v) {
                const Floats gradient = pass_gradient(v, load(hidden + j * row + x), clip);
                store(d_hidden + j * row + x, gradient);
                add(s.d_b1 + j * LANES, gradient);
            });
        combine_rows<PERCEIVED, WIDE>(
            w.w1[0], WIDE, 1, d_hidden, row, cells, nothing,
            [=](int k, ptrdiff_t x, Floats v) { store(d_perception + k * row + x, v); });
    }

    // sums[i][j] += sum over the row of left[i] * right[j], lane by lane.
    static void outer_products(const float* left, int left_rows, const float* right, int right_rows, ptrdiff_t row,
                               ptrdiff_t cells, float* sums) {
        for (int i = 0; i < left_rows; i += TILE)
            for (int j = 0; j < right_rows; j += TILE) {
                Floats sum[TILE][TILE] = {};
                for (ptrdiff_t x = 0; x < cells; x += LANES) {
                    Floats a[TILE], b[TILE];
                    UNROLL for (int q = 0; q < TILE; ++q) {
                        a[q] = load(left + (i + q) * row + x);
                        b[q] = load(right + (j + q) * row + x);
                        pin(a[q]);
                        pin(b[q]);
                    }
                    UNROLL for (int q = 0; q < TILE; ++q) UNROLL for (int r = 0; r < TILE; ++r) sum[q][r] += a[q] * b[r];
                }
                UNROLL for (int q = 0; q < TILE; ++q) UNROLL for (int r = 0; r < TILE; ++r)
                    add(sums + ((i + q) * right_rows + j + r) * LANES, sum[q][r]);
            }
    }

    // The transpose of perceive: add the gradients of a row's perceptions to the gradients of that row and of the
    // rows above and below.
    static void spread_row(const Scratch& s, float* d_state, ptrdiff_t channel, int64_t width) {
        const ptrdiff_t row = s.row;
        for (int c = 0; c < CHANNELS; ++c) {
            const float* gradient = s.d_perception.data() + c * FILTERS * row + LANES;
            UNROLL for (int y = 0; y < 3; ++y) {
                float* to = d_state + c * channel + (y - 1) * row;
                for (ptrdiff_t i = 0; i < width; i += LANES) {
                    Floats sum = {};
                    UNROLL for (int k = 0; k < FILTERS; ++k) UNROLL for (int x = 0; x < 3; ++x)
                        if (FILTER[k][y][x] != 0) sum += FILTER[k][y][x] * load(gradient + k * row + i + 1 - x);
                    add(to + i, sum);
                }
                // The vectors do not cover the left border or, if they end exactly with the row, the right border.
                for (int k = 0; k < FILTERS; ++k) {
                    to[-1] += FILTER[k][y][0] * gradient[k * row];
                    if (width % LANES == 0) to[width] += FILTER[k][y][2] * gradient[k * row + width - 1];
                }
            }
        }
    }

    // --- one step of one sample -----------------------------------------------------------------------

    static void forward(const Problem& p, const Weights& w, Scratch& s, float* state, float* next,
                        const uint8_t* mask) {
        const Plane from = plane(state, p, 0), to = plane(next, p, 0);
        const ptrdiff_t channel = plane_floats(p.height, p.width);
        for (int64_t y = 0; y < p.height; ++y) {
            std::memcpy(s.mask.data(), mask + y * p.width, p.width);
            for (ptrdiff_t i = 0; i < p.width; i += LANES)
                forward_vector(w, from.origin + y * from.row + i, to.origin + y * to.row + i, from.row, channel,
                              lanes_of(&s.mask[i]));
        }
        show_border(p, next);
    }

    // The borders of both gradients are zero before and after this call.
    static void backward(const Problem& p, const Weights& w, Scratch& s, float* state, float* d_next, float* d_state,
                         const uint8_t* mask, Gradients& sums) {
        const Plane from = plane(state, p, 0), d_from = plane(d_next, p, 0), d_to = plane(d_state, p, 0);
        const ptrdiff_t channel = plane_floats(p.height, p.width), cells = s.row - LANES;
        std::memcpy(d_state, d_next, state_floats(p.height, p.width) * sizeof(float));
        for (int64_t y = 0; y < p.height; ++y) {
            std::memcpy(s.mask.data(), mask + y * p.width, p.width);
            gather_row(s, from.origin + y * s.row, d_from.origin + y * s.row, channel, cells);
            backward_row(w, s, cells);
            outer_products(s.d_hidden.data(), WIDE, s.perception.data(), PERCEIVED, s.row, cells, s.d_w1);
            outer_products(s.change.data(), CHANNELS_UP, s.hidden.data(), WIDE, s.row, cells, s.d_w2);
            spread_row(s, d_to.origin + y * s.row, channel, p.width);
        }
        for (int c = 0; c < CHANNELS; ++c) fold_border(plane(d_state, p, c), p.height, p.width, p.padding);
        flush(s, sums);
    }

    // Add the sums of one step, in float, to the sums over all steps, in double.
    static void flush(Scratch& s, Gradients& sums) {
        const auto move = [](double& to, float* lanes) {
            for (int i = 0; i < LANES; ++i) {
                to += lanes[i];
                lanes[i] = 0;
            }
        };
        for (int h = 0; h < HIDDEN; ++h) {
            for (int k = 0; k < PERCEPTION; ++k) move(sums.w1[h * PERCEPTION + k], s.d_w1 + (h * PERCEIVED + k) * LANES);
            for (int c = 0; c < CHANNELS; ++c) move(sums.w2[c * HIDDEN + h], s.d_w2 + (c * WIDE + h) * LANES);
            move(sums.b1[h], s.d_b1 + h * LANES);
        }
        for (int c = 0; c < CHANNELS; ++c) move(sums.b2[c], s.d_b2 + c * LANES);
    }

    // --- torch's layout [C, H, W] in and out -----------------------------------------------------------

    static void read(const Problem& p, const float* channels, float* image) {
        std::memset(image, 0, state_floats(p.height, p.width) * sizeof(float));
        for (int c = 0; c < CHANNELS; ++c)
            for (int64_t y = 0; y < p.height; ++y) {
                const Plane to = plane(image, p, c);
                std::memcpy(to.origin + y * to.row, channels + (c * p.height + y) * p.width, p.width * sizeof(float));
            }
    }

    static void show_border(const Problem& p, float* image) {
        for (int c = 0; c < CHANNELS; ++c) fill_border(plane(image, p, c), p.height, p.width, p.padding);
    }

    static void write(const Problem& p, float* image, float* channels) {
        for (int c = 0; c < CHANNELS; ++c)
            for (int64_t y = 0; y < p.height; ++y) {
                const Plane from = plane(image, p, c);
                std::memcpy(channels + (c * p.height + y) * p.width, from.origin + y * from.row,
                            p.width * sizeof(float));
            }
    }
};
