// One unroll, forward and backward, as a program: can be made for another processor and emulated.
// Numbers come by standard input and go by standard output; see test_unroll_processors.py.
#include "unroll.cpp"

#include <cstdio>
#include <cstdlib>

template <class Value> std::vector<Value> take(size_t count) {
    std::vector<Value> values(count);
    if (std::fread(values.data(), sizeof(Value), count, stdin) != count) std::exit(2);
    return values;
}

void give(const std::vector<float>& values) { std::fwrite(values.data(), sizeof(float), values.size(), stdout); }

int main() {
    const auto sizes = take<int64_t>(6);
    const int64_t steps = sizes[0], batch = sizes[1], height = sizes[2], width = sizes[3];
    const size_t state_size = batch * CHANNELS * height * width;
    const float clip = take<float>(1)[0];
    const auto w1 = take<float>(HIDDEN * PERCEPTION), b1 = take<float>(HIDDEN), w2 = take<float>(CHANNELS * HIDDEN),
               b2 = take<float>(CHANNELS), state = take<float>(state_size), d_last = take<float>(state_size);
    const auto masks = take<uint8_t>(steps * batch * height * width);

    std::vector<float> states((steps + 1) * batch * nca_state_floats(height, width));
    const Problem problem = {steps, batch, height, width, sizes[4], 2, 1, sizes[5], w1.data(), b1.data(), w2.data(),
                             b2.data(), masks.data(), states.data(), clip};
    std::vector<float> last(state_size), d_state(state_size), d_w1(w1.size()), d_b1(HIDDEN), d_w2(w2.size()),
        d_b2(CHANNELS);
    if (nca_forward(&problem, state.data(), last.data()) != DONE) return 1;
    if (nca_backward(&problem, d_last.data(), d_state.data(), d_w1.data(), d_b1.data(), d_w2.data(), d_b2.data()) != DONE)
        return 1;
    for (const auto& values : {last, d_state, d_w1, d_b1, d_w2, d_b2}) give(values);
}
