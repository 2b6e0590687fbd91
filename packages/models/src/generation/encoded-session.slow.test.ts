/** Every plan: the slow run asks for them. */
process.env.TERSOR_SLOW = '1'
import './encoded-session.test.js'
