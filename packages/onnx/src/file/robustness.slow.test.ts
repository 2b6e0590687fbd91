/** Ten times as many mutations: the slow run asks for them. */
import './robustness.test.js'
