import { gapsOf, spreadByGaps } from './gaps.js'

it('counts the zeros before each number, and puts numbers back behind them', () => {
  const values = [0, 0, 5, 7, 0, 2, 0]
  expect([...gapsOf(values)]).toEqual([2, 0, 1])
  expect([...spreadByGaps([2, 0, 1], [5, 7, 2], 7)!]).toEqual(values)
  expect([...gapsOf([0, 0])]).toEqual([])
  expect([...spreadByGaps([], [], 2)!]).toEqual([0, 0])
})

it('says where numbers have no room', () => expect(spreadByGaps([2, 0, 1], [5, 7, 2], 5)).toBeUndefined())
