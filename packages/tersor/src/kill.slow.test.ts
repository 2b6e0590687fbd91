/** More kills: the slow run asks for them. */
import './kill.test.js'
