/** Every pass on every network: the slow run asks for them. */
process.env.TERSOR_SLOW = '1'
import './free-channels.test.js'
