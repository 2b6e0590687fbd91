/** Drops the advertisement that tfjs prints in Node; every other warning stays. */
const warn = console.warn
console.warn = (...parts) =>
  String(parts[0]).includes('Hi, looks like you are running TensorFlow.js in Node.js') ? undefined : warn(...parts)
