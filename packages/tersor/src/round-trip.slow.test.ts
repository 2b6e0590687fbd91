/** More types of blocks: the slow run asks for them. */
import './round-trip.command.test.js'
