// The calculator's numbers, by hand.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const calculator = await load("calculator");

const given = {
  model: { n: 1e9, flops: 6e9, kept: 8e9, again: 2e9 }, kind: { memory: 10e9, flops: 1e14 },
  state: [["weights", 2], ["Adam's averages", 14]], tokens: 1e10, devices: 4, utilisation: 0.5, price: 3,
  recompute: true,
};

test("what follows from what is chosen", () => {
  const found = calculator.outcome(given); // 6e19 FLOPs at 4 · 1e14 · 0.5 a second
  assert.equal(found.flops, 6e19);
  assert.equal(found.seconds, 3e5);
  assert.equal(found.hours, (4 * 3e5) / 3600);
  assert.equal(found.money, 1000);
  assert.deepEqual(found.parts.map(({ bytes }) => bytes), [0.5e9, 3.5e9, 2e9]);
  assert.equal(found.bytes, 6e9);
  assert.equal(found.fits, true);
  assert.equal(calculator.outcome({ ...given, recompute: false }).fits, false);
});

test("the least devices that hold it", () => {
  assert.equal(calculator.enough(given), 2); // 8 + 2 of 10 GB
  assert.equal(calculator.enough({ ...given, recompute: false }), 8); // 16 / 8 + 8
  assert.equal(calculator.enough({ ...given, kind: { memory: 1e9, flops: 1 } }), null);
});

test("numbers and times in words", () => {
  assert.equal(calculator.short(3640), "3,640");
  assert.equal(calculator.short(300e9), "300 billion");
  assert.equal(calculator.short(1.5e12), "1.5 trillion");
  assert.equal(calculator.short(999.9e6), "1 billion");
  assert.equal(calculator.short(0.4), "0.4");
  assert.equal(calculator.duration(28.7 * 86_400), "28.7 days");
  assert.equal(calculator.duration(90), "90 seconds");
  assert.equal(calculator.duration(3 * 365.25 * 86_400), "3 years");
});

test("little memory in MB, and one device", () => {
  assert.equal(calculator.memory(8.76e9), "8.8 GB");
  assert.equal(calculator.memory(0.1e9), "0.1 GB");
  assert.equal(calculator.memory(15.8e6), "15.8 MB");
  assert.equal(calculator.memory(99.9e6), "99.9 MB");
  assert.equal(calculator.memory(15_360), "15.4 kB");
  assert.equal(calculator.deviceCount(1), "1 device");
  assert.equal(calculator.deviceCount(1024), "1,024 devices");
});
