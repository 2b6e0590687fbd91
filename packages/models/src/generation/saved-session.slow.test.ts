/** Every plan on every engine: the slow run asks for them. */
process.env.TERSOR_SLOW = '1'
import './saved-session.test.js'
