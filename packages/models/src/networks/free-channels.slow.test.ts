/** The bundled model under every pass: the slow run asks for it. */
import './free-channels.test.js'
