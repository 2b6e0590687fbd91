/** All plans on all networks. */
process.env.TERSOR_SLOW = '1'
import './session.test.js'
