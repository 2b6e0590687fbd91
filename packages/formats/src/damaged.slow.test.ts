/** Ten times the damaged files: the slow run asks for them. */
import './files/robustness.test.js'
import './gguf/imatrix.test.js'
import './quantized-floats.test.js'
import './quantized-folder.test.js'
import './robustness-folders.test.js'
import './tfjs.test.js'
