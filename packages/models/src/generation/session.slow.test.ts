/** Every plan on every decoder: the slow run asks for them. */
import './session.test.js'
