/** All pairs: the slow run asks for them. */
import './resume-pairs.command.test.js'
