/** Ten times the damaged models: the slow run asks for them. */
import './robustness.test.js'
