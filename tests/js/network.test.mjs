// The parts of the engine's forward pass, by hand; whole networks against PyTorch have their tests
// in tests/show/test_engine.py.
import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./load.mjs";

const net = await load("engine/network.js");
const near = (found, wanted, off = 1e-6) => {
  assert.equal(found.length, wanted.length);
  found.forEach((x, i) => assert.ok(Math.abs(x - wanted[i]) < off, `${[...found]} is not ${wanted}`));
};

test("half precision, from its bits", () => {
  // 1 is 01111 0; 65,504 is the largest; 2^-24 the smallest; 1/3 is 0x3555.
  const bits = [0x0000, 0x3c00, 0xc000, 0x7bff, 0x0001, 0x8001, 0x3555, 0x0400];
  near(bits.map(net.half), [0, 1, -2, 65504, 2 ** -24, -(2 ** -24), 0.333251953125, 2 ** -14], 1e-30);
  assert.deepEqual([0x7c00, 0xfc00].map(net.half), [Infinity, -Infinity]);
  assert.ok(Number.isNaN(net.half(0x7e00)) && Object.is(net.half(0x8000), -0));
  assert.deepEqual([...net.widened(Uint16Array.of(0x3c00, 0xc000))], [1, -2]);
});

test("a product of matrices, for 1 to 9 positions and 1 to 9 rows", () => {
  for (let T = 1; T < 10; T++) {
    for (let outs = 1; outs < 10; outs++) {
      const x = Float32Array.from({ length: T * 3 }, (_, i) => (i * 7) % 5);
      const w = Float32Array.from({ length: outs * 3 }, (_, i) => (i * 3) % 7);
      const bias = Float32Array.from({ length: outs }, (_, o) => o), y = new Float32Array(T * outs);
      const sum = (t, o) => [0, 1, 2].reduce((all, i) => all + x[t * 3 + i] * w[o * 3 + i], 0);
      const wanted = Array.from(y, (_, at) => sum(Math.floor(at / outs), at % outs));
      net.linear(x, T, w, null, y);
      near(y, wanted);
      net.linear(x, T, w, bias, y);
      near(y, wanted.map((value, at) => value + (at % outs)));
    }
  }
});

test("LayerNorm, in place too: mean 2, variance 2/3", () => {
  const norm = { weight: Float32Array.of(1, 2, 3), bias: Float32Array.of(0, 1, 0), eps: 1 / 3 };
  const x = Float32Array.of(1, 2, 3, 2, 2, 2);
  net.layerNorm(x, norm, x); // 1 / √(2/3 + 1/3) = 1
  near(x, [-1, 1, 3, 0, 1, 0]);
});

test("GELU in its tanh form, and a softmax that no large number breaks", () => {
  const x = Float32Array.of(0, 1, -1, 10, -10);
  net.gelu(x); // 0.5 (1 + tanh(√(2/π) 1.044715)) = 0.841192
  near(x, [0, 0.841192, -0.158808, 10, 0]);
  const p = Float64Array.of(1000, 1000 + Math.log(3), 7);
  net.softmax(p, 2);
  near(p, [0.25, 0.75, 7]);
});

test("what a page cannot run is refused by its name", () => {
  const config = { norm: "pre", activation: "gelu_tanh", pattern: ["dense"] };
  const made = (change) => () => new net.Network({ ...config, ...change }, {});
  assert.throws(made({ pattern: ["dense", "banded"] }), /pattern "banded" is not one that a page/);
  assert.throws(made({ activation: "relu" }), /activation "relu"/);
  assert.throws(made({ norm: "both" }), /norm "both"/);
  assert.throws(made({}), /the weights have no tensor wte.weight/);
});
