/** Weights on every grid in every form: the slow run asks for them. */
process.env.TERSOR_SLOW = '1'
import './trees.test.js'
