/** More stops: the slow run asks for them. */
import './training.command.test.js'
