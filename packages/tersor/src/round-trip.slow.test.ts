/** More types of blocks: the slow run asks for them. */
import './round-trip.test.js'
