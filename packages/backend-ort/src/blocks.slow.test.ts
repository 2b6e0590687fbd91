/** Large products, transposed in all ways: the slow run asks for them. */
import './blocks.test.js'
