/** Text by QDQ too: the slow run asks for it. */
import './generate.test.js'
