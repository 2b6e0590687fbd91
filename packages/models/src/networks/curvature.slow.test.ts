/** Every network on every engine: the slow run asks for them. */
import './curvature.test.js'
