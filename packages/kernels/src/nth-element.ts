/**
 * Gives the value that would stand at `index` after sorting in ascending order, NaN last.
 * Rearranges `values`: smaller ones before the index, larger ones behind it. Cost: linear on average (quickselect, median of three).
 */
export function nthElement(values: Float32Array | Float64Array, index: number): number {
  let low = 0
  let high = moveNaNsBack(values) - 1
  if (index > high) return values[index]
  while (low < high) {
    const pivot = medianOfThree(values, low, high)
    let left = low
    let right = high
    while (left <= right) {
      while (values[left] < pivot) left++
      while (values[right] > pivot) right--
      if (left <= right) swap(values, left++, right--)
    }
    if (index <= right) high = right
    else if (index >= left) low = left
    else return values[index]
  }
  return values[index]
}

function swap(values: Float32Array | Float64Array, a: number, b: number): void {
  const held = values[a]
  values[a] = values[b]
  values[b] = held
}

function medianOfThree(values: Float32Array | Float64Array, low: number, high: number): number {
  const [a, b, c] = [values[low], values[(low + high) >>> 1], values[high]]
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c))
}

/** NaN compares with nothing and would stop the partition; gives the number of other values. */
function moveNaNsBack(values: Float32Array | Float64Array): number {
  let end = values.length
  for (let at = 0; at < end;) {
    if (Number.isNaN(values[at])) swap(values, at, --end)
    else at++
  }
  return end
}
