/**
 * The one door to TensorFlow.js. Every file imports `tf` from here, so that all share one engine, one tape and
 * one registry (the union package is the only one that registers gradients under Node's ESM loader).
 */
import * as tf from "./creation.ts";

export { tf };
export type Tensor = tf.Tensor;
export type Variable = tf.Variable;
export type TensorShape = readonly number[];
