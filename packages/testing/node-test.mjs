/**
 * Setup of Node's own runner: the suites call describe, it and expect by their global names, as Jest has them.
 * `node --import tsx --import @tersor/testing/node-test --test src/*.test.ts`
 */
import { expect } from 'expect'
import { after, afterEach, before, beforeEach, describe as nodeDescribe, it as nodeIt } from 'node:test'
import { format } from 'node:util'

/** What a test gives back says nothing, and it takes no context: Node would wait for a callback. */
const body = work => async () => void (await work())

/** Jest's order: name, work, milliseconds. */
const inJestOrder = declare => (name, work, timeout) => declare(name, timeout === undefined ? {} : { timeout }, work)

const withEach = declare =>
  Object.assign(declare, {
    /** A test a row; %s and its like in the name are the values of the row. */
    each: rows => (name, work, timeout) => {
      for (const row of rows) {
        const values = Array.isArray(row) ? row : [row]
        const count = (name.match(/%[sdifjoO]/g) ?? []).length
        declare(format(name, ...values.slice(0, count)), () => work(...values), timeout)
      }
    },
  })

const test = inJestOrder((name, options, work) => nodeIt(name, options, body(work)))
const describe = inJestOrder((name, options, work) => nodeDescribe(name, options, () => void work()))
const it = Object.assign(withEach(test), {
  skip: inJestOrder((name, options, work) => nodeIt.skip(name, options, work && body(work))),
  only: inJestOrder((name, options, work) => nodeIt.only(name, options, body(work))),
})
const hook = declare => (work, timeout) => declare(body(work), timeout === undefined ? {} : { timeout })

Object.assign(globalThis, {
  ...{ expect, it, test: it, describe: Object.assign(withEach(describe), { skip: inJestOrder(nodeDescribe.skip) }) },
  ...{ afterAll: hook(after), afterEach: hook(afterEach), beforeAll: hook(before), beforeEach: hook(beforeEach) },
})
